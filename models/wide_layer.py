"""The wide part of preset `best` as a torch module over plain arrays, for graphs that hold the whole model (ONNX).

A post's sparse features are row numbers of one table with a value each, its picture a dense row; padding is row 0,
which is zeros. scores = sum_m values_m * table[ids_m] + image @ image_weights + bias: `LinearLayer.logits` in float32.
Shape letters: B posts, M most features of a post, R rows of the table, D image features, C classes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.experts import LinearLayer
from models.samples import Samples
from models.wide_features import BLOCKS, Block, WideFeatures

SPARSE: tuple[Block, ...] = tuple(name for name in BLOCKS if name != "image")


class WideInput(NamedTuple):
    """What `WideLayer` reads of each post."""

    ids_BM: Tensor
    """int64"""
    values_BM: Tensor
    """float32"""
    image_BD: Tensor
    """float32: the image block, standardised, zeros where a post has no picture"""


class WideLayer(nn.Module):
    """A `LinearLayer` with its blocks in one table."""

    def __init__(self, layer: LinearLayer, features: WideFeatures) -> None:
        super().__init__()
        num_classes, widths = len(layer.bias_C), features.widths()

        def weights(name: Block) -> np.ndarray:
            return layer.weights.get(name, np.zeros((widths[name], num_classes)))

        table_RC = np.concatenate([np.zeros((1, num_classes)), *(weights(name) for name in SPARSE)])
        self.register_buffer("table_RC", torch.from_numpy(table_RC.astype(np.float32)))
        self.register_buffer("image_DC", torch.from_numpy(weights("image").astype(np.float32)))
        self.register_buffer("bias_C", torch.from_numpy(layer.bias_C.astype(np.float32)))

    def forward(self, ids_BM: Tensor, values_BM: Tensor, image_BD: Tensor) -> Tensor:
        """Class scores (B, C)."""
        parts: Mapping[str, Any] = dict(self.named_buffers())
        sparse_BC = (parts["table_RC"][ids_BM] * values_BM[:, :, None]).sum(dim=1)
        return sparse_BC + image_BD @ parts["image_DC"] + parts["bias_C"]  # type: ignore[no-any-return]


def wide_input(features: WideFeatures, samples: Samples) -> WideInput:
    """The posts as `WideLayer` reads them."""
    from scipy import sparse

    blocks = features.transform(samples)
    joined = sparse.hstack([blocks[name] for name in SPARSE], format="csr")
    lengths_B = np.diff(joined.indptr)
    ids_BM = np.zeros((len(samples), max(1, int(lengths_B.max(initial=0)))), dtype=np.int64)
    values_BM = np.zeros(ids_BM.shape, dtype=np.float32)
    is_used_BM = np.arange(ids_BM.shape[1]) < lengths_B[:, None]
    ids_BM[is_used_BM], values_BM[is_used_BM] = joined.indices + 1, joined.data
    image_BD = blocks["image"].toarray().astype(np.float32)
    return WideInput(torch.from_numpy(ids_BM), torch.from_numpy(values_BM), torch.from_numpy(image_BD))

"""The linear experts of preset `best`: one logistic regression over all modalities, and others over parts of them.

Fitted on its own, a modality cannot lean on another; pooled afterwards (`linear.pool`) they are still one linear
layer, only that its weights were found block by block. On five demo cities that made more of the same features than
fitting all of them at once, whatever the regularisation (docs/DECISIONS.md).
Shape letters: N samples, C classes, P classes met in training, F features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.linear.wide_features import BLOCKS, Block

UNSEEN = -30.0
"""logit of a class without a training post, below that of the others"""
MAX_ITERATIONS = 300


@dataclass(frozen=True)
class Expert:
    """Which blocks a regression reads, times what, and the inverse regularisations (scikit-learn's C) it may have."""

    scales: Mapping[Block, float]
    choices: tuple[float, ...]


EXPERTS: Mapping[str, Expert] = {
    "all": Expert({"characters": 1.0, "words": 1.0, "hashtags": 1.0, "image": 1.0}, (3.0,)),
    "words_and_hashtags": Expert({"characters": 1.5, "words": 1.5, "hashtags_idf": 1.5}, (0.3, 1.0, 3.0, 10.0)),
    "caption": Expert({"characters": 1.0, "words": 1.0}, (1.0, 3.0, 10.0)),
    "hashtags": Expert({"hashtags_idf": 1.0}, (1.0, 3.0, 10.0)),
    "image": Expert({"image": 1.0}, (1.0, 3.0, 10.0, 30.0, 100.0)),
}
"""The first is the baseline `logistic_all`, as it is: with all weight on it the pool is that baseline."""


@dataclass(frozen=True)
class LinearLayer:
    """Class scores = sum over blocks of features @ weights + bias; (F, C) per block and (C,), float64."""

    weights: Mapping[Block, np.ndarray]
    bias_C: np.ndarray
    seen_C: np.ndarray = field(repr=False)
    """bool: the classes that had a training post"""

    def logits(self, blocks: Mapping[Block, Any]) -> np.ndarray:
        """Class scores (N, C), float64."""
        parts = [np.asarray(blocks[name] @ weights_FC) for name, weights_FC in self.weights.items()]
        num_samples = next(iter(blocks.values())).shape[0]
        return np.asarray(sum(parts, np.tile(self.bias_C, (num_samples, 1))))


def fit_expert(
    expert: Expert, blocks: Mapping[Block, Any], labels_N: np.ndarray, num_classes: int, inverse_regularisation: float
) -> LinearLayer:
    """The regression; without any feature, or with posts of one class only, it predicts the shares of the classes."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    names = [name for name in expert.scales if blocks[name].shape[1]]
    counts_C = np.bincount(labels_N, minlength=num_classes)
    if not names or np.count_nonzero(counts_C) == 1:
        return _shares(counts_C)
    design_NF = sparse.hstack([blocks[name] * expert.scales[name] for name in names], format="csr")
    regression = LogisticRegression(C=inverse_regularisation, max_iter=MAX_ITERATIONS, tol=1e-3)
    regression.fit(design_NF, labels_N)
    coef_PF, bias_P = regression.coef_, regression.intercept_
    if len(coef_PF) == 1:  # of two classes scikit-learn keeps the second one's scores only
        coef_PF, bias_P = np.concatenate([0 * coef_PF, coef_PF]), np.array([0.0, bias_P[0]])
    coef_FC = np.zeros((design_NF.shape[1], num_classes))
    bias_C = np.full(num_classes, bias_P.min() + UNSEEN)
    coef_FC[:, regression.classes_], bias_C[regression.classes_] = coef_PF.T, bias_P
    ends = np.cumsum([blocks[name].shape[1] for name in names])[:-1]
    parts = zip(names, np.split(coef_FC, ends), strict=True)
    return LinearLayer({name: part * expert.scales[name] for name, part in parts}, bias_C, counts_C > 0)


def _shares(counts_C: np.ndarray) -> LinearLayer:
    with np.errstate(divide="ignore"):
        log_C = np.log(counts_C / counts_C.sum())
    return LinearLayer({}, np.maximum(log_C, log_C.max() + UNSEEN), counts_C > 0)


def joined(layers: Mapping[str, LinearLayer], weights: Mapping[str, float]) -> LinearLayer:
    """The one layer whose scores are the weighted sum of those of `layers`."""
    blocks: dict[Block, np.ndarray] = {}
    for name, layer in layers.items():
        for block, weights_FC in layer.weights.items():
            blocks[block] = blocks.get(block, 0.0) + weights[name] * weights_FC
    first = next(iter(layers.values()))
    bias_C = np.sum([weights[name] * layer.bias_C for name, layer in layers.items()], axis=0)
    return LinearLayer(blocks, bias_C, first.seen_C)


def rounded(layer: LinearLayer) -> LinearLayer:
    """The layer as it is stored: weights of float32 precision, blocks in the order of `BLOCKS`, idle ones left out."""
    kept = [name for name in BLOCKS if name in layer.weights and layer.weights[name].any()]
    parts = {name: layer.weights[name].astype(np.float32).astype(np.float64) for name in kept}
    return LinearLayer(parts, layer.bias_C, layer.seen_C)

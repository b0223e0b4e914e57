"""What a training step costs: operations and bytes counted op by op, and which of a device's limits it comes near.

Operations are those of matrix products and convolutions, two to a multiplication with its addition. Bytes are what
every op would read and write if nothing were kept in a cache and nothing fused: more than a device has to move.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bench.gpu import seconds_each
from models.data.encoded_split import EncodedSplit, HostSplit
from models.data.samples import ImageScaler, Samples
from models.data.text import Vocabulary
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.fitted import build_network
from models.training.run import Run
from models.training.steps import Steps
from models.training.training_loss import FiniteGuard, TrainingLoss

VIEWS = ("view", "expand", "permute", "transpose", "slice", "select", "detach", "alias", "as_strided", "unsqueeze")


@dataclass(frozen=True)
class StepCost:
    """Of one step at the preset's batch size."""

    batch_size: int
    gflop_per_post: float
    mbytes_per_step: float
    num_kernels: int
    """ops that compute something: about so many kernels start where nothing is fused"""
    num_parameters: int

    def summary(self) -> str:
        """One line."""
        return (
            f"a step of {self.batch_size} posts, {self.num_parameters / 1e6:.1f} M parameters: "
            f"{self.gflop_per_post:.2f} GFLOP a post, {self.mbytes_per_step:,.0f} MB read and written, "
            f"{self.num_kernels:,} ops"
        )

    def bound(self, posts_per_s: float, tflops: float, gbytes_per_s: float) -> str:
        """Shares of the limits at this rate, and what bounds it."""
        of_products = posts_per_s * self.gflop_per_post / 1000 / tflops
        of_memory = posts_per_s / self.batch_size * self.mbytes_per_step / 1000 / gbytes_per_s
        microseconds = 1e6 * self.batch_size / posts_per_s / self.num_kernels
        shares = {"matrix products": of_products, "memory": of_memory}
        largest = max(shares, key=lambda name: shares[name])
        why = (
            f"{largest} bound it"
            if shares[largest] > 0.5
            else "neither bounds it, on a GPU the start of many small kernels does"
        )
        return (
            f"{of_products:.1%} of the limit of matrix products, {of_memory:.0%} of that of memory (counted unfused), "
            f"{microseconds:.1f} us for each op of a batch of {self.batch_size}; {why}"
        )


def step_cost(samples: Samples, num_classes: int) -> StepCost:
    """Counted on the processor, in fp32, over one step of the preset `paper`."""
    config, training = MrlfConfig.paper(), TrainConfig.paper()
    size = min(len(samples), training.batch_size)
    vocabulary = Vocabulary.build(samples.captions, samples.hashtags, dataclasses.replace(config, min_word_count=1))
    split = EncodedSplit.of(samples, vocabulary, ImageScaler.fit(samples.image_ND), config)
    device = torch.device("cpu")
    model = build_network(config, vocabulary, image_dim=samples.image_ND.shape[1], num_classes=num_classes)
    run = Run(model, training)
    loss = TrainingLoss(training, samples.labels_N, num_classes, device)
    steps = Steps(run, HostSplit(split, device), loss, FiniteGuard(device, is_deferred=True))
    rows = np.argsort(split.text.caption_chars.lengths_N)[len(samples) // 2 :][
        :size
    ]  # about the middle, as batches are
    with FlopCounterMode(display=False) as operations, _Bytes() as traffic:
        steps.take(rows)
    return StepCost(
        batch_size=size,
        gflop_per_post=operations.get_total_flops() / 1e9 / size,
        mbytes_per_step=traffic.num_bytes / 1e6,
        num_kernels=traffic.num_ops,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


class _Bytes(TorchDispatchMode):
    """Counts the bytes of the tensors that go into and come out of each op that is no mere view."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = self.num_ops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.__name__.split(".")[0].removeprefix("_").startswith(VIEWS):
            self.num_ops += 1
            leaves = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.num_bytes += sum(leaf.numel() * leaf.element_size() for leaf in leaves)
        return result


def copy_gbytes_per_s(device: str) -> float:
    """What a copy of a large tensor on the device reads and writes in a second."""
    source = torch.zeros(2**28 if device == "cuda" else 2**22, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() * source.element_size() / seconds_each(lambda: target.copy_(source), device) / 1e9

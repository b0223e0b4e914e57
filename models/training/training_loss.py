"""The training loss, and the guard on it: a loss or gradient that is not finite moves no weight and stops the run.

Cross-entropy, with class weights and label smoothing where asked for. A batch may be taken in parts (when memory is
short): the parts' losses and gradients sum up to the whole batch's.
On a CPU the run stops at once, before the optimiser steps. Asking a GPU after each step would make it wait, so there
the guard is deferred: at the first step that is not finite, the device itself sets the gradients and the learning
rate to zero, so that neither this step nor any after it moves a weight, and keeps the step's number until it is asked.
Shape letters: N samples, B batch, P part of a batch, C classes.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.settings.train_config import TrainConfig

WHAT = ("", "loss", "gradient")


def balanced_weights(labels_N: np.ndarray, num_classes: int) -> np.ndarray:
    """n / (classes met * posts of the class), as scikit-learn's "balanced"; 0 for a class never met: (C,) float32."""
    count_C = np.bincount(labels_N, minlength=num_classes)
    weight_C = np.zeros(num_classes)
    weight_C[count_C > 0] = len(labels_N) / (np.count_nonzero(count_C) * count_C[count_C > 0])
    return weight_C.astype(np.float32)


class TrainingLoss:
    """The loss of one run, on its device."""

    def __init__(self, config: TrainConfig, labels_N: np.ndarray, num_classes: int, device: torch.device) -> None:
        self.label_smoothing = config.label_smoothing
        self.weight_C: Tensor | None = None
        if config.class_weights:
            self.weight_C = torch.from_numpy(balanced_weights(labels_N, num_classes)).to(device)

    def total_weight(self, labels_B: Tensor) -> Tensor | int:
        """What the sum over a batch is divided by: its posts, or their weights."""
        return len(labels_B) if self.weight_C is None else self.weight_C[labels_B].sum()

    def __call__(self, logits_PC: Tensor, labels_P: Tensor, total_weight: Tensor | int) -> Tensor:
        """The share of these posts in the mean loss of their batch."""
        total = F.cross_entropy(
            logits_PC.float(),
            labels_P,
            weight=self.weight_C,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return total / total_weight


class NonFiniteError(ArithmeticError):
    """The loss or a gradient became NaN or infinite; the weights were not updated."""

    def __init__(self, what: str, epoch: int, step: int, keys: Sequence[str]) -> None:
        shown = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
        super().__init__(
            f"the {what} is not finite in epoch {epoch}, step {step} (samples {shown}); the weights were not updated. "
            "Lower the learning rate, or look at these samples"
        )
        self.epoch, self.step, self.keys = epoch, step, list(keys)


class FiniteGuard:
    """Watches every step of one run on one device."""

    def __init__(self, device: torch.device, *, is_deferred: bool) -> None:
        self.is_deferred = is_deferred
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        """steps of this epoch so far, counted where the work is done"""
        self.bad_step = torch.zeros_like(self.step)
        self.bad_what = torch.zeros_like(self.step)

    def begin(self, num_steps_done: int) -> None:
        """Count from here on."""
        self.step.fill_(num_steps_done)

    def watch(self, loss: Tensor, gradients: list[Tensor], learning_rates: list[Tensor]) -> None:
        """Look at a step before the optimiser does. Deferred, it waits for nothing and changes no finite step."""
        self.step.add_(1)
        norm = torch.nn.utils.get_total_norm(gradients)  # the largest gradient would show the same, 13 times slower
        is_loss_good, is_norm_good = torch.isfinite(loss), torch.isfinite(norm)
        is_first_bad = ~(is_loss_good & is_norm_good) & (self.bad_step == 0)
        self.bad_step.add_(is_first_bad * self.step)
        self.bad_what.add_(is_first_bad * (1 + is_loss_good.long()))
        if self.is_deferred:
            _multiply_bits(gradients, self.bad_step == 0)
            for rate in learning_rates:
                rate.mul_(self.bad_step == 0)

    def found(self) -> tuple[int, str]:
        """The first step that was not finite, 0 where none was, and what was not; on a GPU this waits for it."""
        step, what = torch.stack([self.bad_step, self.bad_what]).tolist()
        return step, WHAT[what]


def _multiply_bits(gradients: list[Tensor], is_good: Tensor) -> None:
    """Each gradient unchanged or all zero. As integers, since NaN times zero is NaN."""
    bits = [gradient.view(torch.int32) for gradient in gradients]
    torch._foreach_mul_(bits, is_good.to(torch.int32))

"""The guard of training: a loss or gradient that is not finite moves no weight and stops the run.

On a CPU the run stops at once, before the optimiser steps. Asking a GPU after each step would make it wait, so there
the guard is deferred: at the first step that is not finite, the device itself sets the gradients and the learning
rate to zero, so that neither this step nor any after it moves a weight, and keeps the step's number until it is asked.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

WHAT = ("", "loss", "gradient")


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

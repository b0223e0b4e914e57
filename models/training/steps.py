"""The steps of a training run: forward, loss, backward, guard and optimiser, in parts where memory is short.

Shape letters: B batch, C classes.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.batches import Batch
from models.data.encoded_split import BatchSource
from models.data.network import Network
from models.training.run import Run
from models.training.training_loss import FiniteGuard, TrainingLoss

_log = logging.getLogger(__name__)


class TooLargeError(ValueError):
    """The device's memory does not hold a step, not even with half a batch at a time."""


class Steps:
    """What is done to a batch: `take` moves the weights once."""

    def __init__(self, run: Run, data: BatchSource, loss: TrainingLoss, guard: FiniteGuard) -> None:
        self.run, self.data, self.loss, self.guard = run, data, loss, guard
        self.network = compiled_network(run.model) if run.config.compile else run.model
        self.parameters = [parameter for parameter in run.model.parameters() if parameter.requires_grad]

    def take(self, rows: np.ndarray) -> None:
        """One step on the samples `rows`.

        Raises:
            TooLargeError: memory does not suffice for half of them either.
        """
        if not self._has_room_for(rows):
            self._halve(rows)
            if not self._has_room_for(rows):
                raise TooLargeError(
                    f"the memory of {self.run.device} does not hold half a batch ({-(-len(rows) // 2)} posts) of this "
                    "network: lower batch_size, take a smaller preset, or train on the CPU (device=cpu)"
                )

    def _has_room_for(self, rows: np.ndarray) -> bool:
        """Whether the step could be taken; if not, no weight was moved."""
        try:
            loss = self._gradients(rows)
        except torch.OutOfMemoryError:  # what the frames below hold is let go when this block ends
            return False
        self.update(loss, len(rows))
        return True

    def _halve(self, rows: np.ndarray) -> None:
        if self.run.num_parts > 1:
            return
        self.run.num_parts = 2
        self.run.optimiser.zero_grad(set_to_none=True)
        if self.run.device.type == "cuda":
            torch.cuda.empty_cache()
        _log.warning(
            "The memory of %s does not hold a batch of %d posts: each is taken in two halves from here on, with the "
            "gradients of both summed up, so that the result is that of whole batches up to dropout and rounding.",
            self.run.device,
            len(rows),
        )

    def _gradients(self, rows: np.ndarray) -> Tensor:
        self.run.optimiser.zero_grad(set_to_none=True)
        parts = [self.data.cut(part) for part in np.array_split(rows, self.run.num_parts) if len(part)]
        labels_B = torch.cat([labels_P for _, labels_P in parts])
        return self.backward(parts, self.loss.total_weight(labels_B))

    def backward(self, parts: list[tuple[Batch, Tensor]], total_weight: Tensor | int) -> Tensor:
        """Gradients and loss of a batch given in parts."""
        losses = []
        for batch, labels_P in parts:
            with autocast(self.run):
                logits_PC = self.network(batch)
            loss = self.loss(logits_PC, labels_P, total_weight)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def update(self, loss: Tensor, num_samples: int) -> None:
        """Move the weights, unless something is not finite."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        self.guard.watch(loss, gradients, self.run.learning_rates)
        if not self.guard.is_deferred and self.guard.found()[0]:
            return
        if self.run.config.clip is not None:
            norm = torch.nn.utils.get_total_norm(gradients)
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.run.config.clip, norm)
        self.run.optimiser.step()
        self.run.loss_sum.add_(loss.double() * num_samples)


def autocast(run: Run) -> AbstractContextManager[Any]:
    """bf16 where the run asks for it, or by itself on a GPU."""
    is_bf16 = run.config.precision == "bf16" or (run.config.precision == "auto" and run.device.type == "cuda")
    return torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=is_bf16)


def compiled_network(model: Network) -> Callable[[Batch], Tensor]:
    """The network compiled for any shape; where that fails, a warning is logged and the network runs as it is."""
    chosen: list[Any] = [torch.compile(model, dynamic=True)]

    def forward(batch: Batch) -> Tensor:
        try:
            return chosen[0](batch)  # type: ignore[no-any-return]
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            _log.warning("torch.compile failed (%s): the network runs uncompiled, slower, with equal results.", reason)
            chosen[0] = model
            return model(batch)  # type: ignore[no-any-return]

    return forward

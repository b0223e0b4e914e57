"""The epochs of a run: training steps with dropout on, then the figures of validation."""

import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from models.data.batches import scoring_batches, training_batches
from models.data.encoded_split import BatchSource, DeviceSplit, EncodedSplit, HostSplit
from models.settings.train_config import Epoch
from models.training.cuda_steps import CudaSteps
from models.training.finite import FiniteGuard, NonFiniteError
from models.training.fitted import SCORING_BATCH_SIZE
from models.training.run import Run
from models.training.steps import Steps, autocast
from models.training.training_loss import TrainingLoss

GPU_SCORING_BATCH_SIZE = 1024
GUARD_INTERVAL = 64
"""steps between two looks at a deferred guard"""
RESIDENT_SHARE = 0.5
"""of a GPU's free memory that the data may take; what is larger stays in the processor's"""


class StopAsked(Exception):  # noqa: N818 it is no error
    """`should_stop` returned true."""


class Epochs:
    """The epochs of a run: training steps with dropout on, then the validation figures."""

    def __init__(
        self,
        run: Run,
        train: EncodedSplit,
        validation: EncodedSplit,
        *,
        on_step: Callable[[int, int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.run, self.train, self.validation = run, train, validation
        self.on_step, self.should_stop = on_step, should_stop
        self.guard = FiniteGuard(run.device, is_deferred=run.device.type != "cpu")
        loss = TrainingLoss(run.config, train.labels_N, run.model.num_classes, run.device)
        train_source, self.validation_source = _sources([train, validation], run.device)
        is_captured = isinstance(train_source, DeviceSplit) and run.config.compile is not False
        kind = CudaSteps if is_captured else Steps
        self.steps: Steps = kind(run, train_source, loss, self.guard)  # type: ignore[arg-type]

    def next(self) -> Epoch:
        """Finish the running epoch.

        Raises:
            StopAsked: between two steps; the run's state is that after the last one.
        """
        run, number = self.run, len(self.run.history) + 1
        learning_rate = float(run.optimiser.param_groups[0]["lr"])
        started = time.perf_counter() - run.seconds
        try:
            self._take_steps(number)
            train_loss = float(run.loss_sum) / len(self.train)
            validation_loss, validation_accuracy = self._evaluate()
        finally:
            run.seconds = time.perf_counter() - started
        if not np.isfinite(validation_loss):
            raise NonFiniteError("validation loss", number, 0, self.validation.keys)
        return Epoch(
            epoch=number,
            train_loss=train_loss,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            learning_rate=learning_rate,
            seconds=run.seconds,
        )

    def _take_steps(self, epoch: int) -> None:
        run, config = self.run, self.run.config
        if run.num_steps == 0:
            torch.manual_seed(int(np.random.SeedSequence([config.seed, epoch]).generate_state(1)[0]))
        run.model.train()
        batches = training_batches(self.train.text, config.batch_size, seed=config.seed, epoch=epoch)
        self.guard.begin(run.num_steps)
        interval = GUARD_INTERVAL if self.guard.is_deferred else 1
        for rows in batches[run.num_steps :]:
            if self.should_stop and self.should_stop():
                self._require_finite(epoch, batches)
                raise StopAsked
            self.steps.take(rows)
            run.num_steps += 1
            if run.num_steps % interval == 0 or run.num_steps == len(batches):
                self._require_finite(epoch, batches)
            if self.on_step:
                self.on_step(epoch, run.num_steps, len(batches))

    def _require_finite(self, epoch: int, batches: list[np.ndarray]) -> None:
        step, what = self.guard.found()
        if step:
            raise NonFiniteError(what, epoch, step, [self.train.keys[row] for row in batches[step - 1]])

    def _evaluate(self) -> tuple[float, float]:
        """Mean loss and accuracy on validation; a GPU is waited for once, at the end."""
        run = self.run
        run.model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=run.device)
        size = SCORING_BATCH_SIZE if run.device.type == "cpu" else GPU_SCORING_BATCH_SIZE
        with torch.inference_mode(), autocast(run):
            for rows in scoring_batches(self.validation.text, size):
                batch, labels_B = self.validation_source.cut(rows)
                logits_BC = run.model(batch)
                loss = F.cross_entropy(logits_BC.double(), labels_B, reduction="sum")
                total += torch.stack([loss, (logits_BC.argmax(dim=1) == labels_B).sum()])
        loss_sum, num_right = total.tolist()
        return loss_sum / len(self.validation), num_right / len(self.validation)


def _sources(splits: list[EncodedSplit], device: torch.device) -> list[BatchSource]:
    """On a GPU that has room for them the splits lie there as a whole."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(split.num_bytes for split in splits) < free * RESIDENT_SHARE:
            return [DeviceSplit(split, device) for split in splits]
    return [HostSplit(split, device) for split in splits]

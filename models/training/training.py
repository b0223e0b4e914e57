"""Trains a network on arrays: one loop for all of them, that watches the validation loss and keeps the best epoch.

An epoch is the training steps with dropout on, then the figures of validation.
Laws: the same data, settings and thread count give the same model, bit for bit on a CPU, whether or not the run was
interrupted, at whatever step; torch's global generator and thread count are as before when `fit` returns.
A loss or gradient that is not finite moves no weight and ends the run with the step and the samples named.
An epoch's batches, dropout and order come from (seed, epoch) alone, so a run that was killed inside an epoch begins
it again; one that was asked to stop keeps the generators' states and goes on from the very step.
What lies in `checkpoint_dir`: the last state and the one before (`training.checkpoint`), each with the best weights so
far in it, and `best/`, the model of the best epoch as `models.trained.load_model` reads it.
"""

import dataclasses
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.batches import scoring_batches, training_batches
from models.data.digest import tensors_sha256
from models.data.encoded_split import BatchSource, DeviceSplit, EncodedSplit, HostSplit
from models.data.network import start_from
from models.data.samples import ImageScaler, Samples, check_split
from models.data.text import TextConfig, Vocabulary
from models.settings.machine import device_for, gpu_problem
from models.settings.train_config import Epoch, TrainConfig
from models.training.cuda_steps import CudaSteps
from models.training.fitted import SCORING_BATCH_SIZE, Fitted, build_network, network_name
from models.training.run import Rerun, Run, read_checkpoint, saving, write_checkpoint
from models.training.steps import Steps, autocast
from models.training.training_loss import FiniteGuard, NonFiniteError, TrainingLoss

GPU_SCORING_BATCH_SIZE = 1024
GUARD_INTERVAL = 64
"""steps between two looks at a deferred guard"""
RESIDENT_SHARE = 0.5
"""of a GPU's free memory that the data may take; what is larger stays in the processor's"""
__all__ = ["Epoch", "Fitted", "NonFiniteError", "TrainConfig", "TrainingStoppedError", "check_split", "fit"]
BEST = "best"
_log = logging.getLogger(__name__)


class StopAsked(Exception):  # noqa: N818 it is no error
    """`should_stop` returned true."""


class Epochs:
    """The epochs of a run: training steps with dropout on, then the validation figures."""

    def __init__(
        self,
        run: Run,
        train: EncodedSplit,
        validation: EncodedSplit | None,
        *,
        on_step: Callable[[int, int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.run, self.train, self.validation = run, train, validation
        self.on_step, self.should_stop = on_step, should_stop
        self.guard = FiniteGuard(run.device, is_deferred=run.device.type != "cpu")
        loss = TrainingLoss(run.config, train.labels_N, run.model.num_classes, run.device)
        train_source, *others = _sources([train, validation] if validation is not None else [train], run.device)
        self.validation_source = others[0] if others else None
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
        if self.validation is not None and not np.isfinite(validation_loss):
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
        """Mean loss and accuracy on validation, NaN without it; a GPU is waited for once, at the end."""
        run = self.run
        if self.validation is None or self.validation_source is None:
            return float("nan"), float("nan")
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


class TrainingStoppedError(Exception):
    """`should_stop` returned true. With a checkpoint folder the state at this very step is kept there."""

    def __init__(self, epoch: int, step: int, checkpoint_dir: Path | None) -> None:
        kept = (
            "nothing is kept" if checkpoint_dir is None else "its state is kept, and the same run goes on from there"
        )
        super().__init__(f"training was stopped in epoch {epoch} after step {step}: {kept}")
        self.epoch, self.step = epoch, step


def fit(
    train: Samples,
    validation: Samples,
    *,
    num_classes: int,
    model_config: TextConfig,
    train_config: TrainConfig,
    checkpoint_dir: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    initial_state: Mapping[str, Tensor] | None = None,
) -> Fitted:
    """Train, and return the model of the epoch with the lowest validation loss.

    With `checkpoint_dir` each epoch is stored there, and a run of the same data and settings goes on from it.
    on_epoch, on_step: called with each finished epoch, and with each step as (epoch, steps done of it, its steps).
    should_stop: asked before each step.
    initial_state: tensors by their names in the network, for networks that begin from published weights; what is
    not named begins random.

    Raises:
        ValueError: no samples, fewer than 2 classes, a label outside 0..num_classes-1, or no memory for half a batch.
        NonFiniteError: the training broke down; the checkpoint of the epoch before is intact.
        TrainingStoppedError: `should_stop` returned true.
        CheckpointWriteError: the disk took no checkpoint; the one before is intact.
    """
    check_split("train", train, num_classes)
    check_split("validation", validation, num_classes)
    vocabulary = Vocabulary.build(train.captions, train.hashtags, model_config)
    scaler = _scaler(train)
    train_split, validation_split = (
        EncodedSplit.of(samples, vocabulary, scaler, model_config) for samples in (train, validation)
    )
    kept = None
    if checkpoint_dir:
        sha256 = _run_sha256(train, validation, num_classes, model_config, train_config, initial_state or {})
        kept = _Kept(checkpoint_dir, sha256, vocabulary, scaler)
    with _environment(train_config) as device:
        model = build_network(model_config, vocabulary, image_dim=train.image_ND.shape[1], num_classes=num_classes)
        start_from(model, initial_state or {})
        run = Run(model.to(device), train_config)
        if kept:
            kept.resume(run)
        epochs = Epochs(run, train_split, validation_split, on_step=on_step, should_stop=should_stop)
        _train(run, epochs, kept, on_epoch)
    _warn_if_useless(run, num_classes)
    run.model.load_state_dict(run.best)
    return run.fitted(vocabulary, scaler)


def refit(
    fitted: Fitted,
    samples: Samples,
    *,
    checkpoint_dir: Path | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Fitted:
    """The model trained anew on these samples, with nothing left to choose: as many epochs, at the learning rates.

    For the samples that it was chosen on, beside those it was trained on. Its history stays that of the choice.

    Raises:
        As `fit`.
    """
    check_split("train and validation", samples, fitted.num_classes)
    config, network = fitted.train_config, fitted.model_config
    rates = [epoch.learning_rate for epoch in fitted.history[: fitted.best_epoch]]
    vocabulary = Vocabulary.build(samples.captions, samples.hashtags, network)
    scaler = _scaler(samples)
    split = EncodedSplit.of(samples, vocabulary, scaler, network)
    kept = None
    if checkpoint_dir:
        sha256 = _run_sha256(samples, samples, fitted.num_classes, network, config, {})
        kept = _Kept(checkpoint_dir, hashlib.sha256(f"{sha256} {rates}".encode()).hexdigest(), vocabulary, scaler)
    with _environment(config) as device:
        model = build_network(network, vocabulary, image_dim=samples.image_ND.shape[1], num_classes=fitted.num_classes)
        run = Rerun(model.to(device), config, rates)
        if kept:
            kept.resume(run)
        _train(run, Epochs(run, split, None, on_step=on_step, should_stop=should_stop), kept, None)
    again = run.fitted(vocabulary, scaler)
    return dataclasses.replace(again, history=fitted.history, best_epoch=fitted.best_epoch)


@dataclasses.dataclass(frozen=True)
class _Kept:
    """What a run leaves in its folder."""

    folder: Path
    run_sha256: str
    vocabulary: Vocabulary
    scaler: ImageScaler

    def resume(self, run: Run) -> None:
        """Bring the run to where the last usable checkpoint is, if there is one."""
        stored = read_checkpoint(self.folder, self.run_sha256)
        if stored:
            run.restore(stored)
            _log.info(
                "Training goes on after epoch %d, step %d of the next, from the checkpoint in %s.",
                len(run.history),
                run.num_steps,
                self.folder,
            )

    def write(self, run: Run) -> None:
        """The run as it is now, for `resume`."""
        write_checkpoint(self.folder, run.checkpoint(), self.run_sha256)

    def write_best(self, run: Run) -> None:
        """Put the model of this epoch in the place of the best one, if it is better."""
        if run.best_epoch != len(run.history):
            return
        new, best = self.folder / f"{BEST}.new", self.folder / BEST
        with saving(best, new):
            shutil.rmtree(new, ignore_errors=True)  # what a killed run left
            run.fitted(self.vocabulary, self.scaler).save(new)
            shutil.rmtree(best, ignore_errors=True)
            new.rename(best)


def _train(run: Run, epochs: Epochs, kept: _Kept | None, on_epoch: Callable[[Epoch], None] | None) -> None:
    """Epoch after epoch until the run is over."""
    while not run.is_over:
        try:
            run.record(epochs.next())
        except StopAsked:
            if kept:
                kept.write(run)
            epoch, step = len(run.history) + 1, run.num_steps
            raise TrainingStoppedError(epoch, step, kept.folder if kept else None) from None
        if kept:
            kept.write(run)
            kept.write_best(run)
        if on_epoch:
            on_epoch(run.history[-1])


def _scaler(samples: Samples) -> ImageScaler:
    """Of the samples that have a picture, where any has."""
    return ImageScaler.fit(samples.image_ND[samples.has_image_N] if samples.has_image_N.any() else samples.image_ND)


def _device(name: str) -> torch.device:
    if name.startswith("cuda") and (problem := gpu_problem()):
        raise ValueError(f"device={name} was asked for, but {problem}; take device=auto or device=cpu")
    return torch.device(device_for(name))


@contextmanager
def _environment(config: TrainConfig) -> Iterator[torch.device]:
    """The device, with torch seeded and threaded as the settings ask, and all put back afterwards."""
    device = _device(config.device)
    threads_before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.num_threads or threads_before)
        try:
            yield device
        finally:
            torch.set_num_threads(threads_before)


def _run_sha256(
    train: Samples,
    validation: Samples,
    num_classes: int,
    model_config: TextConfig,
    train_config: TrainConfig,
    initial_state: Mapping[str, Tensor],
) -> str:
    """Digest of all that decides the result; threads, device and how it computes only decide the last bits."""
    settings = dataclasses.asdict(train_config)
    for name in ("num_threads", "device", "compile"):
        del settings[name]
    parts = [
        num_classes,
        network_name(model_config),
        dataclasses.asdict(model_config),
        settings,
        train.sha256(),
        validation.sha256(),
        tensors_sha256(initial_state),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _warn_if_useless(run: Run, num_classes: int) -> None:
    accuracy = run.history[run.best_epoch - 1].validation_accuracy
    if accuracy <= 1 / num_classes:
        _log.warning(
            "The model is no better than chance on the validation split (accuracy %.3f, %d classes).",
            accuracy,
            num_classes,
        )

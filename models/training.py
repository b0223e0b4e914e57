"""Trains a network on arrays: one loop for all of them, that watches the validation loss and keeps the best epoch.

Laws: the same data, settings and thread count give the same model, bit for bit on a CPU, whether or not the run was
interrupted between two epochs; torch's global generator and thread count are as before when `fit` returns.
A loss or gradient that is not finite stops the run before the optimiser steps.
Randomness of epoch e comes from (seed, e) alone, so a checkpoint needs no generator state.
Shape letters: N samples, B batch, C classes.
"""

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.batches import make_batch, scoring_batches, training_batches
from models.checkpoint import read_checkpoint, write_checkpoint
from models.encoding import EncodedText, encode_text
from models.fitted import SCORING_BATCH_SIZE, Fitted
from models.network import Network
from models.networks import build_network, network_name
from models.run import Run
from models.samples import Samples
from models.standardise import ImageScaler
from models.text import TextConfig, Vocabulary
from models.train_config import Epoch, TrainConfig

__all__ = ["Epoch", "Fitted", "NonFiniteError", "TrainConfig", "fit"]
_log = logging.getLogger(__name__)


class NonFiniteError(ArithmeticError):
    """The loss or a gradient became NaN or infinite; the weights were not updated."""

    def __init__(self, what: str, epoch: int, step: int, keys: list[str]) -> None:
        shown = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
        super().__init__(
            f"the {what} is not finite in epoch {epoch}, step {step} (samples {shown}); the weights were not updated. "
            "Lower the learning rate, or look at these samples"
        )
        self.epoch, self.step, self.keys = epoch, step, keys


@dataclasses.dataclass(frozen=True)
class _Data:
    """One split, encoded and standardised once."""

    keys: list[str]
    text: EncodedText
    image_ND: np.ndarray
    has_image_N: np.ndarray
    labels_N: np.ndarray


def fit(
    train: Samples,
    validation: Samples,
    *,
    num_classes: int,
    model_config: TextConfig,
    train_config: TrainConfig,
    checkpoint_dir: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train, and return the model of the epoch with the lowest validation loss.

    With `checkpoint_dir` each epoch is stored there, and a run of the same data and settings goes on from it.

    Raises:
        ValueError: no samples, fewer than 2 classes, or a label outside 0..num_classes-1.
        NonFiniteError: the training broke down; the checkpoint of the epoch before is intact.
    """
    check_split("train", train, num_classes)
    check_split("validation", validation, num_classes)
    vocabulary = Vocabulary.build(train.captions, train.hashtags, model_config)
    scaler = ImageScaler.fit(train.image_ND)
    data = [_prepare(samples, vocabulary, scaler, model_config) for samples in (train, validation)]
    run_sha256 = _run_sha256(train, validation, num_classes, model_config, train_config)
    with _environment(train_config) as device:
        model = build_network(model_config, vocabulary, image_dim=train.image_ND.shape[1], num_classes=num_classes)
        run = Run(model.to(device), train_config)
        if checkpoint_dir:
            _resume(run, checkpoint_dir, run_sha256)
        while not run.is_over:
            run.record(_epoch(run, *data, device=device))
            if checkpoint_dir:
                write_checkpoint(checkpoint_dir, run.checkpoint(), run_sha256)
            if on_epoch:
                on_epoch(run.history[-1])
    _warn_if_useless(run, num_classes)
    return run.fitted(vocabulary, scaler)


def _resume(run: Run, checkpoint_dir: Path, run_sha256: str) -> None:
    stored = read_checkpoint(checkpoint_dir, run_sha256)
    if stored:
        run.restore(stored)
        _log.info("Training goes on after epoch %d of the checkpoint in %s.", len(run.history), checkpoint_dir)


def check_split(name: str, samples: Samples, num_classes: int) -> None:
    """Refuse a split that no classifier can be trained or chosen on."""
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, got {num_classes}; one class leaves nothing to tell apart")
    if len(samples) == 0:
        raise ValueError(f"the {name} split is empty; it needs at least one sample")
    wrong_N = (samples.labels_N < 0) | (samples.labels_N >= num_classes)
    if wrong_N.any():
        row = int(np.argmax(wrong_N))
        raise ValueError(
            f"{int(wrong_N.sum())} labels of the {name} split lie outside 0..{num_classes - 1}, the first is "
            f"{samples.labels_N[row]} (key {samples.keys[row]}); make the labels from the same class list"
        )


def _prepare(samples: Samples, vocabulary: Vocabulary, scaler: ImageScaler, config: TextConfig) -> _Data:
    text = encode_text(samples.captions, samples.hashtags, vocabulary, config)
    return _Data(samples.keys, text, scaler.transform(samples.image_ND), samples.has_image_N, samples.labels_N)


@contextmanager
def _environment(config: TrainConfig) -> Iterator[torch.device]:
    """The device, with torch seeded and threaded as the settings say, and all put back afterwards."""
    name = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    threads_before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.num_threads or threads_before)
        try:
            yield device
        finally:
            torch.set_num_threads(threads_before)


def _epoch(run: Run, train: _Data, validation: _Data, *, device: torch.device) -> Epoch:
    """One pass over the training samples, then the validation figures."""
    number = len(run.history) + 1
    started = time.perf_counter()
    learning_rate = float(run.optimiser.param_groups[0]["lr"])
    train_loss = _train_epoch(run, train, number, device)
    validation_loss, validation_accuracy = _evaluate(run.model, validation, device)
    if not np.isfinite(validation_loss):
        raise NonFiniteError("validation loss", number, 0, validation.keys)
    return Epoch(
        epoch=number,
        train_loss=train_loss,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        learning_rate=learning_rate,
        seconds=time.perf_counter() - started,
    )


def _train_epoch(run: Run, data: _Data, epoch: int, device: torch.device) -> float:
    """Mean training loss of the epoch, with dropout on."""
    torch.manual_seed(int(np.random.SeedSequence([run.config.seed, epoch]).generate_state(1)[0]))
    run.model.train()
    total = 0.0
    batches = training_batches(data.text, run.config.batch_size, seed=run.config.seed, epoch=epoch)
    for step, rows in enumerate(batches, start=1):
        loss = F.cross_entropy(*_logits_and_labels(run.model, data, rows, device))
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        _require_finite(loss, run.model, epoch, step, [data.keys[row] for row in rows])
        run.optimiser.step()
        total += float(loss.detach()) * len(rows)
    return total / len(data.keys)


def _require_finite(loss: Tensor, model: Network, epoch: int, step: int, keys: list[str]) -> None:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    largest = torch.nn.utils.get_total_norm(gradients, norm_type=float("inf"))
    if not bool(torch.isfinite(loss)):
        raise NonFiniteError("loss", epoch, step, keys)
    if not bool(torch.isfinite(largest)):
        raise NonFiniteError("gradient", epoch, step, keys)


def _evaluate(model: Network, data: _Data, device: torch.device) -> tuple[float, float]:
    """Mean loss and accuracy."""
    model.eval()
    loss, num_right = 0.0, 0
    with torch.inference_mode():
        for rows in scoring_batches(data.text, SCORING_BATCH_SIZE):
            logits_BC, labels_B = _logits_and_labels(model, data, rows, device)
            loss += float(F.cross_entropy(logits_BC.double(), labels_B, reduction="sum"))
            num_right += int((logits_BC.argmax(dim=1) == labels_B).sum())
    return loss / len(data.keys), num_right / len(data.keys)


def _logits_and_labels(model: Network, data: _Data, rows: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    labels_B = torch.from_numpy(data.labels_N[rows]).to(device)
    return model(make_batch(data.text, data.image_ND, data.has_image_N, rows, device)), labels_B


def _run_sha256(
    train: Samples, validation: Samples, num_classes: int, model_config: TextConfig, train_config: TrainConfig
) -> str:
    """Digest of all that decides the result; thread count and device only decide the last bits."""
    settings = dataclasses.asdict(train_config)
    del settings["num_threads"], settings["device"]
    parts = [
        num_classes,
        network_name(model_config),
        dataclasses.asdict(model_config),
        settings,
        train.sha256(),
        validation.sha256(),
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

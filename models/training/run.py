"""The state of a training run at any step, and its checkpoints, from which a run goes on bit for bit.

Between two epochs the randomness to come follows from (seed, epoch); inside one the generators' states are kept.

A checkpoint is one safetensors file (no pickle) whose header also holds the run's plain state as JSON. It is written
beside its place and renamed, and the one before is kept.
Covered: a half-written or damaged file (sha256 over the tensors and the state), a file of another run (digest of
settings and data), a file of another format. Each is refused with a warning, and the one before is read.
A disk that is full while one is written leaves the ones before, and the error says so.
Not covered: a file made by someone who wants to deceive; the digest is no signature.
"""

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.data.digest import tensors_sha256
from models.data.network import Network
from models.data.samples import ImageScaler
from models.data.text import Vocabulary
from models.settings.train_config import Epoch, TrainConfig
from models.training.fitted import Fitted

CHECKPOINT_FORMAT = 2
LATEST = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"
REFUSED = "checkpoint.refused.safetensors"
_log = logging.getLogger(__name__)
OPTIMISERS = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on: its tensors by name, and the rest as JSON values."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


class CheckpointRefusedError(Exception):
    """A checkpoint that is not to be used, with the reason."""


class CheckpointDamagedError(CheckpointRefusedError):
    """Nobody can use it."""


class CheckpointWriteError(OSError):
    """The disk did not take what a run was to keep; what was kept before is intact."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint, run_sha256: str) -> None:
    """Store `checkpoint` as the latest of `folder`; a crash at any moment leaves it or the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    state = json.dumps(checkpoint.state)
    header = {
        "format": CHECKPOINT_FORMAT,
        "run_sha256": run_sha256,
        "content_sha256": _content_sha256(checkpoint.tensors, state),
        "state": state,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    latest = folder / LATEST
    new = latest.with_suffix(".new")
    with saving(latest, new):
        write_and_sync(new, safetensors.torch.save(tensors, metadata={"checkpoint": json.dumps(header)}))
        if latest.exists():
            os.replace(latest, folder / PREVIOUS)
        os.replace(new, latest)


def read_checkpoint(folder: Path, run_sha256: str) -> Checkpoint | None:
    """The newest usable checkpoint of this run, or None; every file that is refused is named in a warning.

    A latest one that is damaged is put aside as `REFUSED`.
    """
    for name in (LATEST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            return _read(path, run_sha256)
        except CheckpointRefusedError as refusal:
            _log.warning(
                "Checkpoint %s is not used: %s. The one before is tried, else training starts anew.", path, refusal
            )
            if name == LATEST and isinstance(refusal, CheckpointDamagedError):
                path.rename(folder / REFUSED)  # else the next write would put it in the place of the good one before
    return None


@contextmanager
def saving(what: Path, unfinished: Path) -> Iterator[None]:
    """Turn an error of the disk into one that says what to do, and take away what is `unfinished` then.

    Raises:
        CheckpointWriteError: the disk is full, or may not be written to.
    """
    try:
        yield
    except OSError as error:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)
        raise CheckpointWriteError(
            f"{what} could not be written ({error.strerror or error}); the last state before it is kept: make room on "
            "the disk and run it again, it goes on from there"
        ) from error


def write_and_sync(path: Path, content: bytes) -> None:
    """Write `content` and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, run_sha256: str) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointDamagedError(f"it cannot be read ({type(error).__name__}: {error})") from error
    if header.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointRefusedError(f"its format is {header.get('format')}, not {CHECKPOINT_FORMAT}")
    if header["run_sha256"] != run_sha256:
        raise CheckpointRefusedError("it belongs to a run with other settings or other data")
    if header["content_sha256"] != _content_sha256(tensors, header["state"]):
        raise CheckpointDamagedError("its content does not match its digest, so it is damaged")
    return Checkpoint(tensors, json.loads(header["state"]))


def checkpoint_damage(path: Path) -> str:
    """Why no run can use a checkpoint, whichever it is of; "" where one can, and for those of other formats."""
    try:
        with safe_open(path, framework="pt") as file:
            run_sha256 = json.loads((file.metadata() or {})["checkpoint"])["run_sha256"]
        _read(path, run_sha256)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        return f"it cannot be read ({type(error).__name__}: {error})"
    except CheckpointRefusedError as refusal:
        return str(refusal) if isinstance(refusal, CheckpointDamagedError) else ""
    return ""


def _content_sha256(tensors: Mapping[str, Tensor], state: str) -> str:
    return hashlib.sha256((tensors_sha256(tensors) + state).encode()).hexdigest()


class Run:
    """Network, optimiser, learning-rate schedule, history, the best weights, and how far the running epoch is."""

    def __init__(self, model: Network, config: TrainConfig) -> None:
        self.model, self.config = model, config
        self.device = next(model.parameters()).device
        self.optimiser = _optimiser(model, config, self.device)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=config.plateau_factor, patience=config.plateau_patience
        )
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best: dict[str, Tensor] = {}
        self.num_steps = 0
        """steps done of the running epoch"""
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        """of the running epoch's samples so far"""
        self.seconds = 0.0
        """spent on the running epoch so far"""
        self.num_parts = 1
        """a batch is taken in this many parts: more than 1 after the device's memory did not hold a whole one"""

    @property
    def is_over(self) -> bool:
        """All epochs done, or none of the last `early_stop_patience` was better than the best before."""
        done = len(self.history)
        return done >= self.config.max_epochs or done - self.best_epoch >= self.config.early_stop_patience

    @property
    def learning_rates(self) -> list[Tensor]:
        """Those that lie on the device as tensors: none on a CPU."""
        return [group["lr"] for group in self.optimiser.param_groups if isinstance(group["lr"], Tensor)]

    def record(self, epoch: Epoch) -> None:
        """Take note of a finished epoch, and of its weights when its validation loss is the lowest."""
        lowest = min((entry.validation_loss for entry in self.history), default=float("inf"))
        self.history.append(epoch)
        self.schedule.step(epoch.validation_loss)
        if epoch.validation_loss < lowest:
            self.best_epoch = epoch.epoch
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.num_steps, self.seconds = 0, 0.0
        self.loss_sum.zero_()

    def checkpoint(self) -> Checkpoint:
        """What `restore` needs."""
        moments, groups = (self.optimiser.state_dict()[part] for part in ("state", "param_groups"))
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"optimiser.{n}.{name}": tensor for n, entry in moments.items() for name, tensor in entry.items()}
        if self.num_steps:
            tensors |= {f"random.{name}": state for name, state in _random_states(self.device).items()}
        state = {
            "param_groups": _plain(groups),
            "schedule": _plain(self.schedule.state_dict()),
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
            "num_steps": self.num_steps,
            "loss_sum": float(self.loss_sum),
            "seconds": self.seconds,
            "num_parts": self.num_parts,
        }
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where `checkpoint` was made; inside an epoch the generators go back too."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}, "random": {}}
        for name, tensor in checkpoint.tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            number, entry = name.split(".", 1)
            moments.setdefault(int(number), {})[entry] = tensor
        state = checkpoint.state
        self.model.load_state_dict(parts["model"], strict=True)
        self.optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        self.schedule.load_state_dict(state["schedule"])
        _place_learning_rates(self.optimiser, self.device)
        self.history = [Epoch(**entry) for entry in state["history"]]
        self.best_epoch, self.best = state["best_epoch"], parts["best"]
        self.num_steps, self.seconds, self.num_parts = state["num_steps"], state["seconds"], state["num_parts"]
        self.loss_sum.fill_(state["loss_sum"])
        _set_random_states(parts["random"], self.device)

    def fitted(self, vocabulary: Vocabulary, scaler: ImageScaler) -> Fitted:
        """The network as it is now, and all that belongs to it."""
        return Fitted(
            model=self.model.eval(),
            vocabulary=vocabulary,
            scaler=scaler,
            history=list(self.history),
            model_config=self.model.config,
            train_config=self.config,
            best_epoch=self.best_epoch,
        )


class Rerun(Run):
    """A run that nothing validates: one epoch at each of these learning rates, those of another run."""

    def __init__(self, model: Network, config: TrainConfig, learning_rates: Sequence[float]) -> None:
        super().__init__(model, config)
        self._learning_rates = learning_rates
        self._follow()

    @property
    def is_over(self) -> bool:
        """All epochs done."""
        return len(self.history) >= len(self._learning_rates)

    def record(self, epoch: Epoch) -> None:
        """Take note of a finished epoch; none is the best."""
        self.history.append(epoch)
        self.num_steps, self.seconds = 0, 0.0
        self.loss_sum.zero_()
        if not self.is_over:
            self._follow()

    def _follow(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rates[len(self.history)]
        _place_learning_rates(self.optimiser, self.device)


def _optimiser(model: Network, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """On a GPU it is such that a step can be captured: its counters and its learning rate lie on the device."""
    kind: Any = OPTIMISERS[config.optimiser]
    own: dict[str, Any] = {"alpha": config.rmsprop_alpha} if config.optimiser == "rmsprop" else {}
    optimiser: torch.optim.Optimizer = kind(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        capturable=device.type == "cuda",
        **own,
    )
    _place_learning_rates(optimiser, device)
    return optimiser


def _place_learning_rates(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    if device.type == "cuda":
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=device)


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def _plain(value: Any) -> Any:
    """As JSON holds it: a learning rate that lies on a device becomes a number."""
    if isinstance(value, Tensor):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value

"""Checkpoints of a training run: one file after each epoch, from which `models.training.training` goes on bit for bit.

A checkpoint is one safetensors file (no pickle) whose header also holds the run's plain state as JSON. It is written
beside its place and renamed, and the one before is kept.
Covered: a half-written or damaged file (sha256 over the tensors and the state), a file of another run (digest of
settings and data), a file of another format. Each is refused with a warning, and the one before is read.
A disk that is full while one is written leaves the ones before, and the error says so.
Not covered: a file made by someone who wants to deceive; the digest is no signature.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.data.digest import tensors_sha256

CHECKPOINT_FORMAT = 2
LATEST = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"
REFUSED = "checkpoint.refused.safetensors"
_log = logging.getLogger(__name__)


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


def _content_sha256(tensors: Mapping[str, Tensor], state: str) -> str:
    return hashlib.sha256((tensors_sha256(tensors) + state).encode()).hexdigest()

"""Whose weights a stage takes: those of a file, of the store, downloaded ones, or the built-in way, with a warning.

Law: what a person named is taken or is an error. Only `auto` without a file falls back, it says so once in a process
and does not ask the same addresses again for a while; what is damaged is always an error.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StageError
from pipeline.networks import WeightsPolicy
from pipeline.progress import log
from pipeline.weights.fetching import WeightsUnavailableError
from pipeline.weights.weights_store import WeightsFile, WeightsStore

ASK_AGAIN_S = 900.0
_unavailable: dict[tuple[Path, str], tuple[float, str]] = {}
"""when a download was tried in vain in this process, and why it failed"""


@dataclass(frozen=True, kw_only=True)
class Builtin:
    """No published weights: the stage takes its built-in way, and its rows and report say so."""

    why: str


def choose_weights(
    weights_store: WeightsStore, name: str, wish: WeightsPolicy, file: Path | None = None
) -> WeightsFile | Builtin:
    """The weights `name` as the settings wish: the file that is named, else the store's, else downloaded ones.

    auto: else the built-in way, with a warning. require: else an error. builtin: the built-in way at once.
    Choose once and hand the answer to the workers: each process that chooses may try its own download.

    Raises:
        StageError: `require` found none; or the file is missing, damaged or of another network.
    """
    if wish == "builtin":
        if file is not None:
            log.warning("weights: builtin was chosen, so the file %s is not used", file)
        return Builtin(why="the settings say weights: builtin")
    if file is not None:
        return weights_store.use_file(file, name)
    if found := _is_here(weights_store, name):
        return found
    if wish == "require":
        return _required(weights_store, name)
    return _fetched_or_builtin(weights_store, name)


def _is_here(weights_store: WeightsStore, name: str) -> WeightsFile | None:
    """The weights of this name, or the same ones in another format."""
    others = [entry.name for entry in weights_store.entries().values() if entry.same_as == name]
    return next((found for candidate in (name, *others) if (found := weights_store.find(candidate))), None)


def _required(weights_store: WeightsStore, name: str) -> WeightsFile:
    try:
        return weights_store.fetch(name)
    except WeightsUnavailableError as error:
        raise StageError(f"weights: require was chosen, and {error}. Or choose weights: auto or builtin") from error


def _fetched_or_builtin(weights_store: WeightsStore, name: str) -> WeightsFile | Builtin:
    key = (weights_store.folder, name)
    if key in _unavailable and time.monotonic() - _unavailable[key][0] < ASK_AGAIN_S:
        return Builtin(why=_unavailable[key][1])
    try:
        return weights_store.fetch(name)
    except WeightsUnavailableError as error:
        _unavailable[key] = (time.monotonic(), str(error))
        log.warning("The built-in way takes the place of the network, and its results are worse: %s", error)
        return Builtin(why=str(error))

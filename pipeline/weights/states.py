"""What stands in the store of weights: of each weights whether they are here and whole."""

from dataclasses import dataclass
from typing import Literal

from pipeline.progress import told_bytes
from pipeline.weights.records import DamagedWeightsError
from pipeline.weights.registry import WeightsEntry
from pipeline.weights.weights_store import WeightsStore


@dataclass(frozen=True, kw_only=True)
class WeightsState:
    """One line of `mrlf weights list`; `told` says what is wrong with damaged ones."""

    name: str
    state: Literal["here", "not here", "damaged"]
    entry: WeightsEntry | None = None
    told: str = ""


def listed(weights_store: WeightsStore) -> list[WeightsState]:
    """All weights that can be named, and their state; every file is read whole."""
    return [_state(weights_store, name, entry) for name, entry in weights_store.entries().items()]


def verified(weights_store: WeightsStore) -> list[WeightsState]:
    """Those that are here, also files that the settings name by their path."""
    entries = weights_store.entries()
    return [_state(weights_store, name, entries.get(name)) for name in weights_store.recorded()]


def list_lines(states: list[WeightsState]) -> list[str]:
    """A table of weights."""
    rows = [("name", "architecture", "licence", "size", "state", "used by", "what it is")]
    for state in states:
        entry = state.entry
        assert entry is not None, "what is listed has an entry"
        size = told_bytes(entry.num_bytes) if entry.num_bytes else "?"
        stage = f"{entry.used_by} (by default)" if entry.is_default else entry.used_by
        rows.append((state.name, entry.architecture, entry.licence, size, state.state, stage, entry.about))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _state(weights_store: WeightsStore, name: str, entry: WeightsEntry | None) -> WeightsState:
    try:
        record = weights_store.verify(name)
    except DamagedWeightsError as damage:
        return WeightsState(name=name, state="damaged", entry=entry, told=str(damage))
    if record is None or (entry is not None and record.published != entry.digest):
        return WeightsState(name=name, state="not here", entry=entry)
    return WeightsState(name=name, state="here", entry=entry)

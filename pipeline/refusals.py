"""Why a stage could not be built the last time it was tried, so that no message advises what was refused.

Reads and writes refused/<city>/<stage>.json
Law: a refusal lasts until its stage is built; one that cannot be read is none.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.store import Store
from pipeline.store.files import write_atomically

FOLDER = "refused"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A stage, why it was refused and when (UTC); stops: itself and the stages that cannot be built before it is."""

    stage: str
    why: str
    when_utc: str
    stops: list[str]

    def sentence(self, city: str) -> str:
        """What happened, and what to do."""
        return (
            f"the stage {self.stage} of {city} was refused at {self.when_utc} ({self.why}). Do what it says, then "
            f"`mrlf run {city}` goes on from there"
        )


def note_refusal(store: Store, city: str, stage: str, why: str, later: Sequence[str]) -> None:
    """Remember why a stage was refused; where that cannot be written, nothing is."""
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    refusal = Refusal(stage=stage, why=why, when_utc=when, stops=[stage, *later])
    with suppress(OSError):
        write_atomically(_path(store, city, stage), json.dumps(asdict(refusal), indent=1, ensure_ascii=False).encode())


def forget_refusal(store: Store, city: str, stage: str) -> None:
    """The stage was built."""
    with suppress(OSError):
        _path(store, city, stage).unlink(missing_ok=True)


def refusal_of(store: Store, city: str, stage: str) -> Refusal | None:
    """The refusal that keeps a stage from being built, of itself or of one before it; None where none is known."""
    found = (_read(path) for path in sorted((store.root / FOLDER / city).glob("*.json")))
    stopping = [refusal for refusal in found if refusal is not None and stage in refusal.stops]
    return max(stopping, key=lambda refusal: len(refusal.stops), default=None)


def how_to_build(store: Store, city: str, stage: str, advice: str) -> str:
    """The advice; where it cannot succeed, as a stage on the way was refused, why and what to mend first."""
    refusal = refusal_of(store, city, stage)
    return refusal.sentence(city) if refusal is not None else advice


def _read(path: Path) -> Refusal | None:
    try:
        content = json.loads(path.read_bytes())
        refusal = Refusal(**content)
    except (OSError, ValueError, TypeError):
        return None
    texts = (refusal.stage, refusal.why, refusal.when_utc)
    return refusal if all(isinstance(text, str) for text in texts) and isinstance(refusal.stops, list) else None


def _path(store: Store, city: str, stage: str) -> Path:
    return store.root / FOLDER / city / f"{stage}.json"

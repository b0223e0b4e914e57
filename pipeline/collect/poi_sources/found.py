"""What a source of POIs gave: its rows, and what to report of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from pipeline.collect.poi_sources.files import PoiRow

Source = Literal["file", "overture", "os_places", "os_places_catalog", "from_archive", "demo", "foursquare"]


@dataclass(frozen=True, kw_only=True)
class FoundPois:
    """The rows of a source, and what to report of it.

    origin: the source in words, for messages. inputs: what the rows depend on, by name. asked: when a source was asked
    whose answers are kept for a time, None where they stay. advice: what to do where a reason left no POI. late: reads
    the rows, and counts of what they were made of, of a source that takes long.
    """

    source: Source
    origin: str
    rows: list[PoiRow]
    inputs: dict[str, str]
    asked: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    advice: dict[str, str] = field(default_factory=dict)
    late: Callable[[], tuple[list[PoiRow], dict[str, int]]] | None = None

    def read(self) -> "FoundPois":
        """The same with the rows of a source that is only read where something changed."""
        if self.late is None:
            return self
        rows, counts = self.late()
        return replace(self, rows=rows, counts={**self.counts, **counts}, late=None)

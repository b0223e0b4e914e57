"""OS Places by its catalogue: the places of a city's circle out of Foursquare's Iceberg tables, kept as an extract.

Reads  a table of an Iceberg REST catalogue (by default Foursquare's), with the token of the Places Portal
Writes crawl/os_places/<city>/: the rows in the circle as one Parquet file, and which snapshot they are of
Law: what is kept is read without network or token; the catalogue is asked where nothing is kept for these settings,
or what is kept is older than `max_age_days`. The token travels to the catalogue alone: into no file, message or log.
A token that is not taken is asked with once; passing troubles are asked again a few times.
Facts of the catalogue: docs/LIVE.md. The package pyiceberg is an extra of ours (`iceberg`).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from pipeline.cities import City
from pipeline.collect.poi_sources.os_places import NEEDED, OPTIONAL, boxes_around
from pipeline.collect.poi_sources.places_portal import MISSING_PACKAGE, OTHERS, CatalogSettings, portal_token
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import RetryError
from pipeline.collect.web.retries import Retries, with_retries
from pipeline.errors import StageError
from pipeline.store.digests import json_digest
from pipeline.store.files import replacing, write_atomically


@dataclass(frozen=True, kw_only=True)
class KeptExtract:
    """The rows of a circle as they were taken. snapshot: the table's own number of its state; committed: its day."""

    file: Path
    snapshot: int
    committed: datetime
    taken: datetime

    def is_over(self, max_age_days: float | None, now: datetime) -> bool:
        """Whether it is to be taken anew."""
        return max_age_days is not None and now - self.taken > timedelta(days=max_age_days)


@dataclass(frozen=True, kw_only=True)
class PlacesCatalog:
    """The places of one city in a catalogue, and what is kept of them in `folder`."""

    folder: Path
    city: City
    settings: CatalogSettings
    clock: Clock
    retries: Retries

    def extract(self) -> KeptExtract:
        """What is kept, else what the catalogue gives now.

        Raises:
            HumanError: there is no token, or it is not taken.
            StageError: pyiceberg is missing, the catalogue cannot be reached, or its table is not OS Places.
        """
        kept = self.kept()
        if kept is not None and not kept.is_over(self.settings.max_age_days, self.clock.now()):
            return kept
        token = portal_token(self.clock.now())
        try:
            return with_retries(lambda: self._take(token), self.clock, self.retries)
        except RetryError as error:
            raise StageError(
                f"OS Places could not be taken from {self.settings.address}: {error}. Look at the network and run "
                f"this again; {OTHERS}"
            ) from None

    def kept(self) -> KeptExtract | None:
        """What is kept for these settings; a copy that is damaged counts as none."""
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
            parquet.read_schema(self._file)
            return KeptExtract(
                file=self._file,
                snapshot=int(facts["snapshot"]),
                committed=datetime.fromisoformat(facts["committed_utc"]),
                taken=datetime.fromisoformat(facts["taken_utc"]),
            )
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None

    def _take(self, token: str) -> KeptExtract:
        """One try: every row of the circle's boxes, then the file, then what says that it is whole."""
        try:
            from pipeline.collect.poi_sources.iceberg_table import open_table, plain_errors, rows_in_boxes
        except ImportError:
            raise StageError(f"{MISSING_PACKAGE}; {OTHERS}") from None
        with plain_errors(self.settings, token):
            table = open_table(self.settings, token)
            snapshot = table.current_snapshot()
            if snapshot is None:
                raise StageError(f"the table {self.settings.table} of {self.settings.address} is empty")
            boxes = boxes_around(self.city.latitude, self.city.longitude, self.city.radius_km)
            rows = rows_in_boxes(table, boxes, NEEDED, OPTIONAL)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._facts.unlink(missing_ok=True)
        with replacing(self._file) as temporary:
            parquet.write_table(rows, temporary, compression="zstd")
        facts = {
            "address": self.settings.address,
            "table": self.settings.table,
            "snapshot": snapshot.snapshot_id,
            "committed_utc": datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(),
            "taken_utc": self.clock.now().isoformat(),
        }
        write_atomically(self._facts, json.dumps(facts, indent=1).encode())
        kept = self.kept()
        if kept is None:
            raise StageError(f"{self._file} was written and cannot be read: is the disk damaged?")
        return kept

    @property
    def _file(self) -> Path:
        """Named by what was asked for, so that a changed circle or table is asked for anew."""
        asked = self.settings.model_dump(include={"address", "warehouse", "table"})
        circle = [self.city.latitude, self.city.longitude, self.city.radius_km]
        return self.folder / f"places-{json_digest([asked, circle])[:16]}.parquet"

    @property
    def _facts(self) -> Path:
        return self._file.with_suffix(".json")

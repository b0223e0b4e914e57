"""Where a city's POIs come from: a file, Overture, OS Places, the places that an archive's posts name, the demo
generator, or Foursquare's API.

Law: a source is the one that the settings name, else the first of them that is there; its rows come with what they
depend on, so that a stage knows whether anything changed.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.cities import NOTHING, City, Settings
from pipeline.collect.poi_sources.archive_places import (
    ADVICE,
    BLIND_ARCHIVE,
    FROM_ARCHIVE,
    ArchivePoisSettings,
    read_places,
)
from pipeline.collect.poi_sources.categories import Sensitivity
from pipeline.collect.poi_sources.files import BLIND, PoiRow, read_poi_file
from pipeline.collect.poi_sources.found import FoundPois, Source
from pipeline.collect.poi_sources.foursquare_answers import AnswerFolder, State
from pipeline.collect.poi_sources.foursquare_client import KEY_VARIABLE, PlacesClient, base_url, key_from_environment
from pipeline.collect.poi_sources.foursquare_fetch import Fetch, Places, RetryBudget
from pipeline.collect.poi_sources.foursquare_places import poi_row
from pipeline.collect.poi_sources.foursquare_query import MAX_RADIUS_M, PlacesQuery, Sort
from pipeline.collect.poi_sources.os_places import extract_files, listing_digest, read_os_places, release_of
from pipeline.collect.poi_sources.os_places_catalog import PlacesCatalog
from pipeline.collect.poi_sources.overture import found_in_overture
from pipeline.collect.poi_sources.places_portal import CatalogSettings
from pipeline.collect.poi_sources.selection import select_pois
from pipeline.collect.sources import archive_in_cities, archive_or_live, demo_city
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.retries import Retries
from pipeline.errors import StageError
from pipeline.privacy.opt_out import OptOut
from pipeline.progress import progress
from pipeline.store import Store
from pipeline.store.digests import file_digest

Named = Literal["auto", "file", "overture", "os_places", "os_places_catalog", "from_archive", "foursquare"]
"""what settings may say"""
OS_PLACES_RANK = "by category, completeness and date_refreshed; OS Places has no popularity"


class PoisSettings(Settings):
    """Which POIs a city has."""

    PER_RUN: ClassVar[frozenset[str]] = frozenset({"foursquare_keep_hours", "max_requests", "max_wait_s"})

    source: Named = Field(
        "auto",
        description="source of POIs; auto takes the first of: file, overture, os_places, os_places_catalog, "
        "from_archive, the demo generator, Foursquare's Places API (needs FOURSQUARE_API_KEY)",
    )
    file: Path | None = Field(
        None,
        description="CSV, Parquet, JSON, NDJSON, GeoJSON or Overpass file of POIs; by default the demo generator's",
    )
    overture: str | None = Field(
        None,
        description="Overture's places: a GeoParquet or GeoJSON file, a folder, a pattern, or the s3:// address of a "
        "release; no key is needed",
    )
    min_confidence: float = Field(
        0.5, ge=0, le=1, description="least confidence of Overture that a place exists; below it a place is left out"
    )
    os_places: Path | None = Field(
        None, description="Parquet file, folder or pattern of Foursquare's OS Places; no key is needed"
    )
    os_places_catalog: CatalogSettings | None = Field(
        None,
        description="take OS Places from Foursquare's Iceberg catalogue: true (needs FOURSQUARE_PORTAL_TOKEN and the "
        "package pyiceberg), or another catalogue, for example {address: https://...}",
    )
    from_archive: ArchivePoisSettings | None = Field(
        None, description="take the places that enough posts of the archive name, for example {min_posts: 10}"
    )
    max_pois: int = Field(40, ge=1, description="maximum number of POIs, most popular first")
    categories: list[str] = Field(
        [], description="category ids to which POIs of Foursquare or OS Places are restricted"
    )
    sort: Sort = Field("POPULARITY", description="Foursquare's sort order; it gives the POIs' rank")
    ask_premium: bool = Field(False, description="request popularity and rating of Foursquare, which cost extra")
    taxonomy: Path | None = Field(
        None, description="file of Foursquare's categories (Parquet, CSV or JSON), for the top-level category"
    )
    include_sensitive: list[str] = Field(
        [], description="kinds of sensitive places (medical, religious, ...) to include; needs sensitive_reason"
    )
    sensitive_reason: str = Field(
        "", description="reason for including sensitive places; it is written into the cards"
    )
    foursquare_keep_hours: float | None = Field(
        24,
        gt=0,
        le=87_600,
        description="retention period of Foursquare's data in hours; then all but the ids is deleted and requested "
        "again; null: no limit, which needs a contract that allows it (docs/PRIVACY.md)",
    )
    max_requests: int = Field(100, ge=1, le=10_000, description="maximum number of requests to Foursquare per run")
    max_wait_s: float = Field(
        900, ge=0, le=86_400, description="maximum waiting time per run when Foursquare throttles, in seconds"
    )

    @field_validator("from_archive", "os_places_catalog", mode="before")
    @classmethod
    def _switch(cls, value: object, field: ValidationInfo) -> object:
        """`true` stands for the defaults, `false` for nothing."""
        if isinstance(value, bool):
            return {} if value else None
        if isinstance(value, dict | Settings):
            return value
        example = "from_archive: {min_posts: 10}" if field.field_name == "from_archive" else "os_places_catalog: true"
        raise ValueError(NOTHING if value is None else f"write `{example}`")


def named_source(city: City, settings: PoisSettings) -> Source:
    """The source that a city names; Foursquare's API where it names none."""
    if settings.source != "auto":
        return settings.source
    if settings.file is not None:
        return "file"
    if settings.overture is not None:
        return "overture"
    if settings.os_places is not None:
        return "os_places"
    if settings.os_places_catalog is not None:
        return "os_places_catalog"
    if settings.from_archive is not None:
        return FROM_ARCHIVE
    return "demo" if city.demo is not None else "foursquare"


@dataclass(frozen=True, kw_only=True)
class PoiSearch:
    """A city, its settings, and what the search goes by."""

    store: Store
    city: City
    settings: PoisSettings
    sensitivity: Sensitivity
    clock: Clock
    retries: Retries

    def find(self) -> FoundPois:
        """The rows of the source that the settings name.

        Raises:
            StageError: there is none, or it cannot be read; IncompleteError: Foursquare is to be asked again later.
        """
        match self._source():
            case "overture":
                return found_in_overture(str(self.settings.overture), self.city, self.settings.min_confidence)
            case "os_places":
                return self._of_os_places()
            case "foursquare":
                return self._of_foursquare()
            case "os_places_catalog":
                return self._of_catalog(self.settings.os_places_catalog or CatalogSettings())
            case "from_archive":
                return self._of_archive(self.settings.from_archive or ArchivePoisSettings())
            case source:
                return self._of_file(source)

    def _source(self) -> Source:
        settings, source = self.settings, named_source(self.city, self.settings)
        if source in ("file", "overture", "os_places") and getattr(settings, source) is None:
            raise StageError(
                f"city {self.city.key}: source: {source} is set, but no path is given: write "
                f"`pois: {{{source}: path}}` in cities.yaml"
            )
        if settings.source != "auto" or source != "foursquare":
            return source
        state = self._answers().state()
        if _has_key() or state.is_started or state.asked_before_utc:
            return "foursquare"
        raise StageError(f"city {self.city.key} has no source of POIs. {_ways(self.city)}")

    def _of_archive(self, settings: ArchivePoisSettings) -> FoundPois:
        archive = archive_or_live(self.store, self.city, settings)
        if archive is None:
            raise StageError(
                f"city {self.city.key} has no archive whose places could be its POIs (from_archive of pois): name one "
                "as `posts: {archive: path/to/folder}` in cities.yaml, or another source of POIs"
            )
        opt_out = OptOut.load(self.store)

        def read() -> tuple[list[PoiRow], dict[str, int]]:
            entries = progress(archive.entries(), f"{self.city.key} places of the archive", total=len(archive))
            return read_places(entries, self.city.name, settings.min_posts, opt_out)

        return FoundPois(
            source=FROM_ARCHIVE,
            origin=f"the archive {archive.root}",
            rows=[],
            late=read,
            inputs={"archive": archive.digest, "opt_out": opt_out.fingerprint, "city_name": self.city.name},
            notes=[BLIND_ARCHIVE],
            about={"rank": "by number of posts"},
            advice=ADVICE,
        )

    def _of_file(self, source: Literal["file", "demo"]) -> FoundPois:
        demo = demo_city(self.store, self.city) if source == "demo" else None
        path = demo.pois_file if demo is not None else Path(str(self.settings.file)).expanduser()
        rows = read_poi_file(path)
        return FoundPois(
            source=source,
            origin=f"the file {path}",
            rows=rows,
            inputs={"file": file_digest(path)},
            notes=[]
            if any(row.category_ids or row.category_labels or row.semantic_label for row in rows)
            else [BLIND],
        )

    def _of_os_places(self) -> FoundPois:
        path = Path(str(self.settings.os_places))
        files = extract_files(path)
        dates = sorted({release_of(file) for file in files} - {""})
        releases = {"releases": ", ".join(dates)} if len(dates) > 1 else {}
        return FoundPois(
            source="os_places",
            origin=f"the OS Places extract {path}",
            rows=read_os_places(files, self.city, self.settings.categories, self.sensitivity.taxonomy),
            inputs={"os_places": listing_digest(files)},
            about={"rank": OS_PLACES_RANK, **releases},
        )

    def _of_catalog(self, settings: CatalogSettings) -> FoundPois:
        folder = self.store.root / "crawl" / "os_places" / self.city.key
        catalog = PlacesCatalog(
            folder=folder, city=self.city, settings=settings, clock=self.clock, retries=self.retries
        )
        extract = catalog.extract()
        return FoundPois(
            source="os_places_catalog",
            origin=f"the table {settings.table} of {settings.address}",
            rows=read_os_places([extract.file], self.city, self.settings.categories, self.sensitivity.taxonomy),
            inputs={"os_places": f"{settings.address} {settings.table} {extract.snapshot}"},
            about={"rank": OS_PLACES_RANK, "snapshot": f"{extract.snapshot} of {extract.committed:%Y-%m-%d}"},
        )

    def _of_foursquare(self) -> FoundPois:
        folder, settings = self._answers(), self.settings
        self._check_key(folder.state())
        fetch = Fetch(
            folder=folder,
            params=self._query().params(),
            open_client=lambda: PlacesClient(key_from_environment(), self.clock, base_url()),
            num_good=lambda places: len(select_pois(_rows(places), self.city, self.sensitivity)[0]),
            max_pois=settings.max_pois,
            title=f"{self.city.key} pois",
            budget=RetryBudget(
                clock=self.clock,
                retries=self.retries,
                max_requests=settings.max_requests,
                max_wait_s=settings.max_wait_s,
            ),
        )
        state, places = fetch.run()
        notes = []
        if state.stopped:
            notes.append(
                f"Foursquare's pages ended before their end ({state.stopped}): what was found is used, and the next "
                "run asks for the last page again"
            )
        if self.city.radius_km * 1000 > MAX_RADIUS_M:
            notes.append("Foursquare searches at most 100 km around a point: the city's circle is larger")
        return FoundPois(
            source="foursquare",
            origin="Foursquare's answer",
            rows=_rows(places),
            inputs={"answers": state.digest()},
            asked=state.started,
            counts={f"deferred/{state.stopped}": 1} if state.stopped else {},
            notes=notes,
            about={"rank": f"Foursquare's order {settings.sort}", "answers_since_utc": state.started_utc},
        )

    def _check_key(self, state: State) -> None:
        """Say why Foursquare is to be asked again, where it was asked before and there is no key now."""
        if state.is_started or not state.asked_before_utc or _has_key():
            return
        asked = datetime.fromisoformat(state.asked_before_utc)
        raise StageError(
            f"what Foursquare sent on the POIs of {self.city.key} at {asked:%Y-%m-%d %H:%M} UTC is deleted but for "
            "the ids: its retention period has expired (foursquare_keep_hours of pois). Put your key into "
            f"{KEY_VARIABLE} and run this again; without one, name a file of POIs as `pois: {{file: ...}}`"
            ", an extract of OS Places as `pois: {os_places: ...}`, or the places of your archive as `pois: "
            "{from_archive: {min_posts: 10}}` in cities.yaml"
        )

    def _query(self) -> PlacesQuery:
        settings = self.settings
        return PlacesQuery.of_city(
            self.city, settings.categories, settings.sort, is_premium=settings.ask_premium, base_url=base_url()
        )

    def _answers(self) -> AnswerFolder:
        return AnswerFolder(self.store.root / "crawl" / "foursquare" / self.city.key / self._query().digest())


def _ways(city: City) -> str:
    """The sources that there are, the likeliest first for a city with an archive."""
    ways = [
        "the places that enough posts of its archive name, as `pois: {from_archive: {min_posts: 10}}` under this city "
        "in cities.yaml",
        "a file (CSV, Parquet, JSON, GeoJSON) with columns poi_id, name, latitude and longitude, as "
        "`pois: {file: path/to/file}`",
        "the places of Overture Maps, as `pois: {overture: path/to/folder}`",
        "an extract of Foursquare's OS Places, as `pois: {os_places: path/to/folder}`, or its catalogue, as `pois: "
        "{os_places_catalog: true}`",
        f"Foursquare's Places API, with a service key in the environment variable {KEY_VARIABLE}",
    ]
    if archive_in_cities(city) is None:
        ways[0] = ways[0].replace("its archive", "an archive of yours")
        ways = [*ways[1:], ways[0]]
    return f"There are {len(ways)}: {'; '.join(ways)}"


def _has_key() -> bool:
    return bool(os.environ.get(KEY_VARIABLE, "").strip())


def _rows(places: Places) -> list[PoiRow]:
    return [poi_row(place, rank) for rank, place in enumerate(places, start=1)]

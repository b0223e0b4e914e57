"""Places: which Instagram locations are which POIs.

Reads  pois, the locations that the posts of the archive name, those that Instagram's searches find, the overrule file
Writes places: every pair within reach, matched or not
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.collect.archive.fields import LocationStub, PostFields
from pipeline.collect.archive.folder import Archive, Entry
from pipeline.collect.archive.locations import locations_of
from pipeline.collect.instagram.live import Runtime, open_journal, search
from pipeline.collect.instagram.searching import SearchReport
from pipeline.collect.matching import AMBIGUOUS, Matcher, MatchRules, NamedPoint, Pair, make_overrules, read_overrules
from pipeline.collect.poi_sources.archive_places import FROM_ARCHIVE
from pipeline.collect.poi_sources.keeping import read_pois
from pipeline.collect.sources import ArchiveSettings, archive_or_live, journal_path
from pipeline.errors import IncompleteError, StageError
from pipeline.progress import progress
from pipeline.stage import INCOMPLETE, Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.digests import file_digest, json_digest

STAGE = "places"
UNREAD = "unreadable_files"
_RULES = MatchRules.__dataclass_fields__


class PlacesSettings(ArchiveSettings):
    """From where on an Instagram location is a POI."""

    PER_RUN = frozenset({"max_requests"})

    max_distance_m: float = Field(300, gt=0, description="maximum distance of a location from its POI")
    min_name_similarity: float = Field(
        70, ge=0, le=100, description="minimum similarity of the names of a POI and a location near it"
    )
    min_name_only_similarity: float = Field(
        95,
        ge=0,
        le=100,
        description="minimum similarity where the location has no coordinates; exactly one POI must reach it",
    )
    tie_similarity: float = Field(3, ge=0, le=100, description="similarities that differ by less count as equal")
    tie_distance_m: float = Field(
        20,
        ge=0,
        description="POIs of equal similarity whose distances differ by less are ambiguous: the location matches none",
    )
    overrules: Path | None = Field(
        None, description="CSV of manual decisions (poi_id,location_id,is_match); by default overrules/<city>.csv"
    )
    max_requests: int | None = Field(
        400, ge=1, description="maximum number of requests to Instagram per run; the next run continues"
    )


def build_places(store: Store, city: City, settings: PlacesSettings, runtime: Runtime | None = None) -> StageReport:
    """Match the locations of a city with its POIs; of a live city those are searched for that were not yet.

    Raises:
        StageError: the POIs were not built, there is no source of locations, none was found, or the overrule file is
            wrong.
        HumanError: Instagram wants something of a person.
    """
    with store.lock(city.key, STAGE):
        if store.stage_record(city.key, "pois") is None:
            raise StageError(f"the POIs of {city.key} were not built: build the stage pois first")
        archive = archive_or_live(store, city, settings)
        _forget_if_unread(store, city.key)
        overrules = _overrule_file(store, city, settings)
        pois = _pois(store, city.key)
        matcher = Matcher(pois, city.name, MatchRules(**settings.model_dump(include=set(_RULES))))
        report = (
            None
            if city.live is None
            else search(store, city, pois, matcher, runtime or Runtime(), settings.max_requests)
        )
        found = _found(store, city.key)
        inputs = {
            "archive": archive.digest if archive else "",
            "found": json_digest([[stub.location_id, stub.name, stub.coordinates] for stub in found]),
            "waiting": json_digest(dict(report.deferred)) if report else "",
            "overrules": file_digest(overrules),
            "city_name": city.name,
            **table_inputs(store, city.key, [("pois", "pois")]),
        }
        done = run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_places),
            settings=settings,
            inputs=inputs,
            outputs=("places",),
            work=lambda: _work(store, city, archive, found, matcher, overrules, report),
        )
        return _with_search(done, report)


def _forget_if_unread(store: Store, city: str) -> None:
    """Try files of the archive again that could not be read: nothing in its listing shows when they can be."""
    record = store.stage_record(city, STAGE)
    if record is not None and UNREAD in record.counts:
        store.forget_stage_record(city, STAGE)


def _with_search(done: StageReport, report: SearchReport | None) -> StageReport:
    """The same with what this very run came to at Instagram, also where the table is `reused`."""
    if report is None:
        return done
    notes = search_notes(report) + [note for note in done.record.notes if not note.startswith(INCOMPLETE)]
    about = {**done.record.about, "requests": str(report.num_requests)}
    return replace(done, record=replace(done.record, notes=notes, about=about))


def _pois(store: Store, city: str) -> list[NamedPoint]:
    """The POIs in the order of their rank."""
    rows = sorted(read_pois(store, city).to_pylist(), key=lambda poi: poi["rank"])
    return [
        NamedPoint(
            poi_id=poi["poi_id"],
            name=poi["name"],
            latitude=poi["latitude"],
            longitude=poi["longitude"],
            is_location=poi["source"] == FROM_ARCHIVE,
        )
        for poi in rows
    ]


def _found(store: Store, city: str) -> list[LocationStub]:
    """The locations that searches found; none where the city was never collected live."""
    if not journal_path(store, city).exists():
        return []
    with open_journal(store, city) as journal:
        return journal.searches.stubs()


def _overrule_file(store: Store, city: City, settings: PlacesSettings) -> Path:
    if settings.overrules is None:
        path = store.root / "overrules" / f"{city.key}.csv"
        make_overrules(path)
        return path
    path = settings.overrules.expanduser()
    if not path.is_file():
        raise StageError(f"there is no overrule file at {path}: make it, or leave `overrules` of places out")
    return path


def _work(
    store: Store,
    city: City,
    archive: Archive | None,
    found: list[LocationStub],
    matcher: Matcher,
    overrules: Path,
    report: SearchReport | None,
) -> Outcome:
    locations, num_posts = _locations(city, archive, found)
    poi_ids = {poi.poi_id for poi in matcher.pois}
    is_live = report is not None
    decided = read_overrules(overrules, poi_ids, None if is_live else {stub.location_id for stub in locations})
    locations = sorted([*locations, *_named_by_hand(decided, locations)], key=lambda stub: stub.location_id)
    if not locations:
        raise _no_locations(city, archive, num_posts, overrules, report)
    pairs = {stub.location_id: matcher.pairs(stub, decided.get(stub.location_id)) for stub in locations}
    rows = [_row(pair, stub) for stub in locations for pair in pairs[stub.location_id]]
    store.tables.replace(city.key, "places", rows)
    unread = {UNREAD: archive.num_unreadable} if archive is not None and archive.num_unreadable else {}
    done = _outcome(pairs, num_pois=len(poi_ids), overrules=overrules, report=report)
    return replace(done, counts={**done.counts, **unread})


def _locations(city: City, archive: Archive | None, found: list[LocationStub]) -> tuple[list[LocationStub], int]:
    """Every location that is known, once, and the number of the archive's posts; what a search found counts first."""
    known = {stub.location_id: stub for stub in found}
    num_posts = 0
    if archive is not None:
        entries = progress(archive.entries(), f"{city.key} locations", total=len(archive))
        of_posts, num_posts = scan_locations(entries)
        known = {stub.location_id: stub for stub in of_posts} | known
    return list(known.values()), num_posts


def _named_by_hand(decided: dict[str, dict[str, bool]], locations: list[LocationStub]) -> list[LocationStub]:
    """Locations that only the overrule file names: a person has looked them up."""
    known = {stub.location_id for stub in locations}
    return [
        LocationStub(location_id=location_id, name="", coordinates=None)
        for location_id, of_pois in decided.items()
        if location_id not in known and any(of_pois.values())
    ]


def scan_locations(entries: Iterable[Entry]) -> tuple[list[LocationStub], int]:
    """Every location that a post names, by id, as the newest post names it, and the number of posts."""
    num_posts = 0

    def posts() -> Iterator[PostFields]:
        nonlocal num_posts
        for fields in (entry.fields for entry in entries if entry.fields is not None):
            num_posts += 1
            yield fields

    return [location.stub for location in locations_of(posts())], num_posts


def _row(pair: Pair, stub: LocationStub) -> dict[str, object]:
    latitude, longitude = stub.coordinates or (None, None)
    return {
        "poi_id": pair.poi_id,
        "location_id": pair.location_id,
        "location_name": stub.name,
        "latitude": latitude,
        "longitude": longitude,
        "distance_m": pair.distance_m,
        "name_similarity": pair.similarity,
        "is_match": pair.is_match,
        "decided_by": pair.decided_by,
    }


def _no_locations(
    city: City, archive: Archive | None, num_posts: int, overrules: Path, report: SearchReport | None
) -> StageError:
    """Why no location is known, and what to do."""
    if archive is None:
        return _none_found(city, overrules, report)
    if num_posts == 0:
        return StageError(
            f"none of the {len(archive)} metadata files in {archive.root} is a post: {archive.how_to_fill()}"
        )
    return StageError(
        f"none of the {num_posts} posts in {archive.root} names its place: only posts that carry a location can be "
        "used; name an archive of such posts as `archive` of posts in cities.yaml"
    )


def _none_found(city: City, overrules: Path, report: SearchReport | None) -> StageError:
    """The same for a city that is collected live and has no archive."""
    by_hand = f"look places up by hand and write them as poi_id,location_id,yes into {overrules}"
    waiting = dict(report.deferred) if report is not None else {}
    if "login_required" in waiting:
        why = "searching needs a login (MRLF_INSTAGRAM_COOKIES); without one"
        return StageError(f"no place of Instagram is known for any POI of {city.key}: {why}, {by_hand}")
    if waiting and report is not None:
        reasons = ", ".join(f"{reason} {count}" for reason, count in waiting.items())
        why = f"the search for places of {city.key} did not get far ({reasons})"
        return IncompleteError(why, reason=next(iter(waiting)), not_before_utc=report.not_before)
    return StageError(f"Instagram's searches found no place for any POI of {city.key}: {by_hand}")


def _outcome(pairs: dict[str, list[Pair]], *, num_pois: int, overrules: Path, report: SearchReport | None) -> Outcome:
    every = [pair for found in pairs.values() for pair in found]
    matched = {pair.location_id: pair.poi_id for pair in every if pair.is_match}
    ambiguous = sorted({pair.location_id for pair in every if pair.decided_by == AMBIGUOUS})
    counts = {
        "locations": len(pairs),
        "matched_locations": len(matched),
        "ambiguous_locations": len(ambiguous),
        "pairs": len(every),
        "pois": num_pois,
        "matched_pois": len(set(matched.values())),
    }
    notes = search_notes(report) if report is not None else []
    if ambiguous:
        named = ", ".join(ambiguous[:5]) + (" …" if len(ambiguous) > 5 else "")
        notes.append(f"{len(ambiguous)} locations could be two POIs and match none ({named}): decide in {overrules}")
    if not matched:
        notes.append(
            f"no location matches a POI: change max_distance_m or min_name_similarity, decide in {overrules}, or take "
            "the archive's own places as POIs (`pois: {from_archive: {min_posts: 10}}`)"
        )
    return Outcome(counts=counts, notes=notes)


def search_notes(report: SearchReport) -> list[str]:
    """What a person should know of a search that did not come to its end."""
    if not report.deferred:
        return []
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.deferred.items())
    when = f"{report.not_before:%Y-%m-%d %H:%M} UTC" if report.not_before else "at once"
    return [f"{INCOMPLETE}POIs that were not searched yet wait ({reasons}); run it again, it goes on ({when})"]

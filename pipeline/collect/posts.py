"""Posts: one row per post that was made at a POI, under pseudonyms, with its pictures as blobs; of all sources alike.

Reads  the archive, Instagram, places
Writes posts, images, blobs/original, private/<city>.ids.sqlite; drops and deferred of this stage
Law: every post that was seen is kept, deleted, dropped or deferred, and counted once: seen = kept + deleted +
dropped + deferred. A post has one row by its key, whichever source it came from first. The rules stand in
`pipeline.collect.post_rules`.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import pyarrow.compute as pc
from pydantic import Field

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.collect.archive.folder import Archive
from pipeline.collect.archive.posts import ArchivePosts, read_archive
from pipeline.collect.instagram.flush import flush_journal
from pipeline.collect.instagram.live import LIVE, Runtime, crawl, open_journal, rematch
from pipeline.collect.instagram.walk import WalkLimits
from pipeline.collect.poi_sources.keeping import read_pois
from pipeline.collect.post_rules import OK, OPTED_OUT, PictureLimits, PostRules, check_bytes, image_row
from pipeline.collect.posts_tables import (
    ArchiveCounts,
    counts_of,
    is_passing_reading,
    posts_outcome,
    put_archive,
    with_run,
)
from pipeline.collect.sources import ArchiveSettings, archive_or_live, journal_path
from pipeline.collect.waiting import what_waits
from pipeline.errors import StageError
from pipeline.lost_pictures import lost_pictures
from pipeline.picture_bytes import LIMITS as DECODED
from pipeline.privacy.named_pictures import values
from pipeline.privacy.opt_out import OptOut
from pipeline.privacy.opt_out_removal import opted_out_posts, opted_out_since
from pipeline.privacy.pseudonyms import ids_path, load_pseudonyms, read_authors
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.blobs import LostPictureError
from pipeline.store.digests import json_digest

STAGE = "posts"
OUTPUTS = ("posts", "images", "drops", "deferred")

log = logging.getLogger("mrlf")


class PostsSettings(ArchiveSettings):
    """Which archive is read, how much is collected, and which pictures are taken."""

    PER_RUN = frozenset({"max_requests"})

    max_image_bytes: int = Field(
        20_000_000, ge=1, description="maximum size of a picture file; a larger one is not read"
    )
    max_image_pixels: int = Field(
        DECODED.max_pixels,
        ge=1,
        le=DECODED.max_pixels,
        description="maximum number of pixels; a larger picture is not decoded",
    )
    min_image_side_px: int = Field(32, ge=DECODED.min_side_px, description="minimum shorter side of a picture")
    max_posts_per_place: int | None = Field(None, ge=1, description="maximum number of posts per place, newest first")
    refresh_days: float = Field(30, ge=0, description="days after which all posts of a place are listed again")
    max_requests: int | None = Field(
        2000, ge=1, description="maximum number of requests to Instagram per run; the next run continues"
    )


@dataclass(frozen=True, kw_only=True)
class _Build:
    """What one build of the stage works with. archive: None where the city has none; now: when it began."""

    store: Store
    city: City
    settings: PostsSettings
    archive: Archive | None
    rules: PostRules
    now: datetime


def build_posts(store: Store, city: City, settings: PostsSettings, runtime: Runtime | None = None) -> StageReport:
    """Collect what is new of a live city, read its archive, and put both into one table.

    Raises:
        StageError: there is no source, no post in it, or the places were not built.
        HumanError: Instagram wants something of a person.
    """
    runtime = runtime or Runtime()
    with store.lock(city.key, STAGE):
        if store.stage_record(city.key, "places") is None:
            raise StageError(f"the places of {city.key} were not built: build the stages pois and places first")
        archive = archive_or_live(store, city, settings)
        now = runtime.clock.now()
        mended = [store.mend(city.key, name) for name in OUTPUTS]
        is_lost = _lost_originals(store, city, has_archive=archive is not None) or _lost_ids(store, city.key)
        if any(mended) or is_passing_reading(store, city.key, now) or is_lost:
            _forget_reading(store, city.key)
        if any(mended):
            _look_at_originals(store, city.key, _picture_limits(settings))
        matches = _matches(store, city.key)
        rules = _rules(store, city, {location_id: poi_id for location_id, poi_id, _ in matches})
        build = _Build(store=store, city=city, settings=settings, archive=archive, rules=rules, now=now)
        if city.live is not None or journal_path(store, city.key).exists():  # what was collected stays
            return _build_live(build, {location_id: name for location_id, _, name in matches}, runtime)
        done = _run(build, partial(_read_alone, build))
        return with_run(done, None, what_waits(store, city, now))


def _build_live(build: _Build, names: dict[str, str], runtime: Runtime) -> StageReport:
    """Authors who opted out go first, whatever becomes of the rest; then the archive, for which nothing is asked."""
    store, city, settings = build.store, build.city, build.settings
    _remove_opted_out(store, city.key, build.rules.opt_out)
    _bring_archive(build)
    try:
        report = crawl(
            store,
            city,
            build.rules,
            names,
            limits=_walk_limits(settings),
            pictures=_picture_limits(settings),
            max_requests=settings.max_requests,
            runtime=runtime,
        )
    except StageError:  # a person has to go on, or nobody can: the tables are whole, and may be worked on meanwhile
        if store.stage_record(city.key, STAGE) is not None:
            _run(build, partial(_finish_live, build))
        raise
    _remove_opted_out(store, city.key, build.rules.opt_out)
    done = _run(build, partial(_finish_live, build))
    return with_run(done, report, what_waits(store, city, runtime.clock.now()))


def _run(build: _Build, work: Callable[[], Outcome]) -> StageReport:
    store, city = build.store, build.city
    inputs = {
        "archive": build.archive.digest if build.archive else "",
        "live": _journal_state(store, city.key) if journal_path(store, city.key).exists() else "",
        "pseudonyms": build.rules.pseudonyms.fingerprint,
        "opt_out": build.rules.opt_out.fingerprint,
        **table_inputs(store, city.key, [("places", "places")]),
    }
    return run_stage(
        store,
        city,
        STAGE,
        code_version=code_digest(build_posts),
        settings=build.settings,
        inputs=inputs,
        outputs=OUTPUTS,
        work=work,
    )


def _matches(store: Store, city: str) -> list[tuple[str, str, str]]:
    """The matched locations in the order of their POIs' rank: location_id, poi_id, Instagram's name of it.

    Names land in logs, where nothing is deleted; that of a POI may be kept for a time only.
    """
    pois = {poi["poi_id"]: poi for poi in read_pois(store, city).to_pylist()}
    places = [place for place in store.tables.read(city, "places").to_pylist() if place["is_match"]]
    places.sort(key=lambda place: (pois[place["poi_id"]]["rank"], place["location_id"]))
    return [
        (place["location_id"], place["poi_id"], place["location_name"] or place["location_id"]) for place in places
    ]


def _rules(store: Store, city: City, poi_of_location: dict[str, str]) -> PostRules:
    return PostRules(
        pseudonyms=load_pseudonyms(store, city),
        poi_of_location=poi_of_location,
        opt_out=OptOut() if city.is_synthetic else OptOut.load(store),
        source=LIVE,
    )


def _walk_limits(settings: PostsSettings) -> WalkLimits:
    return WalkLimits(max_posts=settings.max_posts_per_place, refresh_days=settings.refresh_days)


def _picture_limits(settings: PostsSettings) -> PictureLimits:
    return PictureLimits(**settings.model_dump(include=set(PictureLimits.__dataclass_fields__)))


def _journal_state(store: Store, city: str) -> str:
    """Changes when the journal has carried something to the tables."""
    with open_journal(store, city) as journal:
        return f"{journal.writer}: {journal.num_changes} changes"


def _read_alone(build: _Build) -> Outcome:
    """The posts of a city that has an archive and nothing else."""
    found = _read(build, lambda key: False)
    put_archive(build.store, build.city.key, found)
    return posts_outcome(build.store, build.city.key, counts_of(found), {})


def _bring_archive(build: _Build) -> ArchiveCounts:
    """Read the archive beside the journal, unless it was read as it stands."""
    store, city, archive, rules = build.store, build.city, build.archive, build.rules
    with open_journal(store, city.key) as journal:
        flush_journal(store, city.key, journal)  # what a killed run left, before anything changes
        read = [
            code_digest(read_archive),
            archive.digest if archive else "",
            dict(rules.poi_of_location),
            rules.pseudonyms.fingerprint,
            rules.opt_out.fingerprint,
            build.settings.model_dump(mode="json"),
        ]
        if journal.note("archive") != json_digest([*read, *journal.posts.took_over]):
            found = _read(build, journal.posts.holds)
            put_archive(store, city.key, found, beside=journal)
            with journal.transaction():
                for post_key in found.opted_out:
                    if journal.posts.state(post_key) in ("waiting", "kept"):
                        journal.posts.settle(post_key, "gone", OPTED_OUT)
            flush_journal(store, city.key, journal)
            journal.set_note("archive_counts", counts_of(found).to_json())
            journal.set_note("archive", json_digest([*read, *journal.posts.took_over]))
        return ArchiveCounts.from_json(journal.note("archive_counts"))


def _lost_originals(store: Store, city: City, *, has_archive: bool) -> bool:
    """Whether pictures are lost that the archive may have."""
    lost = lost_pictures(store, city.key, "original", "images", "digest", pc.field("outcome") == OK)
    if lost:
        what = "the archive is read again" if has_archive else "put a copy of them back"
        live = ", as what was collected live is not asked for again" if journal_path(store, city.key).exists() else ""
        log.warning("%s: original pictures are gone from the store: %d; %s%s", city.key, len(lost), what, live)
    return bool(lost) and has_archive


def _lost_ids(store: Store, city: str) -> bool:
    """Whether the map of a built city back from its pseudonyms is gone: without it an author could not be found."""
    path = ids_path(store, city)
    is_lost = store.stage_record(city, STAGE) is not None and not path.exists()
    if is_lost:
        log.warning("%s is gone: the archive is read again", path)
    return is_lost


def _look_at_originals(store: Store, city: str, limits: PictureLimits) -> None:
    """Put the rows of pictures back that `images` has lost and posts name, as far as their bytes are here."""
    named = {
        digest
        for batch in store.tables.batches(city, "posts", ["image_digests"])
        for digest in batch["image_digests"].flatten().to_pylist()
    }
    rows = []
    for digest in sorted(named - values(store, city, "images", "digest")):
        with suppress(LostPictureError):
            rows.append(image_row(check_bytes(store.blobs.get("original", digest), limits)))
    store.tables.append(city, "images", rows)


def _forget_reading(store: Store, city: str) -> None:
    """Let the archive be read anew as it stands."""
    store.forget_stage_record(city, STAGE)
    if journal_path(store, city).exists():
        with open_journal(store, city) as journal:
            journal.set_note("archive", "")


def _finish_live(build: _Build) -> Outcome:
    store, city = build.store, build.city
    with open_journal(store, city.key) as journal:
        journal.posts.unmatch(rematch(store, city.key, build.rules.poi_of_location))
    counts = _bring_archive(build)
    with open_journal(store, city.key) as journal:
        return posts_outcome(store, city.key, counts, journal.posts.counts())


def _remove_opted_out(store: Store, city: str, opt_out: OptOut) -> None:
    """Tombstones for what was collected before an author of it, or itself, came on the list; of what has left the
    tables meanwhile, the reason. Looked for once per list and authors.
    """
    with open_journal(store, city) as journal:
        state = f"{opt_out.fingerprint}, {sum(map(len, read_authors(store, city).values()))} authors"
        if journal.note("opt_out") == state:
            return
        flush_journal(store, city, journal)
        there = set(opted_out_posts(store, city, opt_out))
        since = opted_out_since(store, city, opt_out) - there
        left = {key for key in since if journal.posts.state(key) in ("dropped", "waiting")}
        with journal.transaction():
            journal.posts.adopt(there)
            for post_key in there | left:
                is_bare = journal.posts.state(post_key) in ("deferred", "dropped", "waiting")
                journal.posts.settle(post_key, "dropped" if is_bare else "gone", OPTED_OUT)
            journal.set_note("opt_out", state)
        flush_journal(store, city, journal)


def _read(build: _Build, is_elsewhere: Callable[[str], bool]) -> ArchivePosts:
    """The posts of the archive, none where there is none; those that are elsewhere are left out."""
    if build.archive is None:
        return ArchivePosts()
    rules = replace(build.rules, source="demo" if build.city.is_synthetic else "archive")
    limits = _picture_limits(build.settings)
    return read_archive(build.archive, rules, limits, build.store.blobs, is_elsewhere=is_elsewhere, now=build.now)

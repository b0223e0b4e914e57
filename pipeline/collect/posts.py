"""Posts: one row per post that was made at a POI, under pseudonyms, with its pictures as blobs; of all sources alike.

Reads  the archive, Instagram, places
Writes posts, images, blobs/original, private/<city>.ids.sqlite; drops and deferred of this stage
Law: every post that was seen is kept, deleted, dropped or deferred, and counted once: seen = kept + deleted +
dropped + deferred. A post has one row by its key, whichever source it came from first. The rules stand in
`pipeline.collect.post_rules`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from pydantic import Field

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.collect.archive.folder import Archive
from pipeline.collect.archive.posts import ArchivePosts, read_archive
from pipeline.collect.instagram.flush import empty_journal
from pipeline.collect.instagram.live import LIVE, Runtime, crawl, journal_path, open_journal, rematch
from pipeline.collect.instagram.walk import WalkLimits
from pipeline.collect.pictures import PictureLimits
from pipeline.collect.poi_sources.keeping import read_pois
from pipeline.collect.post_rules import OPTED_OUT, PostRules
from pipeline.collect.posts_tables import (
    ArchiveCounts,
    counts_of,
    is_early_reading,
    posts_outcome,
    put_archive,
    told_of_run,
)
from pipeline.collect.sources import ArchiveSettings, archive_or_live
from pipeline.collect.waiting import what_waits
from pipeline.errors import StageError
from pipeline.privacy.opt_out import OptOut
from pipeline.privacy.opt_out_removal import opted_out_posts, opted_out_since
from pipeline.privacy.private_ids import read_authors
from pipeline.privacy.pseudonyms import load_pseudonyms
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.digests import json_digest

STAGE = "posts"


class PostsSettings(ArchiveSettings):
    """Which archive is read, how much is collected, and which pictures are taken."""

    PER_RUN = frozenset({"max_requests"})

    max_image_bytes: int = Field(20_000_000, ge=1, description="a larger picture file is not read")
    max_image_pixels: int = Field(50_000_000, ge=1, description="a larger picture is not decoded")
    min_image_side_px: int = Field(32, ge=1, description="a picture with a shorter side is not taken")
    max_posts_per_place: int | None = Field(None, ge=1, description="of each place the newest so many are collected")
    refresh_days: float = Field(30, ge=0, description="after so many days all posts of a place are passed once more")
    max_requests: int | None = Field(2000, ge=1, description="to Instagram in one run; the rest is for the next run")


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
        if is_early_reading(store, city.key, now):
            _forget_reading(store, city.key)
        matches = _matches(store, city.key)
        rules = _rules(store, city, {location_id: poi_id for location_id, poi_id, _ in matches})
        if city.live is not None or journal_path(store, city.key).exists():  # what was collected stays
            names = {location_id: name for location_id, _, name in matches}
            return _build_live(store, city, settings, archive, rules, names, runtime)
        assert archive is not None, "a city that is not live has an archive"
        work = partial(_read_alone, store, city, settings, archive, rules, now)
        done = _run(store, city, settings, archive, rules, work)
        return told_of_run(done, None, what_waits(store, city, now))


def _build_live(
    store: Store,
    city: City,
    settings: PostsSettings,
    archive: Archive | None,
    rules: PostRules,
    names: dict[str, str],
    runtime: Runtime,
) -> StageReport:
    """Who wants to leave goes first, whatever becomes of the rest; then the archive, of which nothing is asked for."""
    _let_leave(store, city.key, rules.opt_out)
    now = runtime.clock.now()
    _bring_archive(store, city, settings, archive, rules, now)
    report = crawl(
        store,
        city,
        rules,
        names,
        limits=_walk_limits(settings),
        pictures=_picture_limits(settings),
        max_requests=settings.max_requests,
        runtime=runtime,
    )
    _let_leave(store, city.key, rules.opt_out)
    work = partial(_finish_live, store, city, settings, archive, rules, now)
    done = _run(store, city, settings, archive, rules, work)
    return told_of_run(done, report, what_waits(store, city, runtime.clock.now()))


def _run(
    store: Store,
    city: City,
    settings: PostsSettings,
    archive: Archive | None,
    rules: PostRules,
    work: Callable[[], Outcome],
) -> StageReport:
    inputs = {
        "archive": archive.digest if archive else "",
        "live": _journal_state(store, city.key) if journal_path(store, city.key).exists() else "",
        "pseudonyms": rules.pseudonyms.fingerprint,
        "opt_out": rules.opt_out.fingerprint,
        **table_inputs(store, city.key, [("places", "places")]),
    }
    return run_stage(
        store,
        city,
        STAGE,
        code_version=code_digest(build_posts),
        settings=settings,
        inputs=inputs,
        outputs=("posts", "images", "drops", "deferred"),
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
    """Changes when the journal has told the tables something."""
    with open_journal(store, city) as journal:
        return f"{journal.writer}: {journal.num_changes} changes"


def _read_alone(
    store: Store, city: City, settings: PostsSettings, archive: Archive, rules: PostRules, now: datetime
) -> Outcome:
    """The posts of a city that has an archive and nothing else."""
    found = _read(store, city, settings, archive, rules, lambda key: False, now)
    put_archive(store, city.key, found)
    return posts_outcome(store, city.key, counts_of(found), {})


def _bring_archive(
    store: Store, city: City, settings: PostsSettings, archive: Archive | None, rules: PostRules, now: datetime
) -> ArchiveCounts:
    """Read the archive beside the journal, unless it was read as it stands."""
    with open_journal(store, city.key) as journal:
        empty_journal(store, city.key, journal)  # what a killed run left, before anything changes
        read = [
            code_digest(read_archive),
            archive.digest if archive else "",
            dict(rules.poi_of_location),
            rules.pseudonyms.fingerprint,
            rules.opt_out.fingerprint,
            settings.model_dump(mode="json"),
        ]
        if journal.note("archive") != json_digest([*read, *journal.took_over]):
            found = ArchivePosts()
            if archive is not None:
                found = _read(store, city, settings, archive, rules, journal.holds, now)
            put_archive(store, city.key, found, beside=journal)
            with journal.transaction():
                for post_key in found.opted_out:
                    if journal.state(post_key) in ("waiting", "kept"):
                        journal.settle(post_key, "gone", OPTED_OUT)
            empty_journal(store, city.key, journal)
            journal.set_note("archive_counts", counts_of(found).to_json())
            journal.set_note("archive", json_digest([*read, *journal.took_over]))
        return ArchiveCounts.from_json(journal.note("archive_counts"))


def _forget_reading(store: Store, city: str) -> None:
    """Let the archive be read anew as it stands."""
    store.forget_stage_record(city, STAGE)
    if journal_path(store, city).exists():
        with open_journal(store, city) as journal:
            journal.set_note("archive", "")


def _finish_live(
    store: Store, city: City, settings: PostsSettings, archive: Archive | None, rules: PostRules, now: datetime
) -> Outcome:
    with open_journal(store, city.key) as journal:
        journal.unmatch(rematch(store, city.key, rules.poi_of_location))
    counts = _bring_archive(store, city, settings, archive, rules, now)
    with open_journal(store, city.key) as journal:
        return posts_outcome(store, city.key, counts, journal.counts())


def _let_leave(store: Store, city: str, opt_out: OptOut) -> None:
    """Tombstones for what was collected before an author of it, or itself, came on the list; of what has left the
    tables meanwhile, the reason. Looked for once per list and authors.
    """
    with open_journal(store, city) as journal:
        state = f"{opt_out.fingerprint}, {sum(map(len, read_authors(store, city).values()))} authors"
        if journal.note("opt_out") == state:
            return
        empty_journal(store, city, journal)
        there = set(opted_out_posts(store, city, opt_out))
        since = opted_out_since(store, city, opt_out) - there
        left = {key for key in since if journal.state(key) in ("dropped", "waiting")}
        with journal.transaction():
            journal.adopt(there)
            for post_key in there | left:
                is_bare = journal.state(post_key) in ("deferred", "dropped", "waiting")
                journal.settle(post_key, "dropped" if is_bare else "gone", OPTED_OUT)
            journal.set_note("opt_out", state)
        empty_journal(store, city, journal)


def _read(
    store: Store,
    city: City,
    settings: PostsSettings,
    archive: Archive,
    rules: PostRules,
    is_elsewhere: Callable[[str], bool],
    now: datetime,
) -> ArchivePosts:
    of_archive = replace(rules, source="demo" if city.is_synthetic else "archive")
    return read_archive(
        archive, of_archive, _picture_limits(settings), store.blobs, is_elsewhere=is_elsewhere, now=now
    )

"""Posts: one row per post that was made at a POI, under pseudonyms, with its pictures as blobs; of all sources alike.

Reads  the archive, Instagram, places
Writes posts, images, blobs/original, private/<city>.ids.sqlite; drops and deferred of this stage
Law: every post that was seen is kept, deleted, dropped or deferred, and counted once: seen = kept + deleted +
dropped + deferred. A post has one row by its key, whichever source it came from first. The rules stand in
`pipeline.collect.taking`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pydantic import Field

from pipeline.cities import City
from pipeline.collect.archive import Archive
from pipeline.collect.archive_posts import ArchivePosts, read_archive
from pipeline.collect.instagram.crawl import CrawlReport
from pipeline.collect.instagram.emptying import empty_journal
from pipeline.collect.instagram.live import LIVE, Tools, crawl, journal_path, open_journal, rematch
from pipeline.collect.instagram.walk import WalkLimits
from pipeline.collect.opt_out import OptOut
from pipeline.collect.pictures import PictureLimits
from pipeline.collect.posts_tables import posts_outcome, put_archive
from pipeline.collect.pseudonyms import load_pseudonyms
from pipeline.collect.sources import ArchiveSettings, archive_or_live
from pipeline.collect.taking import Taking
from pipeline.stage import Outcome, StageError, StageReport, run_stage, table_inputs
from pipeline.store import Store

STAGE = "posts"
CODE_VERSION = "2"


class PostsSettings(ArchiveSettings):
    """Which archive is read, how much is collected, and which pictures are taken."""

    PER_RUN = frozenset({"max_requests"})

    max_image_bytes: int = Field(20_000_000, ge=1, description="a larger picture file is not read")
    max_image_pixels: int = Field(50_000_000, ge=1, description="a larger picture is not decoded")
    min_image_side_px: int = Field(32, ge=1, description="a picture with a shorter side is not taken")
    max_posts_per_place: int | None = Field(None, ge=1, description="of each place the newest so many are collected")
    refresh_days: float = Field(30, ge=0, description="after so many days all posts of a place are passed once more")
    max_requests: int | None = Field(2000, ge=1, description="to Instagram in one run; the rest is for the next run")


def build_posts(store: Store, city: City, settings: PostsSettings, tools: Tools | None = None) -> StageReport:
    """Collect what is new of a live city, read its archive, and put both into one table.

    Raises:
        StageError: there is no source, no post in it, or the places were not built.
        HumanError: Instagram wants something of a person.
    """
    with store.lock(city.key, STAGE):
        if store.stage_record(city.key, "places") is None:
            raise StageError(f"the places of {city.key} were not built: build the stages pois and places first")
        archive = archive_or_live(store, city, settings)
        poi_of_location, names = _matched(store, city.key)
        taking = _taking(store, city, poi_of_location)
        report = crawl(
            store, city, taking, names, limits=_walk_limits(settings), pictures=_picture_limits(settings),
            max_requests=settings.max_requests, tools=tools or Tools(),
        )  # fmt: skip
        inputs = {
            "archive": archive.digest if archive else "",
            "live": _journal_state(store, city.key),
            "pseudonyms": taking.pseudonyms.fingerprint,
            "opt_out": taking.opt_out.fingerprint,
            **table_inputs(store, city.key, [("places", "places")]),
        }
        return run_stage(
            store, city, STAGE, code_version=CODE_VERSION, settings=settings, inputs=inputs,
            outputs=("posts", "images", "drops", "deferred"),
            work=lambda: _work(store, city, settings, archive, taking, report),
        )  # fmt: skip


def _matched(store: Store, city: str) -> tuple[dict[str, str], dict[str, str]]:
    """The matched locations: location_id -> poi_id, and -> the POI's name in the order of its rank."""
    pois = {poi["poi_id"]: poi for poi in store.tables.read(city, "pois").to_pylist()}
    places = [place for place in store.tables.read(city, "places").to_pylist() if place["is_match"]]
    places.sort(key=lambda place: (pois[place["poi_id"]]["rank"], place["location_id"]))
    return (
        {place["location_id"]: place["poi_id"] for place in places},
        {place["location_id"]: pois[place["poi_id"]]["name"] for place in places},
    )


def _taking(store: Store, city: City, poi_of_location: Mapping[str, str]) -> Taking:
    opt_out = OptOut() if city.is_synthetic else OptOut.load(store)
    return Taking(
        pseudonyms=load_pseudonyms(store, city), poi_of_location=poi_of_location, opt_out=opt_out, source=LIVE
    )


def _walk_limits(settings: PostsSettings) -> WalkLimits:
    return WalkLimits(max_posts=settings.max_posts_per_place, refresh_days=settings.refresh_days)


def _picture_limits(settings: PostsSettings) -> PictureLimits:
    return PictureLimits(**settings.model_dump(include=set(PictureLimits.__dataclass_fields__)))


def _journal_state(store: Store, city: str) -> str:
    """Changes when the journal has told the tables something; "" where a city was never collected live."""
    if not journal_path(store, city).exists():
        return ""
    with open_journal(store, city) as journal:
        return f"{journal.writer}: {journal.num_changes} changes"


def _work(
    store: Store, city: City, settings: PostsSettings, archive: Archive | None, taking: Taking,
    report: CrawlReport | None,
) -> Outcome:  # fmt: skip
    if not journal_path(store, city.key).exists():
        assert archive is not None, "a city has a source"
        found = _read(store, city, settings, archive, taking, lambda key: False)
        put_archive(store, city.key, found)
        return posts_outcome(store, city.key, found, {}, report)
    with open_journal(store, city.key) as journal:
        empty_journal(store, city.key, journal)  # what a killed run left, before anything changes
        journal.unmatch(rematch(store, city.key, taking.poi_of_location))
        empty_journal(store, city.key, journal)
        found = ArchivePosts()
        if archive is not None:
            found = _read(store, city, settings, archive, taking, journal.holds)
        put_archive(store, city.key, found, beside=journal)
        return posts_outcome(store, city.key, found, journal.counts(), report)


def _read(
    store: Store, city: City, settings: PostsSettings, archive: Archive, taking: Taking,
    is_elsewhere: Callable[[str], bool],
) -> ArchivePosts:  # fmt: skip
    of_archive = replace(taking, source="demo" if city.is_synthetic else "archive")
    return read_archive(archive, of_archive, _picture_limits(settings), store.blobs, is_elsewhere=is_elsewhere)

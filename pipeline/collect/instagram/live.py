"""Live collection of one city: everything that a run over Instagram needs, opened in the right order.

Law: the terms are checked before anything is opened; one process at a time uses the account, whatever the city.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.collect.archive.fields import latest_utc
from pipeline.collect.instagram.addresses import AllowedHosts, instagram_url
from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.cookie_files import cookies_path, read_cookies
from pipeline.collect.instagram.crawl import Crawl, CrawlReport
from pipeline.collect.instagram.flush import BATCH, STAGE, flush_journal
from pipeline.collect.instagram.journal import Journal, State, StoredPost
from pipeline.collect.instagram.media.downloads import MediaFetcher
from pipeline.collect.instagram.media.hosts import MediaHosts
from pipeline.collect.instagram.media.photos import Photos
from pipeline.collect.instagram.media.verdicts import has_gone
from pipeline.collect.instagram.pace import Pace, PaceLimits, rate_controller
from pipeline.collect.instagram.recheck import Recheck
from pipeline.collect.instagram.searching import SearchReport, search_city
from pipeline.collect.instagram.session import open_context
from pipeline.collect.instagram.settings import LiveSettings, live_settings
from pipeline.collect.instagram.terms import check_terms
from pipeline.collect.instagram.walk import AHEAD, Walker, WalkLimits
from pipeline.collect.matching import Matcher, NamedPoint
from pipeline.collect.post_rules import OPTED_OUT, PictureLimits, PostRules
from pipeline.collect.sources import journal_path
from pipeline.collect.web.clock import Clock, SystemClock
from pipeline.collect.web.retries import Retries
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.store import Store

LIVE = "live"
SESSION = ("instagram", "session")
ASKED = "Instagram is being asked"
WAITING = "another run is collecting from Instagram: waiting until it is done"
BARE: State = "bare"
KNOWN: State = "known"
LOCK_PATIENCE_S = 6 * 3600.0
PICTURE_DEADLINE_S = 60.0
PICTURE_TRIES = 3

log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What tests put in place of the machine's own."""

    clock: Clock = field(default_factory=SystemClock)
    retries: Retries = field(default_factory=Retries)


def pace_path(store: Store) -> Path:
    """Where the window of requests lies; one for all cities."""
    return store.root / "crawl" / "instagram.sqlite"


def media_hosts_path(store: Store) -> Path:
    """Where the rests of the hosts of pictures lie; one for all cities."""
    return store.root / "crawl" / "media_hosts.sqlite"


def pace_limits(live: LiveSettings) -> PaceLimits:
    """The paces of the settings."""
    return PaceLimits(per_minute=live.reads_per_minute, per_hour=live.reads_per_hour)


@contextmanager
def open_journal(store: Store, city: str) -> Iterator[Journal]:
    """The journal of a city."""
    with closing(Journal(journal_path(store, city))) as journal:
        yield journal


@contextmanager
def open_client(
    store: Store, live: LiveSettings, runtime: Runtime, *, max_requests: int | None = None
) -> Iterator[InstagramClient]:
    """The client to Instagram, held by this process alone until it is closed.

    Raises:
        StageError: the terms were not accepted, or the cookie file is no good.
        StageBusyError: another process has held the session for hours.
    """
    check_terms(live.terms)
    path = cookies_path()
    cookies = read_cookies(path, runtime.clock.now()) if path is not None else None
    base = instagram_url()
    with (
        store.lock(*SESSION, LOCK_PATIENCE_S, what=ASKED, waiting=WAITING),
        closing(Pace(pace_path(store), runtime.clock, pace_limits(live))) as pace,
    ):
        context = open_context(
            cookies, rate_controller=rate_controller(pace), request_timeout_s=live.request_timeout_s, base_url=base
        )
        with closing(context):
            yield InstagramClient(
                context=context,
                base=base,
                pace=pace,
                clock=runtime.clock,
                cool_downs_s=live.cool_downs_s,
                throttled_within_s=live.cool_down_window_s,
                max_requests=max_requests,
                timeout_s=live.request_timeout_s,
                retries=runtime.retries,
            )


def search(
    store: Store, city: City, pois: Sequence[NamedPoint], matcher: Matcher, runtime: Runtime, max_requests: int | None
) -> SearchReport | None:
    """Search for the places of a city's POIs that were not searched yet; None where the city is not live."""
    live = live_settings(city)
    if live is None:
        return None
    with open_journal(store, city.key) as journal:
        to_search = pois_to_search(journal, pois)
        if not to_search:
            return SearchReport()
        if cookies_path() is None:
            check_terms(live.terms)
            return SearchReport(deferred={"login_required": len(to_search)})
        with open_client(store, live, runtime, max_requests=max_requests) as client:
            return search_city(city.key, journal, client, to_search, matcher, runtime.clock)


def pois_to_search(journal: Journal, pois: Sequence[NamedPoint]) -> list[NamedPoint]:
    """Those whose search was not answered yet."""
    asked = {poi.poi_id: poi.name for poi in pois}
    done = journal.searches.answered(asked)
    return [poi for poi in pois if poi.poi_id not in done]


def crawl(
    store: Store,
    city: City,
    rules: PostRules,
    names: Mapping[str, str],
    *,
    limits: WalkLimits,
    pictures: PictureLimits,
    max_requests: int | None,
    runtime: Runtime,
) -> CrawlReport | None:
    """Collect what is new at a city's places (location_id -> its POI's name, by rank); None where it is not live."""
    live = live_settings(city)
    if live is None:
        return None
    with (
        open_journal(store, city.key) as journal,
        PrivateIds.open(store, city.key) as ids,
        open_client(store, live, runtime, max_requests=max_requests) as client,
        closing(MediaHosts(media_hosts_path(store), runtime.clock)) as hosts,
        closing(_fetcher(runtime, pictures, hosts)) as fetcher,
    ):
        has_passed = partial(_has_passed, pictures=pictures, clock=runtime.clock)
        _prepare(store, city.key, journal, [(place, rules.poi_of_location[place]) for place in names], has_passed)
        walker = Walker(
            journal=journal,
            client=client,
            rules=rules,
            ids=ids,
            limits=limits,
            clock=runtime.clock,
            after_page=lambda: _after_page(store, city.key, journal, photos, run),
            has_gone=has_passed,
        )
        recheck = Recheck(journal=journal, client=client, walker=walker)
        opted_out = partial(_has_opted_out, city.key, rules)
        photos = _photos(store, journal, fetcher, hosts, pictures, runtime.clock, live, recheck, opted_out)
        run = Crawl(
            city=city.key,
            journal=journal,
            walker=walker,
            photos=photos,
            recheck=recheck,
            names=names,
            client=client,
            flush=lambda: flush_journal(store, city.key, journal),
        )
        with _noting_tables(store, city.key, journal):
            return run.run()


@contextmanager
def _noting_tables(store: Store, city: str, journal: Journal) -> Iterator[None]:
    """The end of a crawl, good or bad, notes the versions of the tables that the journal stands beside."""
    try:
        yield
    finally:
        journal.set_note("tables", _tables_now(store, city))


def _prepare(
    store: Store, city: str, journal: Journal, places: Sequence[tuple[str, str]], has_gone: Callable[[str], bool]
) -> None:
    """Bring the journal up to date with the places (location and POI, by rank), the tables and the settings."""
    journal.walks.want([(location_id, poi_id, rank) for rank, (location_id, poi_id) in enumerate(places)])
    flush_journal(store, city, journal)
    _note_elsewhere(store, city, journal)
    journal.walks.pass_again([place for place, cause in journal.posts.causes() if has_gone(cause)])


def _photos(
    store: Store,
    journal: Journal,
    fetcher: MediaFetcher,
    hosts: MediaHosts,
    limits: PictureLimits,
    clock: Clock,
    live: LiveSettings,
    recheck: Recheck,
    has_opted_out: Callable[[StoredPost], bool],
) -> Photos:
    return Photos(
        journal=journal,
        fetcher=fetcher,
        hosts=hosts,
        limits=limits,
        blobs=store.blobs,
        clock=clock,
        num_connections=live.media_connections,
        addresses_anew=recheck.fresh_addresses,
        has_opted_out=has_opted_out,
    )


def _has_passed(cause: str, pictures: PictureLimits, clock: Clock) -> bool:
    """Whether what stood against a post has gone: a setting is another one, or its time lay ahead and has come."""
    name, _, value = cause.partition("=")
    if name == AHEAD:
        return float(value) <= latest_utc(clock.now()).timestamp()
    return has_gone(cause, pictures)


def _after_page(store: Store, city: str, journal: Journal, photos: Photos, run: Crawl) -> None:
    photos.fetch_waiting()
    run.log_page()
    if journal.batches.num_changed() >= BATCH:
        flush_journal(store, city, journal)


def _has_opted_out(city: str, rules: PostRules, post: StoredPost) -> bool:
    return post.row is not None and rules.opt_out.covers_row(city, post.post_key, post.row["user_key"])


def _fetcher(runtime: Runtime, pictures: PictureLimits, hosts: MediaHosts) -> MediaFetcher:
    retries = Retries(max_tries=PICTURE_TRIES, first_s=runtime.retries.first_s, longest_s=runtime.retries.longest_s)
    return MediaFetcher(
        runtime.clock, AllowedHosts.from_environment(), hosts, pictures.max_image_bytes, PICTURE_DEADLINE_S, retries
    )


def _note_elsewhere(store: Store, city: str, journal: Journal) -> None:
    """Note in the journal what the tables hold besides: posts of an archive are not fetched again."""
    if journal.note("tables") == _tables_now(store, city):
        return  # nobody but us has written since
    columns = ["post_key", "location_id", "source", "state", "image_digests"]
    rows = (row for batch in store.tables.batches(city, "posts", columns) for row in batch.to_pylist())
    posts = ((row["post_key"], row["location_id"], _state_elsewhere(row)) for row in rows)
    of_stage = store.tables.batches(city, "drops", ["post_key", "reason"], where=pc.field("stage") == STAGE)
    lost = (row for batch in of_stage for row in batch.to_pylist())
    dropped = ((row["post_key"], "", KNOWN if row["reason"] == OPTED_OUT else BARE) for row in lost)
    num_lost = journal.posts.note_elsewhere(chain(posts, dropped))
    if num_lost:
        log.warning("%s: the tables have lost %d posts that were collected: they are collected anew", city, num_lost)
        journal.set_note("archive", "")
    batches = store.tables.batches(city, "images", ["digest"])
    journal.images.note_known(digest for batch in batches for digest in batch["digest"].to_pylist())


def _tables_now(store: Store, city: str) -> str:
    return ", ".join(f"{name} {store.tables.version(city, name)}" for name in ("posts", "images", "drops"))


def _state_elsewhere(row: Mapping[str, object]) -> State:
    if row["source"] == LIVE:  # of a journal that was lost
        return "gone" if row["state"] == "deleted" else "kept"
    return KNOWN if row["image_digests"] else BARE


def rematch(store: Store, city: str, poi_of_location: Mapping[str, str]) -> dict[str, str]:
    """Carry a changed matching to the live posts: those of another POI get it.

    The keys of those of none any more come back with their reason; the caller takes them out of `posts`.
    """
    is_live = pc.field("source") == LIVE
    pairs = {
        (row["location_id"], row["poi_id"])
        for batch in store.tables.batches(city, "posts", ["location_id", "poi_id"], where=is_live)
        for row in batch.to_pylist()
    }
    moved = {location for location, poi_id in pairs if poi_of_location.get(location) != poi_id}
    if not moved:
        return {}
    here = is_live & pc.field("location_id").isin(sorted(moved))
    rows = [row for batch in store.tables.batches(city, "posts", where=here) for row in batch.to_pylist()]
    kept = [
        {**row, "poi_id": poi_of_location[row["location_id"]]} for row in rows if row["location_id"] in poi_of_location
    ]
    store.tables.merge(city, "posts", kept)
    return {row["post_key"]: "unmatched_place" for row in rows if row["location_id"] not in poi_of_location}

"""The tables of the stage posts: an archive's rows beside the live ones, and what the stage reports.

Law: the rows of an archive are put in place of the archive's rows before, and leave the live ones alone.
"""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import pyarrow.compute as pc

from pipeline.collect.archive.fields import latest_utc
from pipeline.collect.archive.folder import NOT_READABLE
from pipeline.collect.archive.posts import PICTURE_NOT_READABLE, ArchivePosts
from pipeline.collect.instagram.crawl import CrawlReport
from pipeline.collect.instagram.flush import dropped_row, waiting_row
from pipeline.collect.instagram.journal import Journal
from pipeline.collect.post_rules import OK
from pipeline.collect.waiting import Waiting
from pipeline.ledger import by_reason, counted, deferred_row, ledger_row, write_ledger
from pipeline.privacy.named_pictures import released_posts, values
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.stage import INCOMPLETE, Outcome, StageReport
from pipeline.store import Store
from pipeline.store.tables import DamagedTableError

STAGE = "posts"

OF_ARCHIVE = "source <> 'live'"

HOLD_POSTS = ("posts", "curated_posts")
"""Tables that hold words of a post until they are built anew."""

PASSING = (NOT_READABLE, PICTURE_NOT_READABLE)
"""What a post of an archive waits for beside its pictures."""

AHEAD = "times_ahead_utc"
"""Where a record keeps the first time of a post that lay ahead of the clock."""
LAST = "times_until_utc"
"""Where it keeps the last time of a post of the archive that was taken."""

CLOCK = (
    "posts are dated later than this machine's clock, the first of them {}: if the clock is wrong, set it and rerun"
)
LOOKS = "a visitor sees the first posts of a place only"
SIGN_IN = "with the cookies of an account (MRLF_INSTAGRAM_COOKIES) all are collected"
WHAT_TO_DO = {
    "unmatched_place": "widen the matching of stage places, add lines to its overrule file, or take the places of the "
    "archive as POIs (`pois: {from_archive: {min_posts: 10}}`)",
    "no_place": "only posts that carry a location can be used",
    "video": "only photos can be used",
}


@dataclass(frozen=True, kw_only=True)
class ArchiveCounts:
    """What an archive came to, in numbers: its entries, and those dropped and deferred by reason.

    ahead_utc: as of `ArchivePosts`, in ISO form; "" where no time lay ahead of the clock. last_utc: the last time of a
    post that was taken.
    """

    num_entries: int
    drops: Counter[str]
    deferred: Counter[str]
    ahead_utc: str = ""
    last_utc: str = ""

    def to_json(self) -> str:
        """As the journal notes it."""
        return json.dumps([self.num_entries, self.drops, self.deferred, self.ahead_utc, self.last_utc])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the journal's note."""
        num_entries, drops, deferred, *times = json.loads(text)
        ahead_utc, last_utc = [*times, "", ""][:2]  # earlier versions noted one or none
        return cls(
            num_entries=num_entries,
            drops=Counter(drops),
            deferred=Counter(deferred),
            ahead_utc=ahead_utc,
            last_utc=last_utc,
        )


def counts_of(found: ArchivePosts) -> ArchiveCounts:
    """The numbers of an archive."""
    return ArchiveCounts(
        num_entries=found.num_entries,
        drops=Counter(found.drops.values()),
        deferred=Counter(found.deferred.values()),
        ahead_utc=found.ahead_utc.isoformat() if found.ahead_utc else "",
        last_utc=max((post["taken_utc"].isoformat() for post in found.posts), default=""),
    )


def put_archive(store: Store, city: str, found: ArchivePosts, *, beside: Journal | None = None) -> None:
    """Write what an archive came to; `beside` a journal only what is not the journal's."""
    held = set(released_posts(store, city))
    for name in HOLD_POSTS:
        with suppress(DamagedTableError):  # it is made again of what is found now
            held |= values(store, city, name, "post_key")
    with PrivateIds.open(store, city) as ids:
        ids.replace(found.media_ids, "archive", found.authors, held=held)
    if beside is None:
        store.tables.replace(city, "images", list(found.images.values()))
        store.tables.replace(city, "posts", found.posts)
        write_ledger(store, city, STAGE, found.drops, found.deferred)
        return
    if not found.num_entries and not _has_archive_rows(store, city):
        return  # the journal has carried its own rows over already
    given = beside.posts.give_up([*found.drops, *(post["post_key"] for post in found.posts)])
    store.tables.remove(city, "posts", "post_key", set(given))
    store.tables.merge(city, "images", list(found.images.values()))
    store.tables.replace(city, "posts", found.posts, where=OF_ARCHIVE)
    ours = f"stage = '{STAGE}'"
    drops = [ledger_row(STAGE, key, reason) for key, reason in found.drops.items()]
    drops += [dropped_row(post) for post in beside.posts.outcomes("dropped")]
    waiting = [deferred_row(STAGE, key, reason) for key, reason in found.deferred.items()]
    waiting += [waiting_row(post) for post in beside.posts.outcomes("deferred")]
    store.tables.replace(city, "drops", drops, where=ours)
    store.tables.replace(city, "deferred", waiting, where=ours)


def _has_archive_rows(store: Store, city: str) -> bool:
    of_archive = pc.field("source") != "live"
    return any(batch.num_rows for batch in store.tables.batches(city, "posts", ["source"], where=of_archive))


def posts_outcome(store: Store, city: str, found: ArchiveCounts, live: Mapping[str, int]) -> Outcome:
    """What the stage reports of both sources together; `live` are the journal's posts by state and reason."""
    drops, deferred = found.drops.copy(), found.deferred.copy()
    for outcome, count in live.items():
        state, _, reason = outcome.partition("/")
        drops.update({reason: count} if state == "dropped" else {})
        deferred.update({reason: count} if state == "deferred" else {})
    num_posts, num_deleted, num_users = _count_posts(store, city)
    num_kept = num_posts - num_deleted - deferred.total() + deferred[NOT_READABLE]  # which is no post yet
    num_seen = found.num_entries + sum(count for outcome, count in live.items() if outcome not in ("known", "bare"))
    assert num_seen == num_kept + num_deleted + drops.total() + deferred.total(), "a post was lost or counted twice"
    counts = {
        "seen": num_seen,
        "posts": num_posts,
        "kept": num_kept,
        "deleted": num_deleted,
        "deferred": deferred.total(),
        "dropped": drops.total(),
        "users": num_users,
        "images": _count_images(store, city),
        **by_reason("deferred", deferred),
        **by_reason("dropped", drops),
    }
    about = {name: time for name, time in ((AHEAD, found.ahead_utc), (LAST, found.last_utc)) if time}
    notes = [CLOCK.format(found.ahead_utc)] if found.ahead_utc else []
    notes += _notes(num_posts, drops, deferred, is_live=bool(live))
    return Outcome(counts=counts, notes=notes, about=about)


def is_passing_reading(store: Store, city: str, now: datetime) -> bool:
    """Whether an archive that did not change may read otherwise now: files could not be read, the clock was behind (a
    time that lay ahead has come since) or ahead (a post that was taken is of a time to come).
    """
    record = store.stage_record(city, STAGE)
    if record is None:
        return False
    ahead = record.about.get(AHEAD)
    last = record.about.get(LAST)
    has_come = ahead is not None and datetime.fromisoformat(ahead) <= latest_utc(now)
    is_to_come = last is not None and datetime.fromisoformat(last) > latest_utc(now)
    return has_come or is_to_come or any(f"deferred/{reason}" in record.counts for reason in PASSING)


def with_run(done: StageReport, report: CrawlReport | None, waiting: Waiting) -> StageReport:
    """The same with what this very run came to and what waits for another one, also where the tables are `reused`."""
    about = {**done.record.about, **_about(report, waiting)}
    return replace(
        done, record=replace(done.record, notes=[*done.record.notes, *_run_notes(report, waiting)], about=about)
    )


def _run_notes(report: CrawlReport | None, waiting: Waiting) -> list[str]:
    """What a person should know of a run: what it could not see, which host is ill, what waits and until when."""
    notes = []
    if report is not None and report.num_first_looks:
        notes.append(f"{LOOKS}, here of {report.num_first_looks} places: {SIGN_IN}")
    if report is not None and report.is_media_ill:
        failed = counted(report.pictures_failed) or "not asked for"
        notes.append(
            f"most pictures of this run could not be had ({failed}): the host of pictures is ill, out of reach or "
            "wants to be left alone, it is not the posts; they wait, and are asked for again"
        )
    if waiting.reasons:
        places = f"{report.num_done} of {report.num_places} places are done; " if report is not None else ""
        notes.append(f"{INCOMPLETE}{places}waiting: {'; '.join(waiting.reasons)}; {waiting.when}")
    return notes


def _about(report: CrawlReport | None, waiting: Waiting) -> dict[str, str]:
    go_on = f"{waiting.not_before:%Y-%m-%d %H:%M} UTC" if waiting.not_before else ""
    waits = {"waiting": "; ".join(waiting.reasons), "go_on": go_on}
    if report is None:
        return waits
    return {
        "places": f"{report.num_done} of {report.num_places}",
        "new_posts": str(report.num_new),
        "updated_posts": str(report.num_updated),
        "gone_posts": str(report.num_gone),
        "requests": str(report.num_requests),
        "pictures_fetched": str(report.num_pictures),
        "stopped": report.stopped,
        **waits,
    }


def _count_posts(store: Store, city: str) -> tuple[int, int, int]:
    """Rows, tombstones and users of `posts`."""
    num_posts, num_deleted, users = 0, 0, set[str]()
    for batch in store.tables.batches(city, "posts", ["user_key", "state"]):
        num_posts += batch.num_rows
        num_deleted += batch["state"].to_pylist().count("deleted")
        users.update(pc.unique(batch["user_key"]).to_pylist())
    return num_posts, num_deleted, len(users)


def _count_images(store: Store, city: str) -> int:
    batches = store.tables.batches(city, "images", ["outcome"], where=pc.field("outcome") == OK)
    return sum(batch.num_rows for batch in batches)


def _notes(num_posts: int, drops: Counter[str], deferred: Counter[str], *, is_live: bool) -> list[str]:
    if not num_posts and drops:
        most = drops.most_common(1)[0][0]
        return [f"no post is left, most were dropped as {most}: {WHAT_TO_DO.get(most, 'look at the files')}"]
    if num_posts and deferred.total() == num_posts and not is_live:
        return ["no post has its pictures: put them beside the metadata as <name>.jpg or <name>_<n>.jpg and rerun"]
    return []

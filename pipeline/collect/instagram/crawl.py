"""The crawl of one city: over the places whose turn it is, then over posts that may be gone, as far as a run may go.

Law: whatever ends a run (throttling, the budget, a person's Ctrl-C, a fault), the journal holds all that was answered,
what is left is named with its reason, and the next run begins with it. What was seen longest ago comes first.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.journal import Journal, Walk, is_due, is_said_again
from pipeline.collect.instagram.journal.records import DAY_S, FIRST_LOOK, FOR_PERSON, PLACE_GONE, PLACE_MISSING
from pipeline.collect.instagram.media.hosts import ILL, RESTS
from pipeline.collect.instagram.media.photos import Photos
from pipeline.collect.instagram.recheck import Recheck
from pipeline.collect.instagram.walk import NO_ENDPOINT, NOT_THERE, Walker
from pipeline.collect.web.clock import now_s
from pipeline.collect.web.errors import (
    BudgetSpentError,
    HumanError,
    MissingError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.errors import StageError

HOUR_S = 3600.0
LOG_EVERY_S = 30.0
GIVE_UP_AFTER = 3
"""So many places in a row that could not be reached end the run: the line is down, not the place."""

log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class CrawlReport:
    """What a run came to. stopped: why it ended early, "" if it did not; pictures_failed: pictures by reason.

    num_updated: posts whose row follows what the source shows now. num_first_looks: places of which a visitor sees the
    first posts only; they count as done. is_media_ill: most pictures of the run could not be had, or may not be asked
    for now.
    What waits for another run is not here, it stands in the journal: see `pipeline.collect.instagram.status`.
    """

    num_places: int
    num_done: int
    num_new: int
    num_updated: int
    num_gone: int
    num_first_looks: int
    num_requests: int
    num_pictures: int
    pictures_failed: Mapping[str, int]
    is_media_ill: bool
    stopped: str


@dataclass(kw_only=True)
class Crawl:
    """One run over a city. names: location_id -> how its place is called."""

    city: str
    journal: Journal
    walker: Walker
    photos: Photos
    recheck: Recheck
    names: Mapping[str, str]
    client: InstagramClient
    flush: Callable[[], object]
    num_done: int = 0
    num_first_looks: int = 0
    stopped: str = ""
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    title: str = ""
    logged_at: float = 0.0

    def run(self) -> CrawlReport:
        """Go as far as this run may.

        Raises:
            HumanError: only a person can go on.
            StageError: no place at all answered in a shape that is known.
        """
        walks = self.journal.walks.wanted()
        self.left = [walk.location_id for walk in walks]
        self.stopped = "interrupted"
        try:
            self._go(walks)
            self.stopped = ""
        except (WaitError, BudgetSpentError) as error:
            self.stopped = error.reason
        except HumanError as error:
            self.stopped = error.reason
            self.journal.set_note(FOR_PERSON, error.reason)
            raise
        else:
            self.journal.set_note(FOR_PERSON, "")
        finally:
            self.photos.close()
            self.journal.posts.defer_waiting("not_fetched_yet")
            self.journal.walks.note_left(self.left, self.stopped or NO_ENDPOINT, self._rest_of_media())
            self.flush()
        if self.changed and not self.num_done and len(self.changed) + len(self.left) == len(walks):
            raise StageError(_all_changed(self.city, self.changed, len(walks)))
        return self._report(len(walks))

    def _rest_of_media(self) -> float:
        """Until when nothing is to be walked because pictures could not be had; 0 where that is not the reason."""
        if self.stopped not in (RESTS, ILL):
            return 0.0
        return self.journal.posts.next_due(RESTS) or now_s(self.walker.clock) + HOUR_S

    def _go(self, walks: list[Walk]) -> None:
        self.client.check_rest()
        if (
            self.client.is_signed_in and self.client.max_requests is not None
        ):  # else walking could spend it all, ever again
            self.recheck.check_unseen(walks, most=self.client.max_requests // 2)
        num_unreachable = 0
        for number, walk in enumerate(walks, start=1):
            if is_due(walk.not_before, now_s(self.walker.clock)):
                reason = self._walk(walk, f"{self.city}: place {number} of {len(walks)}")
                num_unreachable = num_unreachable + 1 if reason.startswith("unreachable") else 0
                if reason == NO_ENDPOINT:
                    continue
            self.left.remove(walk.location_id)
            if num_unreachable >= GIVE_UP_AFTER:
                raise BudgetSpentError("unreachable")
        if self.client.is_signed_in:
            self.recheck.check_unseen(walks)
        self.photos.fetch_waiting(is_all=True)
        self.photos.fetch_rested()

    def _walk(self, walk: Walk, title: str) -> str:
        """Walk over one place and log what came of it; the reason why it waits, "" where it is done."""
        num_before = self.walker.num_new
        self.title, self.logged_at = (
            f"{title}, {self.names.get(walk.location_id, walk.location_id)}",
            self.walker.clock.monotonic(),
        )
        log.info("%s, %s: begins", title, self.names.get(walk.location_id, walk.location_id))
        try:
            reason = self.walker.walk(walk)
        except MissingError as error:
            reason = self._hear_missing(walk, error)
        except SourceChangedError as error:
            reason = self._has_changed(walk.location_id, error.reason) if error.reason != NO_ENDPOINT else NO_ENDPOINT
        except RetryError as error:
            reason = f"unreachable/{error.reason}"
            self.journal.walks.defer(walk.location_id, reason, 0)
        except HumanError as error:
            self.journal.walks.defer(walk.location_id, error.reason, 0)  # another place comes first next time
            raise
        except (WaitError, BudgetSpentError) as error:
            log.info("%s: stops here (%s), %d new posts so far", title, error.reason, self.walker.num_new - num_before)
            raise
        is_first_look = reason == FIRST_LOOK and not self.client.is_signed_in
        self.num_first_looks += is_first_look  # all that a visitor can see
        self.num_done += not reason or is_first_look
        waits = f", the rest waits ({reason})" if reason else ""
        log.info("%s: %d new posts%s", title, self.walker.num_new - num_before, waits)
        return reason

    def _has_changed(self, location_id: str, why: str) -> str:
        reason = f"source_changed/{why}"
        self.changed.append(why)
        self.journal.walks.defer(location_id, reason, now_s(self.walker.clock) + HOUR_S)
        return reason

    def _hear_missing(self, walk: Walk, error: MissingError) -> str:
        """Instagram knows no such place: it is gone when that is said twice, a day apart; "" where it is.

        Where no place at all is found, and there are several, and it is said in one way only, it is not the places
        that are missing: then the last word waits.
        """
        now, location_id = now_s(self.walker.clock), walk.location_id
        self.missing.append(location_id)
        was_gone = walk.reason == PLACE_GONE
        is_doubtful = len(self.missing) >= GIVE_UP_AFTER and not self.walker.has_answered
        if is_doubtful and not error.is_sure and not was_gone:
            return self._has_changed(location_id, NOT_THERE[0])
        if was_gone or is_said_again(walk.said_at, now):
            kind = self.journal.walks.get(location_id).kind
            has_all = kind != "refresh" or not was_gone  # then each of its posts is asked for
            self.journal.walks.end(location_id, PLACE_GONE, now, has_all=has_all)
            log.info("%s: a place is gone: its posts are asked for one by one", self.city)
            return ""
        said_at = walk.said_at if 0 < walk.said_at <= now else now
        self.journal.walks.defer(location_id, PLACE_MISSING, said_at + DAY_S, said_at=said_at)
        return error.reason

    def log_page(self) -> None:
        """A line now and then while a place takes long."""
        now = self.walker.clock.monotonic()
        if now - self.logged_at >= LOG_EVERY_S:
            self.logged_at = now
            numbers = (self.title, self.walker.num_pages, self.walker.num_new, self.client.num_requests)
            log.info("%s goes on: %d pages, %d new posts and %d requests in this run", *numbers)

    def _report(self, num_places: int) -> CrawlReport:
        return CrawlReport(
            num_places=num_places,
            num_done=self.num_done,
            num_new=self.walker.num_new,
            num_updated=self.walker.num_updated + self.recheck.num_updated,
            num_gone=self.recheck.num_gone,
            num_first_looks=self.num_first_looks,
            num_requests=self.client.num_requests,
            num_pictures=self.photos.num_fetched,
            pictures_failed=self.photos.failed,
            is_media_ill=self.photos.are_mostly_failing or self.stopped in (RESTS, ILL),
            stopped=self.stopped,
        )


def _all_changed(city: str, reasons: list[str], num_places: int) -> str:
    counts = ", ".join(f"{reason} {count}" for reason, count in Counter(reasons).most_common())
    return (
        f"Instagram answered in an unknown shape for all {num_places} places of {city} ({counts}): it has changed, or "
        "the session is no good. Nothing was lost. See which endpoint answers with `mrlf doctor --try LOCATION_ID`; "
        "posts you have as Instaloader files can be used as `posts: {archive: ...}` whatever Instagram does"
    )

"""The crawl of one city: over the places whose turn it is, then over posts that may be gone, as far as a run may go.

Law: whatever ends a run (throttling, the budget, a person's Ctrl-C, a fault), the journal holds all that was answered,
what is left is named with its reason, and the next run begins with it. What was seen longest ago comes first.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.collect.api_media import api_post
from pipeline.collect.fields import PostFields
from pipeline.collect.instagram.door import InstagramDoor
from pipeline.collect.instagram.journal import Journal, Walk, is_due
from pipeline.collect.instagram.photos import Photos
from pipeline.collect.instagram.verdicts import MEDIA_PATH
from pipeline.collect.instagram.walk import FIRST_LOOK, Walker
from pipeline.collect.json_files import UnreadableFile
from pipeline.collect.web.errors import (
    BudgetSpentError,
    FinalError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.stage import StageError

HOUR_S = 3600.0
TELL_EVERY_S = 30.0
GIVE_UP_AFTER = 3
"""So many places in a row that could not be reached end the run: the line is down, not the place."""

log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class CrawlReport:
    """How far a run came. deferred: places by the reason why they wait. stopped: why the run ended early, "" if not.

    num_first_looks: places of which a visitor sees the first posts only; they count as done.
    not_before: when it may go on (UTC), None for at once.
    """

    num_places: int
    num_done: int
    num_new: int
    num_gone: int
    num_first_looks: int
    num_requests: int
    num_pictures: int
    deferred: Mapping[str, int]
    stopped: str
    not_before: datetime | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits for another run."""
        return not self.stopped and not self.deferred


@dataclass(kw_only=True)
class Crawl:
    """One run over a city. names: location_id -> how its place is called."""

    city: str
    journal: Journal
    walker: Walker
    photos: Photos
    names: Mapping[str, str]
    door: InstagramDoor
    empty: Callable[[], object]
    num_done: int = 0
    num_gone: int = 0
    num_first_looks: int = 0
    stopped: str = ""
    deferred: Counter[str] = field(default_factory=Counter)
    changed: list[str] = field(default_factory=list)
    title: str = ""
    told_at: float = 0.0

    def run(self) -> CrawlReport:
        """Go as far as this run may.

        Raises:
            HumanError: only a person can go on.
            StageError: no place at all answered in a shape that is known.
        """
        walks = self.journal.walks()
        try:
            self._go(walks)
        except (WaitError, BudgetSpentError) as error:
            self.stopped = error.reason
        finally:
            self.photos.close()
            self.journal.defer_waiting("not_fetched_yet")
            self.empty()
        if walks and not self.num_done and len(self.changed) == len(walks):
            raise StageError(_all_changed(self.city, self.changed))
        return self._report(len(walks))

    def fresh_addresses(self, post_key: str) -> tuple[str, ...]:
        """The addresses of a post's pictures, asked for anew; none where they cannot be had now.

        Raises:
            FinalError: the post is gone or private.
        """
        try:
            told = self._ask_post(post_key)
        except (RetryError, SourceChangedError):
            return ()
        return told[1] if told else ()

    def _go(self, walks: list[Walk]) -> None:
        self.door.check_rest()
        self.photos.fetch_waiting()
        num_unreachable = 0
        for number, walk in enumerate(walks, start=1):
            if not is_due(walk.not_before, self._now()):
                self.deferred[walk.reason] += 1
                continue
            reason = self._walk(walk, f"{self.city}: place {number} of {len(walks)}")
            num_unreachable = num_unreachable + 1 if reason.startswith("unreachable") else 0
            if num_unreachable >= GIVE_UP_AFTER:
                raise BudgetSpentError("unreachable")
        if self.door.is_signed_in:
            self._check_unseen(walks)

    def _walk(self, walk: Walk, title: str) -> str:
        """Walk over one place and tell what came of it; the reason why it waits, "" where it is done."""
        num_before = self.walker.num_new
        self.title, self.told_at = (
            f"{title}, {self.names.get(walk.location_id, walk.location_id)}",
            self.walker.clock.monotonic(),
        )
        log.info("%s, %s: begins", title, self.names.get(walk.location_id, walk.location_id))
        try:
            reason = self.walker.walk(walk)
        except SourceChangedError as error:
            reason = f"source_changed/{error.reason}"
            self.changed.append(error.reason)
            self.journal.defer_walk(walk.location_id, reason, self._now() + HOUR_S)
        except RetryError as error:
            reason = f"unreachable/{error.reason}"
            self.journal.defer_walk(walk.location_id, reason, 0)
        except (WaitError, BudgetSpentError) as error:
            log.info("%s: stops here (%s), %d new posts so far", title, error.reason, self.walker.num_new - num_before)
            raise
        if reason == FIRST_LOOK and not self.door.is_signed_in:
            self.num_first_looks += 1  # all that a visitor can see
        elif reason:
            self.deferred[reason] += 1
        waits = f", the rest waits ({reason})" if reason else ""
        self.num_done += not reason or (reason == FIRST_LOOK and not self.door.is_signed_in)
        log.info("%s: %d new posts%s", title, self.walker.num_new - num_before, waits)
        return reason

    def tell_page(self) -> None:
        """A line now and then while a place takes long."""
        now = self.walker.clock.monotonic()
        if now - self.told_at >= TELL_EVERY_S:
            self.told_at = now
            told = (self.title, self.walker.num_pages, self.walker.num_new, self.door.num_requests)
            log.info("%s goes on: %d pages, %d new posts and %d requests in this run", *told)

    def _check_unseen(self, walks: list[Walk]) -> None:
        """Ask for each post that a whole walk did not meet again."""
        numbers = {walk.location_id: self.journal.walk(walk.location_id).number_all for walk in walks}
        unseen = [key for location_id, number in numbers.items() for key in self.journal.unseen(location_id, number)]
        for num_asked, post_key in enumerate(unseen):
            try:
                self._check(post_key)
            except (WaitError, BudgetSpentError) as error:
                self.deferred[f"recheck/{error.reason}"] += len(unseen) - num_asked
                raise

    def _check(self, post_key: str) -> None:
        try:
            told = self._ask_post(post_key)
        except FinalError as error:
            self.num_gone += 1
            with self.journal.transaction():
                self.journal.settle(post_key, "gone", error.reason)
            return
        except (RetryError, SourceChangedError) as error:
            self.deferred[f"recheck/{error.reason}"] += 1
            return
        if told:
            self.journal.see(post_key)

    def _ask_post(self, post_key: str) -> tuple[PostFields, tuple[str, ...]] | None:
        """A post asked for by its id; None where that cannot be asked: no login, or no id."""
        media_id = self.walker.ids.media_id(post_key)
        if media_id is None or not self.door.is_signed_in:
            return None
        answer = self.door.get_json(f"{MEDIA_PATH}{media_id}/info/")
        items = answer.get("items")
        if not isinstance(items, list) or not items:
            raise SourceChangedError("no_items")
        try:
            post = api_post(items[0], datetime.fromtimestamp(self._now(), UTC))
        except UnreadableFile as error:
            raise SourceChangedError(error.reason) from None
        if post.is_private:
            raise FinalError("private")
        return post.fields, post.pictures

    def _report(self, num_places: int) -> CrawlReport:
        left = self.door.pace.rest_left_s()
        if self.stopped:
            of_places = sum(count for reason, count in self.deferred.items() if not reason.startswith("recheck/"))
            self.deferred[self.stopped] += num_places - self.num_done - of_places
        waiting = [walk.not_before for walk in self.journal.walks() if not is_due(walk.not_before, self._now())]
        moments = [self._now() + left] if left else waiting
        return CrawlReport(
            num_places=num_places, num_done=self.num_done, num_new=self.walker.num_new, num_gone=self.num_gone,
            num_first_looks=self.num_first_looks,
            num_requests=self.door.num_requests, num_pictures=self.photos.num_fetched,
            deferred=+self.deferred, stopped=self.stopped,
            not_before=datetime.fromtimestamp(min(moments), UTC) if moments else None,
        )  # fmt: skip

    def _now(self) -> float:
        return self.walker.clock.now().timestamp()


def _all_changed(city: str, reasons: list[str]) -> str:
    told = ", ".join(f"{reason} {count}" for reason, count in Counter(reasons).most_common())
    return (
        f"Instagram answered in an unknown shape for all {len(reasons)} places of {city} ({told}): it has changed, or "
        "the session is no good. Nothing was lost. See which road answers with `mrlf doctor --try LOCATION_ID`; posts "
        "you have as Instaloader files can be used as `posts: {archive: ...}` whatever Instagram does"
    )

"""Asking for single posts: for those that a walk over all posts did not meet, and for addresses that have lapsed.

Law: a post of the tables is gone when Instagram says so twice, at least a day apart; one that its account has made
private is gone at once. A row follows what is told of its post now.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.collect.api_media import api_post
from pipeline.collect.instagram.door import InstagramDoor
from pipeline.collect.instagram.journal import Journal, Unseen, Walk, is_due, is_said_again
from pipeline.collect.instagram.picture_verdicts import PRIVATE
from pipeline.collect.instagram.verdicts import MEDIA_PATH
from pipeline.collect.instagram.walk import Walker
from pipeline.collect.json_files import UnreadableFile
from pipeline.collect.web.errors import FinalError, RetryError, SourceChangedError

log = logging.getLogger("mrlf")


@dataclass(kw_only=True)
class Recheck:
    """Asks for posts one by one. num_gone: tombstones that it made; num_updated: posts that have changed."""

    journal: Journal
    door: InstagramDoor
    walker: Walker
    num_gone: int = 0
    num_updated: int = 0

    def check_unseen(self, walks: Iterable[Walk]) -> None:
        """Ask for each post that the last walk over all posts of its place did not meet, and whose time has come.

        Raises:
            HumanError, WaitError, BudgetSpentError: the others wait for the next run.
        """
        num_unknown = 0
        for walk in walks:
            number = self.journal.walk(walk.location_id).number_all
            for post in self.journal.unseen(walk.location_id, number):
                if not is_due(post.not_before, self._now()):
                    continue
                media_id = self.walker.ids.media_id(post.post_key)
                if media_id is None:
                    num_unknown += 1
                    self.journal.see(post.post_key)
                else:
                    self._check(post, media_id, walk.location_id)
        if num_unknown:
            log.warning("%d posts cannot be asked for: their ids are not in the private map any more", num_unknown)

    def fresh_addresses(self, post_key: str) -> tuple[str, ...]:
        """The addresses of a post's pictures, asked for anew; none where they cannot be had now.

        Raises:
            FinalError: `gone` or `private`.
        """
        media_id = self.walker.ids.media_id(post_key)
        if media_id is None or not self.door.is_signed_in:
            return ()
        try:
            post = api_post(self._ask(media_id), datetime.fromtimestamp(self._now(), UTC))
        except (RetryError, SourceChangedError, UnreadableFile):
            return ()
        if post.is_private:
            raise FinalError(PRIVATE)
        return post.pictures

    def _check(self, post: Unseen, media_id: str, location_id: str) -> None:
        try:
            media = self._ask(media_id)
        except FinalError as error:
            self._hear_gone(post, error.reason)
            return
        except (RetryError, SourceChangedError) as error:
            log.info("a post was asked for in vain (%s): it is asked for again in the next run", error.reason)
            return
        new = self.walker.judged(media, location_id)
        with self.journal.transaction():
            if new.post_key != post.post_key:  # what came cannot be read as this post
                self.journal.see(post.post_key)
                return
            number = self.journal.walk(location_id).number_all
            met = self.journal.meet(
                new, location_id, number=number, is_whole_walk=True, cause_of=self.walker.cause_of
            )  # fmt: skip
            self.num_updated += met in ("changed", "gone", "moved_away")

    def _hear_gone(self, post: Unseen, reason: str) -> None:
        """The source says that a post is gone: the second time, a day after the first, it is."""
        with self.journal.transaction():
            if is_said_again(post.said_at, self._now()):
                self.num_gone += 1
                self.journal.settle(post.post_key, "gone", reason)
            elif not 0 < post.said_at <= self._now():
                self.journal.note_said(post.post_key, self._now())

    def _ask(self, media_id: str) -> dict[str, Any]:
        """A post as it is told by its id."""
        items = self.door.get_json(f"{MEDIA_PATH}{media_id}/info/").get("items")
        if not isinstance(items, list) or not items or not isinstance(items[0], dict):
            raise SourceChangedError("no_items")
        return items[0]

    def _now(self) -> float:
        return self.walker.clock.now().timestamp()

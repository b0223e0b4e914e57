"""Asking for single posts: for those that a walk over all posts did not meet, and for addresses that have lapsed.

Law: a post of the tables is gone when Instagram says so twice, at least a day apart; one that its account has made
private is gone at once. A row follows what its post shows now. Where Instagram says so of post after post and
gives no good answer in the whole run, it is not believed.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.collect.archive.api_media import api_post
from pipeline.collect.archive.json_files import UnreadableFile
from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.journal import Journal, NewPost, Unseen, Walk, is_due, is_said_again
from pipeline.collect.instagram.journal.records import GONE_POST
from pipeline.collect.instagram.media.verdicts import PRIVATE
from pipeline.collect.instagram.verdicts import MEDIA_PATH
from pipeline.collect.instagram.walk import Walker
from pipeline.collect.web.clock import now_s
from pipeline.collect.web.errors import BudgetSpentError, FinalError, RetryError, SourceChangedError, WaitError

AGAIN_S = 3_600.0
MOST_DOUBTED = 10
"""So many posts that are said to be gone while nothing else answers end the questions of a run."""

log = logging.getLogger("mrlf")


@dataclass(kw_only=True)
class Recheck:
    """Asks for posts one by one. num_gone: tombstones that it made; num_updated: posts that have changed."""

    journal: Journal
    client: InstagramClient
    walker: Walker
    num_gone: int = 0
    num_updated: int = 0
    has_answered: bool = False
    doubted: list[tuple[Unseen, str]] = field(default_factory=list)

    def check_unseen(self, walks: Iterable[Walk], most: int | None = None) -> None:
        """Ask for each post that the last walk over all posts of its place did not meet, and whose time has come.

        most: so many at most, None for all.

        Raises:
            HumanError, WaitError, BudgetSpentError: the others wait for the next run.
        """
        num_asked = 0
        for walk in walks:
            number = self.journal.walks.get(walk.location_id).number_all
            for post in self.journal.posts.unseen(walk.location_id, number):
                if most is not None and num_asked >= most:
                    return
                if is_due(post.not_before, now_s(self.walker.clock)):
                    num_asked += 1
                    self._check(post, walk.location_id)
                if len(self.doubted) >= MOST_DOUBTED:
                    log.warning("Instagram says of every post that it is gone, and answers nothing else: not believed")
                    return
        if len(self.doubted) < MOST_DOUBTED:
            self._believe()

    def fresh_addresses(self, post_key: str) -> tuple[str, ...]:
        """The addresses of a post's pictures, asked for anew; none where they cannot be had now.

        Raises:
            FinalError: `gone` or `private`.
        """
        media_id = self.walker.ids.media_id(post_key)
        if media_id is None or not self.client.is_signed_in:
            return ()
        try:
            post = api_post(self._ask(media_id), datetime.fromtimestamp(now_s(self.walker.clock), UTC))
        except (RetryError, SourceChangedError, UnreadableFile):
            return ()
        if post.is_private:
            raise FinalError(PRIVATE)
        return post.pictures

    def _check(self, post: Unseen, location_id: str) -> None:
        media_id = self.walker.ids.media_id(post.post_key)
        if media_id is None:
            log.warning("a post cannot be asked for: its id is not in the private map any more")
            self.journal.posts.mark_seen(post.post_key)
            return
        self.journal.posts.note_asked(post.post_key, now_s(self.walker.clock) + AGAIN_S)
        try:
            media = self._ask(media_id)
        except (WaitError, BudgetSpentError):  # it was not asked
            self.journal.posts.note_asked(post.post_key, post.not_before)
            raise
        except FinalError as error:
            self.doubted.append((post, error.reason))
        except (RetryError, SourceChangedError) as error:
            log.info("a post was asked for in vain (%s): it is asked for again in the next run", error.reason)
            return
        else:
            self.has_answered = True
            self._follow(post, self.walker.judged(media, location_id), location_id)
        if self.has_answered or self.walker.has_answered:
            self._believe()

    def _follow(self, post: Unseen, new: NewPost, location_id: str) -> None:
        """Let a row follow what its post shows now."""
        with self.journal.transaction():
            if new.post_key != post.post_key:  # what came cannot be read as this post
                self.journal.posts.mark_seen(post.post_key)
                return
            number = self.journal.walks.get(location_id).number_all
            met = self.journal.posts.meet(
                new, location_id, number=number, is_whole_walk=True, has_gone=self.walker.has_gone
            )
            self.num_updated += met in ("changed", "gone", "moved_away")

    def _believe(self) -> None:
        """The posts that are said to be gone: the second time, a day after the first, they are."""
        with self.journal.transaction():
            for post, reason in self.doubted:
                if post.said == GONE_POST and is_said_again(post.said_at, now_s(self.walker.clock)):
                    self.num_gone += 1
                    self.journal.posts.settle(post.post_key, "gone", reason)
                elif post.said != GONE_POST or not 0 < post.said_at <= now_s(self.walker.clock):
                    self.journal.posts.note_said_gone(post.post_key, now_s(self.walker.clock))
        self.doubted.clear()

    def _ask(self, media_id: str) -> dict[str, Any]:
        """A post, asked for by its id."""
        items = self.client.get_json(f"{MEDIA_PATH}{media_id}/info/").get("items")
        if not isinstance(items, list) or not items or not isinstance(items[0], dict):
            raise SourceChangedError("no_items")
        return items[0]

"""Fetching the photos of posts that wait for them, and what each post comes to.

Reads  the addresses in the journal
Writes blobs/original; the outcome of each post and picture into the journal, a group in one transaction
Law: a post whose pictures all have an answer is kept or dropped; while one of them may still come it is deferred. An
address that has lapsed is asked for once.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline.collect.instagram.journal import Journal, StoredPost
from pipeline.collect.instagram.media import MediaFetcher
from pipeline.collect.pictures import OK, CheckedPicture, PictureLimits
from pipeline.collect.taking import image_row
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import (
    BadResponseError,
    ExpiredError,
    FinalError,
    RefusedError,
    RetryError,
    WaitError,
)
from pipeline.store.blobs import Blobs

NUM_THREADS = 4
GROUP = 48
LATER_S = {"media_expired": 86_400.0, "media_unreachable": 3_600.0}
"""When a deferred picture is asked for again."""

Picture: TypeAlias = CheckedPicture | str
"""A picture that came, or the reason why it did not."""

log = logging.getLogger("mrlf")


@dataclass(kw_only=True)
class Photos:
    """Fetches pictures with a few connections side by side: the hosts of media are made for that.

    addresses_anew: asks Instagram once for the addresses of a post whose old ones have lapsed.
    has_opted_out: whether a post may not be fetched any more, though it was told before its account left.
    """

    journal: Journal
    fetcher: MediaFetcher
    limits: PictureLimits
    blobs: Blobs
    clock: Clock
    addresses_anew: Callable[[str], tuple[str, ...]]
    has_opted_out: Callable[[StoredPost], bool]
    num_fetched: int = 0
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(NUM_THREADS))

    def close(self) -> None:
        """Let the connections go."""
        self._pool.shutdown()

    def fetch_waiting(self) -> None:
        """Fetch for every post that waits, and for deferred ones whose time has come."""
        while posts := self.journal.waiting(self.clock.now().timestamp(), GROUP):
            pictures = list(self._pool.map(self._all_of, posts))
            found = [self._again(post, got) for post, got in zip(posts, pictures, strict=True)]
            with self.journal.transaction():
                for post, got in zip(posts, found, strict=True):
                    self._settle(post, got)

    def _all_of(self, post: StoredPost) -> list[Picture]:
        if self.has_opted_out(post):
            return ["opted_out"]
        return [self._one(address) for address in post.pictures]

    def _one(self, address: str) -> Picture:
        self.num_fetched += 1
        try:
            picture = self.fetcher.fetch_picture(address, self.limits)
        except ExpiredError:
            return "media_expired"
        except (RetryError, WaitError):
            return "media_unreachable"
        except (FinalError, RefusedError, BadResponseError) as error:
            return error.reason
        if picture.data is not None:
            self.blobs.put("original", picture.data)
        return picture

    def _again(self, post: StoredPost, got: list[Picture]) -> list[Picture]:
        """The same with addresses that are asked for anew, where one has lapsed."""
        if "media_expired" not in got:
            return got
        try:
            addresses = self.addresses_anew(post.post_key)
        except FinalError:
            return ["media_gone"]
        return [self._one(address) for address in addresses] if addresses else got

    def _settle(self, post: StoredPost, got: Sequence[Picture]) -> None:
        later = [one for one in got if isinstance(one, str) and one in LATER_S]
        checked = [one for one in got if isinstance(one, CheckedPicture)]
        for picture in checked:
            self.journal.note_image(image_row(picture))
        if later:
            not_before = self.clock.now().timestamp() + LATER_S[later[0]]
            self.journal.settle(post.post_key, "deferred", later[0], pictures=post.pictures, not_before=not_before)
        elif any(picture.outcome == OK for picture in checked):
            self.journal.settle(post.post_key, "kept", row=_with(post, checked))
        elif "media_gone" in got:
            self.journal.settle(post.post_key, "gone", "media_gone")
        else:
            first = got[0] if got else "image_missing"
            self.journal.settle(post.post_key, "dropped", first if isinstance(first, str) else first.outcome)


def _with(post: StoredPost, checked: Sequence[CheckedPicture]) -> dict[str, Any]:
    assert post.row is not None, "a post waits with its row"
    return {**post.row, "image_digests": [picture.digest for picture in checked]}

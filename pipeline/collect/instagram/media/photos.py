"""Fetching the photos of posts that wait for them.

Reads  the addresses in the journal
Writes blobs/original; the outcome of each post and picture into the journal, a group in one transaction
Law: what a post comes to stands in `picture_verdicts`. An address that has lapsed or leads nowhere is asked for anew,
once in a run and only while its host is well. A run in which most pictures fail ends early: the host is ill, not the
posts.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from pipeline.collect.instagram.journal import Journal, StoredPost
from pipeline.collect.instagram.journal.records import GONE_POST
from pipeline.collect.instagram.journal.revising import OPTED_OUT
from pipeline.collect.instagram.media.downloads import MediaFetcher
from pipeline.collect.instagram.media.hosts import ENOUGH, ILL, MOST_OF, RESTS, MediaHosts
from pipeline.collect.instagram.media.verdicts import (
    EXPIRED,
    GONE,
    MISSING,
    NOT_FOUND,
    PLACEHOLDER,
    TWICE,
    UNREACHABLE,
    Picture,
    Settlement,
    is_failure,
    is_passing,
    settlement,
)
from pipeline.collect.post_rules import OK, CheckedPicture, PictureLimits, image_row
from pipeline.collect.web.clock import Clock, now_s
from pipeline.collect.web.errors import (
    ExpiredError,
    FinalError,
    RefusedError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.store.blobs import Blobs

GROUP = 48
LEAST_REST_S, SHORT_REST_S = 1.0, 300.0
MAX_SHORT_RESTS = 3
TINY_PX = 32
"""No picture of Instagram's has a shorter side."""

MANY_POSTS = 3
"""The same bytes for so many posts, none of them taken, are no picture of any; and so many posts of a group that are
said to be gone at once are doubted.
"""

ASKED_ANEW = {EXPIRED, NOT_FOUND, MISSING}
NOT_ASKED = ("not_fetched_yet", RESTS)
"""Reasons of posts that wait without having been asked for in vain."""

log = logging.getLogger("mrlf")


@dataclass(kw_only=True)
class Photos:
    """Fetches pictures with a few connections side by side.

    addresses_anew: asks Instagram once for the addresses of a post whose old ones have lapsed.
    has_opted_out: whether a post may not be fetched any more, though it was met before its account opted out.
    failed: pictures that could not be had in this run, by reason.
    """

    journal: Journal
    fetcher: MediaFetcher
    hosts: MediaHosts
    limits: PictureLimits
    blobs: Blobs
    clock: Clock
    num_connections: int
    addresses_anew: Callable[[str], tuple[str, ...]]
    has_opted_out: Callable[[StoredPost], bool]
    num_fetched: int = 0
    num_settled: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    _posts_of: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _new: dict[str, str] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.num_connections)

    def close(self) -> None:
        """Let the connections go."""
        self._pool.shutdown()

    @property
    def are_mostly_failing(self) -> bool:
        """Whether more than half of the pictures of this run could not be had."""
        return 2 * self.failed.total() > max(self.num_settled, ENOUGH // 2)

    def fetch_waiting(self, *, is_all: bool = False) -> None:
        """Fetch for every post that waits; `is_all` also for those that were asked for in vain and whose time has
        come, which may take requests to Instagram.

        Raises:
            WaitError: `media_host_ill`: most of the last new posts did not get their pictures; or `media_host_rests`:
                their hosts want to be left alone for longer than a run would wait.
        """
        while posts := self.journal.posts.waiting(now_s(self.clock), GROUP, None if is_all else NOT_ASKED):
            found = list(zip(posts, self._pool.map(self._all_of, posts), strict=True))
            for post, got in found:
                self._note_refused(post, got)
            found = [(post, self._without_placeholders(got)) for post, got in found]
            anew = ASKED_ANEW | ({GONE} if _is_doubtful(found) else set())
            with self.journal.transaction():
                for post, got in found:  # each has its time, whatever the questions below come to
                    self._settle(post, [NOT_FOUND if one in anew & {GONE} else one for one in got])
            for post, got in found:
                if anew & set(_reasons(got)):
                    self._ask_anew(post, got, anew)
            self._check_hosts()

    def fetch_rested(self) -> None:
        """Fetch what waits for a host's short rest, after it; raises as `fetch_waiting`."""
        for _ in range(MAX_SHORT_RESTS):
            due = self.journal.posts.next_due(RESTS)
            if due is None or due - now_s(self.clock) > SHORT_REST_S:
                return
            self.clock.sleep(due - now_s(self.clock) + 1)
            self.fetch_waiting(is_all=True)

    def _all_of(self, post: StoredPost) -> list[Picture]:
        if self.has_opted_out(post):
            return [OPTED_OUT]
        return [self._one(address, is_new=post.state == "waiting") for address in post.pictures]

    def _one(self, address: str, *, is_new: bool) -> Picture:
        try:
            self.hosts.check(address)
            self.num_fetched += 1
            picture = self.fetcher.fetch_picture(address, self.limits, is_new=is_new)
        except ExpiredError:
            return EXPIRED
        except RetryError:
            return UNREACHABLE
        except WaitError:
            return RESTS
        except (FinalError, RefusedError, SourceChangedError) as error:
            return error.reason
        if picture.data is not None:
            self.blobs.put("original", picture.data)
        return replace(picture, data=None)

    def _ask_anew(self, post: StoredPost, got: list[Picture], anew: set[str]) -> None:
        """Ask for addresses anew where one leads nowhere; each outcome is kept when it came."""
        if any(self.hosts.rest_left_s(address) for address in post.pictures):
            return
        try:
            addresses = self.addresses_anew(post.post_key)
        except FinalError as error:
            self._settle_alone(post, [GONE if error.reason == GONE_POST else error.reason])
            return
        if not addresses:
            return
        again = [self._one(address, is_new=True) for address in addresses]
        for address, picture in zip(addresses, again, strict=True):
            if picture == EXPIRED:  # a new address cannot be too old: something is wrong with its host
                self.hosts.note(address, is_good=False)
        reasons = [NOT_FOUND if one in anew & {GONE} else one for one in again]  # its post is there
        self._settle_alone(replace(post, pictures=addresses), reasons)

    def _settle_alone(self, post: StoredPost, got: list[Picture]) -> None:
        with self.journal.transaction():
            self._settle(post, got)

    def _settle(self, post: StoredPost, got: Sequence[Picture]) -> None:
        checked = [one for one in got if isinstance(one, CheckedPicture)]
        for picture in checked:
            self.journal.images.note(image_row(picture))
        end = self._resting(post, got) or settlement(post, got, self.limits, now_s(self.clock))
        fields = asdict(end)
        state, reason = fields.pop("state"), fields.pop("reason")
        row = {**(post.row or {}), "image_digests": [picture.digest for picture in checked]}
        self.journal.posts.settle(
            post.post_key,
            state,
            reason,
            row=row if state == "kept" else None,
            pictures=post.pictures if state == "deferred" else (),
            **fields,
        )
        self.failed.update(one for one in _reasons(got) if is_failure(one) and one != RESTS)
        self.num_settled += len(_reasons(got))
        self._note_new(post, got)

    def _note_refused(self, post: StoredPost, got: Sequence[Picture]) -> None:
        for picture in got:
            if isinstance(picture, CheckedPicture) and picture.outcome != OK and not is_passing(picture.outcome):
                self._posts_of[picture.digest].add(post.post_key)

    def _without_placeholders(self, got: list[Picture]) -> list[Picture]:
        """The same, where a picture is none of a post's but what its host shows in place of any: one that several
        posts got, or one that is smaller than any that Instagram has.
        """
        return [
            PLACEHOLDER if isinstance(picture, CheckedPicture) and self._is_placeholder(picture) else picture
            for picture in got
        ]

    def _is_placeholder(self, picture: CheckedPicture) -> bool:
        is_tiny = picture.outcome == "too_small" and min(picture.width or 0, picture.height or 0) < TINY_PX
        return is_tiny or len(self._posts_of.get(picture.digest, ())) >= MANY_POSTS

    def _resting(self, post: StoredPost, got: Sequence[Picture]) -> Settlement | None:
        """Where a host rests, its pictures wait for just that, and what it said of a post before is not believed."""
        left_s = max((self.hosts.rest_left_s(address) for address in post.pictures), default=0.0)
        if RESTS not in got and not (left_s and TWICE & set(_reasons(got))):
            return None
        return Settlement(
            state="deferred",
            reason=RESTS,
            not_before=now_s(self.clock) + max(left_s, LEAST_REST_S),
            said=post.said,
            said_at=post.said_at,
            num_tries=post.num_tries,
        )

    def _note_new(self, post: StoredPost, got: Sequence[Picture]) -> None:
        """What the posts of this run's pages came to, the last ones. Those of earlier runs do not count: the same few
        would hold up every run.
        """
        if post.state == "waiting" or post.post_key in self._new:
            self._new[post.post_key] = next(filter(is_failure, _reasons(got)), OK)
        if len(self._new) > MOST_OF:
            del self._new[next(iter(self._new))]

    def _check_hosts(self) -> None:
        """End the run where most of the new posts do not get their pictures, and not for a short rest alone."""
        bad = {reason for reason in self._new.values() if reason != OK}
        num_bad = sum(reason != OK for reason in self._new.values())
        if len(self._new) < ENOUGH or 2 * num_bad <= len(self._new):
            return
        due = self.journal.posts.next_due(RESTS)
        if bad == {RESTS} and due is not None and due - now_s(self.clock) <= SHORT_REST_S:
            return
        raise WaitError(RESTS if bad == {RESTS} else ILL)


def _is_doubtful(found: Sequence[tuple[StoredPost, list[Picture]]]) -> bool:
    """Whether so many posts are said to be gone at once that it may be their host that is ill."""
    num_gone = sum(GONE in _reasons(got) for _, got in found)
    return num_gone >= MANY_POSTS and 2 * num_gone > len(found)


def _reasons(got: Sequence[Picture]) -> list[str]:
    """What each picture came to; a post without any is one that misses its picture."""
    return [one if isinstance(one, str) else one.outcome for one in got] or [MISSING]

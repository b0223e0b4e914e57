"""The walk over one location's posts, page by page, along the first endpoint that answers.

Law: a page is in the journal before the next one is asked for. The walk ends where the posts end, at the limit of
posts, at the first sign of a loop, or, when it only refreshes, on known ground: at a page whose last posts were met by
a walk that left no gap. What a broken walk has met is no ground, so the next one passes it again and goes on.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.collect.archive.api_media import api_post
from pipeline.collect.archive.fields import LocationStub, PostFields
from pipeline.collect.archive.json_files import UnreadableFile
from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.endpoints import ENDPOINTS, Endpoint, Page
from pipeline.collect.instagram.journal import Journal, NewPost, Walk
from pipeline.collect.instagram.journal.records import DAY_S, FIRST_LOOK, PLACE_GONE, PLACE_MISSING
from pipeline.collect.post_rules import OPTED_OUT, PostRules
from pipeline.collect.web.clock import Clock, now_s
from pipeline.collect.web.errors import MissingError, SourceChangedError
from pipeline.privacy.pseudonyms import PrivateIds

GIVE_UP_ENDPOINT_AFTER = 3
"""An endpoint that no location of a run could be walked on, after so many tries, is not tried again in that run."""

UNREADABLE_PAGE = 3
"""A page of so many posts of which none can be read is a change of the source."""

AHEAD = "ahead"
"""Of a post that was dropped for its time: the name of its cause, before the time that it states."""

NO_ENDPOINT = "no_road"
"""No endpoint was asked: all were left alone after they had failed at other places."""

NOT_THERE = ("status_404", "status_410")


@dataclass(frozen=True, kw_only=True)
class WalkLimits:
    """max_posts: the newest so many of a location; None for all. refresh_days: then all are passed once more."""

    max_posts: int | None = None
    refresh_days: float = 30.0


@dataclass(kw_only=True)
class Walker:
    """Walks over locations; `after_page` is called when a page is in the journal.

    has_gone: whether the cause for which a post was dropped has gone: the setting is another one, the time has come.
    """

    journal: Journal
    client: Client
    rules: PostRules
    ids: PrivateIds
    limits: WalkLimits
    clock: Clock
    after_page: Callable[[], None]
    has_gone: Callable[[str], bool] = lambda cause: False
    endpoints: Sequence[Endpoint] = ENDPOINTS
    num_new: int = 0
    num_updated: int = 0
    num_pages: int = 0
    has_answered: set[str] = field(default_factory=set)
    has_failed: Counter[str] = field(default_factory=Counter)

    def walk(self, walk: Walk) -> str:
        """Walk to an end: "" where all was seen that was to be seen, else the reason why the rest waits.

        Raises:
            HumanError, WaitError, RetryError, SourceChangedError, BudgetSpentError: the walk stays where it is.
            MissingError: the best endpoint says that there is no such place, and no other one answers.
        """
        if not walk.is_open or _is_stuck(walk):
            self.journal.walks.begin(walk.location_id, self.kind(walk))
        while True:
            walk = self.journal.walks.get(walk.location_id)
            if walk.num_pages and walk.cursor is None:  # the last run was killed just here
                return self._end(walk, FIRST_LOOK if walk.endpoint == "page" else "")
            if walk.num_pages and self._is_enough(walk):  # or here
                return self._end(walk, "", capped_at=self.limits.max_posts)
            reason = self._step(walk)
            if reason is not None:
                walk = self.journal.walks.get(walk.location_id)
                is_capped = not reason and walk.cursor is not None and self._is_enough(walk)
                return self._end(walk, reason, capped_at=self.limits.max_posts if is_capped else None)

    def kind(self, walk: Walk) -> str:
        """What the next walk over a location is for."""
        return kind_of_walk(
            has_all=walk.has_all,
            walked_all=walk.walked_all,
            capped_at=walk.capped_at,
            limits=self.limits,
            now=now_s(self.clock),
        )

    def judged(self, media: dict[str, Any], location_id: str) -> NewPost:
        """A media that was asked for by itself, as the journal takes it."""
        post, fields = self._judged(media, self._here(location_id, None))
        if fields is not None and self._is_ours(post):
            self._note_private({post.post_key: fields})
        return post

    def _step(self, walk: Walk) -> str | None:
        """Take one page; the reason of the end, None where the walk goes on."""
        endpoint, page = self._page(walk)
        here = self._here(walk.location_id, page.location)
        found = [self._judged(media, here) for media in page.medias]
        if len(found) >= UNREADABLE_PAGE and all(fields is None for _, fields in found):
            raise SourceChangedError("unreadable_posts")
        self._note_private({post.post_key: fields for post, fields in found if fields and self._is_ours(post)})
        taken = self.journal.walks.take_page(
            walk, [post for post, _ in found], endpoint=endpoint.name, cursor=page.cursor, has_gone=self.has_gone
        )
        self.num_new, self.num_pages = self.num_new + taken.num_new, self.num_pages + 1
        self.num_updated += taken.num_updated
        self.after_page()
        if page.cursor is None:
            return FIRST_LOOK if endpoint.name == "page" else ""
        if walk.kind == "refresh" and taken.is_on_ground:
            return ""
        if taken.is_loop:
            return "cursor_loop"
        if walk.num_empty and not page.medias:
            return "empty_pages"
        return "" if self._is_enough(walk) else None

    def _is_ours(self, post: NewPost) -> bool:
        """Whether the post is taken, or was before one of its authors came on the opt-out list."""
        return post.state == "waiting" or (post.reason == OPTED_OUT and self.ids.media_id(post.post_key) is not None)

    def _note_private(self, posts: dict[str, PostFields]) -> None:
        authors = {key: self.rules.author_keys(fields) for key, fields in posts.items()}
        self.ids.add({key: fields.media_id for key, fields in posts.items()}, "live", authors)

    def _is_enough(self, walk: Walk) -> bool:
        return self.limits.max_posts is not None and (
            self.journal.posts.num_met(walk.location_id, walk.number) >= self.limits.max_posts
        )

    def _page(self, walk: Walk) -> tuple[Endpoint, Page]:
        """The next page, of the endpoint the walk is on, else of the first endpoint that answers."""
        if walk.cursor is not None:
            endpoint = next(endpoint for endpoint in self.endpoints if endpoint.name == walk.endpoint)
            return endpoint, endpoint.after(self.client, walk.location_id, walk.cursor)
        failed: dict[str, SourceChangedError] = {}
        for endpoint in self.endpoints:
            if (endpoint.needs_login and not self.client.is_signed_in) or self._is_given_up(endpoint):
                continue
            try:
                page = endpoint.first(self.client, walk.location_id)
            except SourceChangedError as error:
                failed[endpoint.name] = error
                if _is_clear(walk, failed):
                    break
            else:
                self.has_answered.add(endpoint.name)
                return endpoint, page
        raise self._failure(failed)

    def _failure(self, failed: dict[str, SourceChangedError]) -> SourceChangedError:
        """What it means that no endpoint to a place answered; one that says `not there` is not out of order."""
        reasons = [error.reason for error in failed.values()]
        self.has_failed.update(name for name, error in failed.items() if error.reason not in NOT_THERE)
        if reasons and reasons[0] in NOT_THERE:  # the best endpoint that there is
            return MissingError(PLACE_MISSING, is_sure=sum(reason in NOT_THERE for reason in reasons) > 1)
        return next(reversed(failed.values()), SourceChangedError(NO_ENDPOINT))

    def _is_given_up(self, endpoint: Endpoint) -> bool:
        return endpoint.name not in self.has_answered and self.has_failed[endpoint.name] >= GIVE_UP_ENDPOINT_AFTER

    def _here(self, location_id: str, location: LocationStub | None) -> "PlaceContext":
        """The place of a walk: what its first page said of it holds for the pages behind."""
        note = f"place/{location_id}"
        if location is not None:
            self.journal.set_note(note, json.dumps([location.location_id, location.name, location.coordinates]))
        other_id, name, coordinates = json.loads(self.journal.note(note) or '["", "", null]')
        point = (coordinates[0], coordinates[1]) if coordinates else None
        return PlaceContext(LocationStub(location_id=location_id, name=name, coordinates=point), other_id)

    def _judged(self, media: dict[str, Any], here: "PlaceContext") -> tuple[NewPost, PostFields | None]:
        """A media as the journal takes it, with its fields; without them where it cannot be read as a post."""
        now = datetime.fromtimestamp(now_s(self.clock), UTC)
        try:
            post = api_post(media, now)
        except UnreadableFile as error:
            return NewPost(post_key=self._unreadable_key(media, here), state="dropped", reason=error.reason), None
        fields = here.of(post.fields)
        key = self.rules.pseudonyms.post_key(fields.media_id)
        reason = self.rules.reason(fields, num_pictures=len(post.pictures), has_video=not post.pictures)
        if reason:
            cause = f"{AHEAD}={fields.ahead_utc.timestamp():.0f}" if reason == "bad_time" and fields.ahead_utc else ""
            return NewPost(post_key=key, state="dropped", reason=reason, cause=cause), fields
        row = self.rules.row(fields, [], now)
        values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        new = NewPost(
            post_key=key,
            state="waiting",
            row=values,
            pictures=post.pictures,
            has_own_place=post.fields.location is not None,
        )
        return new, fields

    def _unreadable_key(self, media: dict[str, Any], here: "PlaceContext") -> str:
        """The key of what is no post: of the id that it states, however odd, so that it is counted once."""
        stated_id = next((str(media[name]) for name in ("pk", "id", "code", "shortcode") if media.get(name)), "")
        return self.rules.pseudonyms.file_key(f"{here.place.location_id}/{stated_id}")

    def _end(self, walk: Walk, reason: str, *, capped_at: int | None = None) -> str:
        """Close a walk; one that came to its end has passed all, or has reached known ground."""
        is_all_there_is = not reason or (reason == FIRST_LOOK and not self.client.is_signed_in)
        not_before = 0.0 if is_all_there_is else now_s(self.clock) + DAY_S
        self.journal.walks.end(
            walk.location_id,
            reason,
            now_s(self.clock),
            has_all=not reason and walk.kind != "refresh",
            is_ground=not reason,
            capped_at=capped_at,
            not_before=not_before,
        )
        return reason


def kind_of_walk(*, has_all: bool, walked_all: float, capped_at: int | None, limits: WalkLimits, now: float) -> str:
    """What a walk is for: `first`, `refresh`, or `again` where all was passed `refresh_days` ago; UTC seconds.

    One that a smaller limit of posts has ended is begun again as a first one.
    """
    is_short = capped_at is not None and (limits.max_posts is None or limits.max_posts > capped_at)
    if not has_all or is_short:
        return "first"
    age_s = now - walked_all  # negative where the clock was set back
    return "refresh" if 0 <= age_s < limits.refresh_days * DAY_S else "again"


def _is_clear(walk: Walk, failed: dict[str, SourceChangedError]) -> bool:
    """Whether no other endpoint need be asked: two say that there is no such place, or one if the place was gone."""
    are_clear = all(error.reason in NOT_THERE for error in failed.values())
    return are_clear and (len(failed) > 1 or walk.reason == PLACE_GONE)


def _is_stuck(walk: Walk) -> bool:
    """Whether the page where the walk stands did not answer in the run before: its cursor may have lapsed."""
    return walk.reason.startswith("source_changed") and walk.cursor is not None


@dataclass(frozen=True)
class PlaceContext:
    """The place that is walked, under the id it was asked by; `other_id` is the one its page names, if another."""

    place: LocationStub
    other_id: str

    def of(self, fields: PostFields) -> PostFields:
        """The post with its place: its own, filled up from the page's; one without any is here."""
        own = fields.location
        if own is None:
            return replace(fields, location=self.place, coordinates=fields.coordinates or self.place.coordinates)
        if own.location_id not in (self.place.location_id, self.other_id):
            return fields
        coordinates = fields.coordinates or self.place.coordinates
        return replace(fields, location=replace(own, location_id=self.place.location_id), coordinates=coordinates)

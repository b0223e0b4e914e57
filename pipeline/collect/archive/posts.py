"""Posts of an archive: every entry is kept, dropped or deferred once.

Reads  the archive
Writes blobs/original
Law: entries = kept + dropped + deferred. A post without a picture is kept as a row and deferred. What hangs on the
world and not on the files (rights, a disk that fails, the clock) is no fact of a post: it waits, and is read again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.collect.archive.fields import PostFields
from pipeline.collect.archive.folder import NOT_READABLE, Archive, Entry, Media
from pipeline.collect.post_rules import OK, CheckedPicture, PictureLimits, PostRules, check_picture, image_row
from pipeline.errors import StageError
from pipeline.ledger import reason_counts
from pipeline.progress import progress
from pipeline.store.blobs import Blobs

PICTURE_NOT_READABLE = "image_not_readable"


@dataclass(kw_only=True)
class ArchivePosts:
    """What an archive came to: rows of `posts` and `images`; by post_key: media ids, keys of authors, and reasons.

    A file that is no post is dropped under a key of its path. ahead_utc: the first time that a post has and that was
    still to come: from then on the archive is to be read anew, since it was the clock that was wrong. opted_out: posts
    that another source holds, and of which this one says that an author is on the opt-out list.
    """

    num_entries: int = 0
    posts: list[dict[str, Any]] = field(default_factory=list)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    media_ids: dict[str, str] = field(default_factory=dict)
    authors: dict[str, list[str]] = field(default_factory=dict)
    drops: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    ahead_utc: datetime | None = None
    opted_out: set[str] = field(default_factory=set)


def read_archive(
    archive: Archive,
    rules: PostRules,
    limits: PictureLimits,
    blobs: Blobs,
    *,
    is_elsewhere: Callable[[str], bool] = lambda key: False,
    now: datetime | None = None,
) -> ArchivePosts:
    """Read an archive into posts and pictures.

    now: no post was made later than a day after it; by default what this machine's clock says.
    is_elsewhere: whether another source holds the post of this key already; such a one is a duplicate here.

    Raises:
        StageError: there is no post in it.
    """
    collector = _Collector(rules=rules, limits=limits, blobs=blobs, is_elsewhere=is_elsewhere)
    chosen = collector.one_of_each(progress(archive.entries(now), "posts of the archive", total=len(archive)))
    if not chosen:
        raise StageError(_no_posts(archive, {**collector.found.drops, **collector.found.deferred}))
    for entry, fields in progress(chosen, "pictures of the archive"):
        collector.take(entry, fields)
    found = collector.found
    waiting = found.deferred.keys()
    kept, lost = sum(post["post_key"] not in waiting for post in found.posts), len(found.drops) + len(waiting)
    assert found.num_entries == kept + lost, "an entry of the archive was lost or counted twice"
    return found


@dataclass(kw_only=True)
class _Collector:
    """Takes entries one by one; each ends in `found`: in its posts (beside them in `deferred`) or its drops."""

    rules: PostRules
    limits: PictureLimits
    blobs: Blobs
    is_elsewhere: Callable[[str], bool]
    found: ArchivePosts = field(default_factory=ArchivePosts)

    def one_of_each(self, entries: Iterable[Entry]) -> list[tuple[Entry, PostFields]]:
        """One entry per media id, the others dropped: first one at a POI, then one with media, then by path. Whom any
        of them names as an author is one.
        """
        by_id: defaultdict[str, list[tuple[Entry, PostFields]]] = defaultdict(list)
        for entry in entries:
            self.found.num_entries += 1
            if entry.fields is None and entry.reason == NOT_READABLE:
                self.found.deferred[self.rules.pseudonyms.file_key(entry.path)] = NOT_READABLE
            elif entry.fields is None:
                self._drop_file(entry, entry.reason)
            else:
                by_id[entry.fields.media_id].append((entry, entry.fields))
        chosen = []
        for same in by_id.values():
            first, *others = sorted(same, key=self._preference)
            whole = _with_parts(first, others)
            chosen.append((whole[0], _with_authors(whole[1], [fields for _, fields in others])))
            for entry, _ in others:
                is_part = entry.part is not None and first[0].part is not None and entry.part != first[0].part
                self._drop_file(entry, "part_of_post" if is_part else "duplicate_post")
        return chosen

    def take(self, entry: Entry, fields: PostFields) -> None:
        """Judge one post and keep it with its pictures, or count why not."""
        key, media = self.rules.pseudonyms.post_key(fields.media_id), entry.media
        if self.is_elsewhere(key):
            self._drop_file(entry, "duplicate_post")
            if self.rules.opt_out.covers(fields.author_names, fields.media_id):
                self.found.opted_out.add(key)
            else:
                self.found.authors[key] = self.rules.author_keys(fields)
            return
        reason = self.rules.reason(fields, num_pictures=len(media.pictures), has_video=media.has_video)
        if reason:
            self.found.drops[key] = reason
            if reason == "bad_time" and fields.ahead_utc is not None:
                self.found.ahead_utc = min(self.found.ahead_utc or fields.ahead_utc, fields.ahead_utc)
            return
        pictures, reason = self._pictures(media.pictures)
        if reason:
            self.found.deferred[key] = reason
        elif all(picture.outcome != OK for picture in pictures):
            self.found.drops[key] = pictures[0].outcome
            return
        self.found.posts.append(self.rules.row(fields, [picture.digest for picture in pictures], entry.retrieved_utc))
        self.found.media_ids[key], self.found.authors[key] = fields.media_id, self.rules.author_keys(fields)

    def _drop_file(self, entry: Entry, reason: str) -> None:
        self.found.drops[self.rules.pseudonyms.file_key(entry.path)] = reason

    def _preference(self, post: tuple[Entry, PostFields]) -> tuple[bool, bool, str]:
        entry, fields = post
        is_placed = fields.location is not None and fields.location.location_id in self.rules.poi_of_location
        return not is_placed, not (entry.media.pictures or entry.media.has_video), entry.path

    def _pictures(self, paths: Iterable[Path]) -> tuple[list[CheckedPicture], str]:
        """A post's pictures, and the reason why it waits for what is not there or cannot be read now; "" for none."""
        pictures, reason = [], ""
        for path in paths:
            try:
                picture = check_picture(path, self.limits)
            except FileNotFoundError:  # it went away since
                continue
            except OSError:
                reason = PICTURE_NOT_READABLE
                continue
            pictures.append(self._kept(picture))
        return pictures, reason or ("" if pictures else "image_missing")

    def _kept(self, picture: CheckedPicture) -> CheckedPicture:
        """The picture without its bytes, which are in the store if it is a good one."""
        if picture.data is not None:
            self.blobs.put("original", picture.data)
        self.found.images[picture.digest] = image_row(picture)
        return replace(picture, data=None)


def _with_parts(first: tuple[Entry, PostFields], others: list[tuple[Entry, PostFields]]) -> tuple[Entry, PostFields]:
    """A post with the media of its other parts, where each has a file of its own; one without is a photo."""
    entry, fields = first
    if entry.part is None or entry.part[1] == 1:
        return first
    parts = {one.part[0]: (one.media, of.is_videos) for one, of in reversed([first, *others]) if one.part is not None}
    media = [parts[number][0] for number in sorted(parts)]
    pictures = tuple(path for one in media for path in one.pictures)
    is_videos = tuple(number in parts and parts[number][1] == (True,) for number in range(1, entry.part[1] + 1))
    whole = replace(entry, media=Media(pictures, any(one.has_video for one in media)))
    return whole, replace(fields, is_videos=is_videos)


def _with_authors(fields: PostFields, others: list[PostFields]) -> PostFields:
    """A post with the authors that other files of it name besides."""
    names = [name for other in others for name in other.author_names]
    coauthors = dict.fromkeys([*fields.coauthor_names, *(name for name in names if name not in fields.owner_names)])
    is_private = fields.is_private or any(other.is_private for other in others)
    return replace(fields, coauthor_names=tuple(coauthors), is_private=is_private)


def _no_posts(archive: Archive, drops: dict[str, str]) -> str:
    reasons = ", ".join(f"{reason.split('/')[1]} {count}" for reason, count in reason_counts(drops).items())
    return (
        f"none of the {len(archive)} metadata files in {archive.root} is a post ({reasons}): {archive.how_to_fill()}"
    )

"""An archive of posts: a folder of files of Instaloader or gallery-dl and of saved pages of the API; never written.

Reads, in all folders below it, `<stem>.json` and `<stem>.json.xz` and the media beside them: `<stem>.jpg`,
`<stem>_<n>.jpg`; the media of a page are named by the post's shortcode. gallery-dl writes `<picture>.json` for each
picture, or `<post id>.json`.
Law: every metadata file gives one entry, a page one per media in it, each a post or a reason; in the order of paths,
then of the page. Links are not followed.

Saved pages: `sections[].layout_content.medias[].media` under any tab, `edges[].node` of GraphQL pages and of `xdt_`
tabs, `items[]` of feeds, a single media; with whatever else lies around them.
Law: one media per place where the page holds one, in the order of the file; a media of a section that is none is
named too, so that it can be counted. What lies inside a media (its parts, comments, people) is no media.
Covered: hostile nesting (no recursion), pages of millions of media. Not covered: media that only a name gives away.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.collect.archive.api_media import api_post
from pipeline.collect.archive.fields import MAX_CAROUSEL, PostFields, post_fields
from pipeline.collect.archive.foreign import (
    OWN_EXPORT,
    how_to_fill,
    is_of_picture,
    is_own_export,
    is_sidecar,
    part_of,
    sidecar_fields,
)
from pipeline.collect.archive.json_files import UnreadableFile, read_json
from pipeline.errors import StageError
from pipeline.store.digests import json_digest

NOT_READABLE = "not_readable"
"""The disk does not give a file, or not to this user: that can change without a trace in the listing."""
MAX_MEDIAS = 20_000
"""A page holds some dozens; a file of 16 MiB that holds more of them is none."""

_CODES = ("shortcode", "code")
_IDS = ("pk", "id")
_MARKS = ("taken_at", "taken_at_timestamp", "media_type", "owner", "user")
JSON_SUFFIXES = (".json.xz", ".json")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".jfif", ".heic", ".heif", ".avif", ".gif", ".bmp", ".tiff")
"""In order of choice; what a file is, its first bytes say: tools name JPEGs `.heic`, too."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".webm")
MEDIA_SUFFIXES = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
COMMENTS_SUFFIX = "_comments"


def page_medias(structure: object) -> list[object]:
    """The media of a page in their order; none where the JSON is no page, as Instaloader's own files are not.

    Raises:
        UnreadableFile: `too_many_medias`.
    """
    if isinstance(structure, dict) and ("instaloader" in structure or "shortcode" in structure):
        return []
    medias = []
    for media in _walk(structure):
        medias.append(media)
        if len(medias) > MAX_MEDIAS:
            raise UnreadableFile("too_many_medias")
    return medias


def shortcode(media: object) -> str:
    """The code in the address of a post, by which tools name its files; "" where it is not stated."""
    codes = [media.get(name) for name in _CODES] if isinstance(media, dict) else []
    return next((code for code in codes if isinstance(code, str)), "")


def _walk(structure: object) -> Iterator[object]:
    """Every media in order; a list stands for nothing: what is in it is under the list's own keys."""
    waiting: list[tuple[tuple[str, str], object]] = [(("", ""), structure)]
    while waiting:
        where, value = waiting.pop()
        if where == ("medias", "media") or _is_media(value):
            yield value
        elif isinstance(value, dict):
            waiting.extend(((where[1], name), inner) for name, inner in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((where, inner) for inner in reversed(value))


def _is_media(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(any(name in value for name in names) for names in (_CODES, _IDS, _MARKS))


@dataclass(frozen=True, slots=True)
class Media:
    """What lies beside a post: its photos in carousel order, and whether a video or its cover is there."""

    pictures: tuple[Path, ...] = ()
    has_video: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One metadata file, or one media of a page: either `fields` or `reason` is there.

    path is relative to the archive, of a page's n-th media `<file>#<n>`; it can hold the name of an account, so it
    goes into no table and no log.
    part: where each picture of a post has a file of its own, its number and how many there are.
    """

    path: str
    fields: PostFields | None
    reason: str
    media: Media
    retrieved_utc: datetime
    part: tuple[int, int] | None = None


@dataclass(slots=True)
class _Folder:
    """The regular files of one folder, and the stems of its metadata."""

    path: Path
    names: set[str] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)
    _by_post: dict[str, list[str]] = field(default_factory=dict)

    def find(self, stem: str, suffixes: Sequence[str]) -> Path | None:
        """The file of this stem; case counts, since stems can be shortcodes."""
        names = (stem + form for suffix in suffixes for form in (suffix, suffix.upper()))
        return next((self.path / name for name in names if name in self.names), None)

    def of_post(self, media_id: str) -> list[Path]:
        """The files `<post id>.jpg` and `<post id>_<media id>.jpg`, in the order of their ids."""
        if not self._by_post:
            for name in sorted(self.names):
                self._by_post.setdefault(re.split(r"[_.]", name)[0], []).append(name)
        return [self.path / name for name in self._by_post.get(media_id, [])]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    folder: _Folder
    name: str
    stem: str
    mtime_ns: int
    is_regular: bool

    @property
    def retrieved_utc(self) -> datetime:
        return datetime.fromtimestamp(self.mtime_ns // 10**9, UTC)


class Archive:
    """The listing of a folder: what there is, without having read a file."""

    def __init__(self, root: Path, files: list[_File], digest: str) -> None:
        self.root = root
        self.digest = digest
        self._files = files
        self._reasons: set[str] = set()
        self.num_unreadable = 0

    def __len__(self) -> int:
        """The number of metadata files; entries can be more, since a page holds many posts."""
        return len(self._files)

    @classmethod
    def scan(cls, root: Path) -> "Archive":
        """List a folder; its digest is over the paths, sizes and times of all files, so it costs no reading.

        Raises:
            StageError: there is no such folder, or no metadata in it.
        """
        if not root.is_dir():
            raise StageError(f"there is no folder of posts at {root}: {how_to_fill(root)}")
        listing: list[tuple[str, int, int]] = []
        metadata = sorted(_metadata_files(root, listing), key=lambda file: file.path)
        if not metadata:
            raise StageError(f"no .json or .json.xz file lies in {root}: {how_to_fill(root)}")
        return cls(root, metadata, json_digest(sorted(listing)))

    def entries(self, now: datetime | None = None) -> Iterator[Entry]:
        """Every post in the order of paths, one file read at a time."""
        now, self.num_unreadable = now or datetime.now(UTC), 0
        for file in self._files:
            for entry in _entries(file, now):
                self._reasons.add(entry.reason)
                self.num_unreadable += entry.reason == NOT_READABLE
                yield entry

    def how_to_fill(self) -> str:
        """What to do once its entries were read and no post was among them."""
        return how_to_fill(self.root, self._reasons)


def _metadata_files(root: Path, listing: list[tuple[str, int, int]]) -> Iterator[_File]:
    """The metadata files; `listing` gets path, size and time of every file."""

    def refuse(error: OSError) -> None:
        raise StageError(f"a folder inside {root} cannot be read ({error.strerror}): give this user the right to")

    for directory, _, names in os.walk(root, onerror=refuse, followlinks=False):
        folder = _Folder(Path(directory))
        for name in names:
            path = folder.path / name
            try:
                status = path.lstat()
            except FileNotFoundError:  # gone since, by a collector at work
                continue
            relative = path.relative_to(root).as_posix()
            listing.append((os.fsencode(relative).hex(), status.st_size, status.st_mtime_ns))
            is_regular, stem = stat.S_ISREG(status.st_mode), _stem(name)
            if is_regular:
                folder.names.add(name)
            if stem is not None:
                folder.stems.add(stem)
                yield _File(relative, folder, name, stem, status.st_mtime_ns, is_regular)


def _stem(name: str) -> str | None:
    """The name without its JSON suffix, None where it has none."""
    return next((name.removesuffix(suffix) for suffix in JSON_SUFFIXES if name.endswith(suffix)), None)


def _entries(file: _File, now: datetime) -> Iterator[Entry]:
    try:
        structure = _read(file)
        medias = page_medias(structure)
    except UnreadableFile as error:
        yield _no_post(file, file.path, error)
        return
    if isinstance(structure, dict) and is_sidecar(structure):
        yield _sidecar(file, structure, now)
        return
    if not medias:
        yield _entry(file, file.path, file.stem, partial(post_fields, structure, now))
    for number, media in enumerate(medias, start=1):
        yield _entry(file, f"{file.path}#{number}", shortcode(media), partial(_page_fields, media, now))


def _sidecar(file: _File, sidecar: dict[str, Any], now: datetime) -> Entry:
    """The post of gallery-dl's file, with the picture of that file or all of the post's."""
    try:
        fields = sidecar_fields(sidecar, now)
    except UnreadableFile as error:
        return _no_post(file, file.path, error)
    if not is_of_picture(sidecar):
        return Entry(file.path, fields, "", _media_of_post(file.folder, fields.media_id), file.retrieved_utc)
    beside = file.folder.path / file.stem
    is_named_by_it = file.stem in file.folder.names and beside.suffix.lower() in MEDIA_SUFFIXES
    path = beside if is_named_by_it else file.folder.find(file.stem, MEDIA_SUFFIXES)
    is_video = fields.is_videos == (True,)
    media = Media((path,) if path and not is_video else (), bool(path) and is_video)
    return Entry(file.path, fields, "", media, file.retrieved_utc, part_of(sidecar))


def _media_of_post(folder: _Folder, media_id: str) -> Media:
    own = folder.of_post(media_id)
    videos = {path.stem for path in own if path.suffix.lower() in VIDEO_SUFFIXES}
    photos = [path for path in own if path.suffix.lower() in PICTURE_SUFFIXES and path.stem not in videos]
    return Media(tuple(photos), bool(videos))


def _page_fields(media: object, now: datetime) -> PostFields:
    return api_post(media, now).fields


def _entry(file: _File, path: str, stem: str, read: Callable[[], PostFields]) -> Entry:
    """The post that `read` gives, with the media of this stem."""
    try:
        fields = read()
    except UnreadableFile as error:
        return _no_post(file, path, error)
    return Entry(path, fields, "", _media(file.folder, stem, fields.is_videos), file.retrieved_utc)


def _no_post(file: _File, path: str, error: UnreadableFile) -> Entry:
    return Entry(path, None, error.reason, Media(), file.retrieved_utc)


def _read(file: _File) -> object:
    if not file.is_regular:  # a link could lead out of the folder, a pipe would block
        raise UnreadableFile("not_a_regular_file")
    try:
        structure = read_json(file.folder.path / file.name)
    except OSError:
        raise UnreadableFile(NOT_READABLE) from None
    is_instaloaders = isinstance(structure, dict) and "instaloader" in structure
    if not is_instaloaders and is_own_export(structure):
        raise UnreadableFile(OWN_EXPORT)
    if isinstance(structure, list) and file.stem.endswith(COMMENTS_SUFFIX):
        raise UnreadableFile("not_a_post")
    return structure


def _media(folder: _Folder, stem: str, is_videos: tuple[bool, ...] | None) -> Media:
    """The media of a post by its stem."""
    is_video_of = _media_stems(folder, stem, is_videos)
    photos = [folder.find(of, PICTURE_SUFFIXES) for of, is_video in is_video_of.items() if not is_video]
    videos = [folder.find(of, MEDIA_SUFFIXES) for of, is_video in is_video_of.items() if is_video]
    return Media(tuple(photo for photo in photos if photo), any(videos))


def _media_stems(folder: _Folder, stem: str, is_videos: tuple[bool, ...] | None) -> dict[str, bool]:
    """The stems that the media of a post can have, in carousel order -> is it a video."""
    # a file whose stem is another post's belongs to that one
    numbered = {n: f"{stem}_{n}" for n in range(1, MAX_CAROUSEL + 1) if f"{stem}_{n}" not in folder.stems}
    if is_videos is None:
        return {of: folder.find(of, VIDEO_SUFFIXES) is not None for of in (stem, *numbered.values())}
    if len(is_videos) > 1:
        children = {numbered[n]: is_video for n, is_video in enumerate(is_videos, start=1) if n in numbered}
        if any(folder.find(of, MEDIA_SUFFIXES) for of in children):
            return children
        return {stem: is_videos[0]}  # a tool that saves only the first
    if folder.find(stem, MEDIA_SUFFIXES) is None and 1 in numbered:
        return {numbered[1]: is_videos[0]}
    return {stem: is_videos[0]}

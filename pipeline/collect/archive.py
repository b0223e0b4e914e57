"""An archive of posts: a folder of Instaloader files, read recursively and never written.

Reads `<stem>.json` and `<stem>.json.xz` and the media beside them: `<stem>.jpg`, `<stem>_<n>.jpg`.
Law: every metadata file gives exactly one entry, a post or a reason, in the order of paths; links are not followed.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.collect.fields import PostFields, post_fields
from pipeline.collect.json_files import UnreadableFile, read_json
from pipeline.stage import StageError
from pipeline.store.digests import json_digest

JSON_SUFFIXES = (".json.xz", ".json")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
VIDEO_SUFFIXES = (".mp4", ".mov", ".webm")
MEDIA_SUFFIXES = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
MAX_CAROUSEL = 20
"""Instagram's own limit for a post."""

COMMENTS_SUFFIX = "_comments"
HOW_TO_FILL = (
    "put files there that Instaloader saved (.json or .json.xz, with their pictures beside them), "
    "or name another folder as `archive` of posts in cities.yaml"
)


@dataclass(frozen=True, slots=True)
class Media:
    """What lies beside a post: its photos in carousel order, and whether a video or its cover is there."""

    pictures: tuple[Path, ...] = ()
    has_video: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One metadata file: either `fields` or `reason` is there.

    path is relative to the archive; it can hold the name of an account, so it goes into no table and no log.
    """

    path: str
    fields: PostFields | None
    reason: str
    media: Media
    retrieved_utc: datetime


@dataclass(slots=True)
class _Folder:
    """The regular files of one folder, and the stems of its metadata."""

    path: Path
    names: set[str] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)

    def find(self, stem: str, suffixes: Sequence[str]) -> Path | None:
        """The file of this stem; case counts, since stems can be shortcodes."""
        names = (stem + form for suffix in suffixes for form in (suffix, suffix.upper()))
        return next((self.path / name for name in names if name in self.names), None)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    folder: _Folder
    name: str
    stem: str
    mtime_ns: int
    is_regular: bool


class Archive:
    """The listing of a folder: what there is, without having read a file."""

    def __init__(self, root: Path, files: list[_File], digest: str) -> None:
        self.root = root
        self.digest = digest
        self._files = files

    def __len__(self) -> int:
        """The number of metadata files."""
        return len(self._files)

    @classmethod
    def scan(cls, root: Path) -> "Archive":
        """List a folder; its digest is over the paths, sizes and times of all files, so it costs no reading.

        Raises:
            StageError: there is no such folder, or no metadata in it.
        """
        if not root.is_dir():
            raise StageError(f"there is no folder of posts at {root}: {HOW_TO_FILL}")
        listing: list[tuple[str, int, int]] = []
        metadata = sorted(_metadata_files(root, listing), key=lambda file: file.path)
        if not metadata:
            raise StageError(f"no .json or .json.xz file lies in {root}: {HOW_TO_FILL}")
        return cls(root, metadata, json_digest(sorted(listing)))

    def entries(self, now: datetime | None = None) -> Iterator[Entry]:
        """Every metadata file in the order of paths, read one at a time."""
        now = now or datetime.now(UTC)
        for file in self._files:
            yield _entry(file, now)


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


def _entry(file: _File, now: datetime) -> Entry:
    retrieved_utc = datetime.fromtimestamp(file.mtime_ns // 10**9, UTC)
    try:
        fields = _read(file, now)
    except UnreadableFile as error:
        return Entry(file.path, None, error.reason, Media(), retrieved_utc)
    return Entry(file.path, fields, "", _media(file.folder, file.stem, fields.is_videos), retrieved_utc)


def _read(file: _File, now: datetime) -> PostFields:
    if not file.is_regular:  # a link could lead out of the folder, a pipe would block
        raise UnreadableFile("not_a_regular_file")
    try:
        structure = read_json(file.folder.path / file.name)
    except OSError:
        raise UnreadableFile("not_readable") from None
    if isinstance(structure, list) and file.stem.endswith(COMMENTS_SUFFIX):
        raise UnreadableFile("not_a_post")
    return post_fields(structure, now)


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

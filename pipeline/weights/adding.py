"""Adding a file of weights by hand: a published one is known by its digest, any other is the user's own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.errors import StageError
from pipeline.progress import format_bytes
from pipeline.store.files import temporary_file
from pipeline.weights.converting import known_architectures
from pipeline.weights.digests import FileDigests, copy_with_digests
from pipeline.weights.kinds import wrong_kind
from pipeline.weights.records import own_entry
from pipeline.weights.registry import WeightsEntry

MAX_BYTES = 2 * 2**30


@contextmanager
def copied_in(path: Path, folder: Path) -> Iterator[tuple[Path, FileDigests]]:
    """A copy of the file in `folder` and the digests of that copy; it goes at the end unless it was renamed.

    Raises:
        StageError: there is no such file, it is too large, or the disk is full.
    """
    if not path.is_file():
        raise StageError(f"there is no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise StageError(f"{path} has {format_bytes(path.stat().st_size)}: none of these networks has so many weights")
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_file(folder) as (handle, copy):
        try:
            with path.open("rb") as source, os.fdopen(handle, "wb", closefd=False) as target:
                digests = copy_with_digests(source, target)
        except OSError as error:
            raise StageError(f"{path} cannot be copied to {folder}: {error.strerror or error}") from error
        yield copy, digests


def recognised(digests: FileDigests, entries: Mapping[str, WeightsEntry]) -> WeightsEntry | None:
    """The entry whose file has these digests."""
    return next((entry for entry in entries.values() if entry.matches(digests)), None)


def entry_of(
    path: Path, digests: FileDigests, entries: Mapping[str, WeightsEntry], name: str | None, architecture: str | None
) -> WeightsEntry:
    """The known entry of a file, or a new one of the person's own.

    Raises:
        StageError: neither; the message names expected and actual digest and what to do.
    """
    known = recognised(digests, entries)
    if known is not None:
        if name not in (None, known.name):
            raise StageError(
                f"{path} is known, it is {known.name}: name it so in the settings, or add it without --name"
            )
        if architecture not in (None, known.architecture):
            raise StageError(f"{path} is {known.name}, weights of {known.architecture} and not of {architecture}")
        return known
    if name is not None and name in entries:
        taken = entries[name]
        raise StageError(
            f"{path} is not {name}: expected {taken.digest}, got {taken.actual(digests)}. Take another file, or give "
            "this one a name of its own"
        )
    if name is None or architecture is None:
        raise StageError(f"{path} is not known: {_expected(path, digests, entries)}")
    if architecture not in known_architectures():
        raise StageError(f"there is no architecture {architecture!r}: take one of {', '.join(known_architectures())}")
    return own_entry(name, architecture, path.name, digests.sha256, digests.num_bytes)


def from_file(entry: WeightsEntry, digests: FileDigests) -> WeightsEntry:
    """What an unknown file is called that the settings name in place of the weights `entry`: never as a known one."""
    return replace(
        entry,
        name=f"{entry.architecture}_from_file",
        sha256=digests.sha256,
        md5=None,
        num_bytes=digests.num_bytes,
        licence="yours to know",
        is_own=True,
    )


def _expected(path: Path, digests: FileDigests, entries: Mapping[str, WeightsEntry]) -> str:
    facts = f"{kind}, " if (kind := wrong_kind(path)) else ""
    facts += f"its sha256 is {digests.sha256}, {digests.num_bytes:,} bytes"
    namesakes = [entry for entry in entries.values() if entry.file_name == path.name]
    for entry in namesakes:
        size = f" and {entry.num_bytes:,} bytes" if entry.num_bytes else ""
        facts += f"; {entry.name} has {entry.digest}{size}"
        facts += f" (this file: {entry.actual(digests)})" if entry.sha256 is None else ""
    what = "Take the published file again" if namesakes else "Take a published file (`mrlf weights list`)"
    return (
        f"{facts}. {what}, or add this one as your own: "
        f"`mrlf weights add {path} --name my_net --architecture u2net` (one of {', '.join(known_architectures())})"
    )

"""Gone posts: deleted, set private, or opted out; what is kept of their pictures is removed with them.

Reads  posts, drops of the stage posts; of all cities the digests that posts and clean pictures refer to
Writes images, portrait_masks, clean_images, image_features: rows of pictures that no post of the city refers to any
       more are removed, and their blobs where no post of any city does
Law: blobs go before the rows that name them, so a killed run is finished by the next; nothing is read where nothing
went since the last time.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeAlias

import pyarrow.compute as pc

from pipeline.collect.taking import OPTED_OUT
from pipeline.store import Store
from pipeline.store.blobs import Kind, write_atomically
from pipeline.store.digests import json_digest

DELETED = "deleted"
"""The state of a tombstone in `posts`."""

PICTURE_TABLES = {
    "images": "posts", "portrait_masks": "portrait_masks", "clean_images": "clean_images",
    "study_features": "study_data",
}  # fmt: skip
"""Tables with a row per original picture -> the stage that writes each."""

LOCK_TIMEOUT_S = 10.0
"""How long a sweep waits for another process."""

ReadDigests: TypeAlias = Callable[[Store, str], set[str]]


def gone_posts(store: Store, city: str) -> set[str]:
    """The keys of a city's tombstones, and of the posts that were opted out."""
    deleted = pc.field("state") == DELETED
    opted_out = (pc.field("stage") == "posts") & (pc.field("reason") == OPTED_OUT)
    return _values(store, city, "posts", "post_key", deleted) | _values(store, city, "drops", "post_key", opted_out)


def is_swept(store: Store, city: str, what: str, gone: set[str]) -> bool:
    """Whether `what` of exactly these posts was removed by an earlier run."""
    path = store.root / "forgotten" / f"{city}.{what}"
    return path.read_text() == _mark(gone) if path.is_file() else not gone


def mark_swept(store: Store, city: str, what: str, gone: set[str]) -> None:
    """Remember that `what` of these posts is removed; no key is written."""
    write_atomically(store.root / "forgotten" / f"{city}.{what}", _mark(gone).encode())


def forget_pictures(store: Store, city: str) -> int:
    """Remove the pictures that only gone posts had, with all that was made of them; their number.

    Raises:
        StageBusyError: a stage that writes these tables is at work in another process.
    """
    gone = gone_posts(store, city)
    if is_swept(store, city, "pictures", gone):
        return 0
    with holding(store, city, [*PICTURE_TABLES.values(), "image_features"]):
        had = set[str]().union(*(_values(store, city, name, "digest") for name in PICTURE_TABLES))
        unused = had - _pictures_of_posts(store, city)
        _forget_clean(store, city, unused)
        _remove_blobs(store, city, "original", unused, _pictures_of_posts)
        for name, stage in reversed(PICTURE_TABLES.items()):
            with kept_record(store, city, stage, name):
                store.tables.remove(city, name, "digest", unused)
        mark_swept(store, city, "pictures", gone)
    return len(unused)


def _forget_clean(store: Store, city: str, unused: set[str]) -> None:
    """Remove the clean pictures made of these originals alone, and their features."""
    digests = _clean_pictures(store, city, pc.field("digest").isin(sorted(unused)))
    clean = digests - _clean_pictures(store, city, ~pc.field("digest").isin(sorted(unused)))
    with kept_record(store, city, "image_features", "image_features"):
        store.tables.remove(city, "image_features", "clean_digest", clean)
    _remove_blobs(store, city, "clean", clean, _clean_pictures)


def _remove_blobs(store: Store, city: str, kind: Kind, digests: set[str], used_in: ReadDigests) -> None:
    """Remove the pictures that no other city uses."""
    others = [other for other in store.cities() if other != city] if digests else []
    for digest in digests.difference(*(used_in(store, other) for other in others)):
        store.blobs.remove(kind, digest)


@contextmanager
def holding(store: Store, city: str, stages: list[str]) -> Iterator[None]:
    """Hold the locks of these stages of a city."""
    with ExitStack() as locks:
        for stage in stages:
            locks.enter_context(store.lock(city, stage, timeout_s=LOCK_TIMEOUT_S))
        yield


@contextmanager
def kept_record(store: Store, city: str, stage: str, name: str) -> Iterator[None]:
    """Tidy a table without making its stage work again: a record that held before holds afterwards."""
    record, before = store.stage_record(city, stage), store.tables.version(city, name)
    yield
    after = store.tables.version(city, name)
    if record is not None and record.versions.get(name) == before != after:
        outputs = {**record.outputs, name: store.tables.digest(city, name)}
        versions = {**record.versions, name: after}
        store.write_stage_record(city, replace(record, outputs=outputs, versions=versions))


def _pictures_of_posts(store: Store, city: str) -> set[str]:
    lists = (batch["image_digests"].flatten() for batch in store.tables.batches(city, "posts", ["image_digests"]))
    return {digest for digests in lists for digest in digests.to_pylist()}


def _clean_pictures(store: Store, city: str, where: pc.Expression | None = None) -> set[str]:
    return _values(store, city, "clean_images", "clean_digest", where)


def _values(store: Store, city: str, table: str, column: str, where: pc.Expression | None = None) -> set[str]:
    batches = store.tables.batches(city, table, [column], where)
    return {value for batch in batches for value in batch[column].to_pylist() if value is not None}


def _mark(gone: set[str]) -> str:
    return json_digest(sorted(gone))

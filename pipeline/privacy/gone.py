"""Gone posts: deleted, set private, or opted out; what is kept of their pictures is removed with them.

Reads  posts, drops of the stage posts; of all cities the digests that posts and clean pictures refer to
Writes images, portrait_masks, clean_images, image_features, the journal: rows of pictures that no post of the city
       refers to any more are removed; the ids of the posts
Law: nothing is read where no table has changed since the last time, and nothing removed where one is lost. The
pictures themselves, which no row names any more, go with the sweep of `pipeline.privacy.leftovers` that follows.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import pyarrow.compute as pc

from pipeline.collect.instagram.live import open_journal
from pipeline.collect.post_rules import OPTED_OUT
from pipeline.collect.sources import journal_path
from pipeline.errors import StageBusyError
from pipeline.privacy.leftovers import HINDRANCES, sweep_leftovers
from pipeline.privacy.named_pictures import clean_pictures, pictures_of_posts, released_posts, require_tables, values
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.store.files import MANIFEST, write_atomically
from pipeline.store.out_of_place import set_odd_aside
from pipeline.store.tables import DamagedTableError

DELETED = "deleted"
"""The state of a tombstone in `posts`."""

PICTURE_TABLES = {
    "images": "posts",
    "portrait_masks": "portrait_masks",
    "clean_images": "clean_images",
    "study_features": "study_data",
}
"""Tables with a row per original picture -> the stage that writes each."""

LOCK_TIMEOUT_S = 10.0
"""How long a sweep waits for another process."""

log = logging.getLogger("mrlf")


def gone_posts(store: Store, city: str) -> set[str]:
    """The keys of a city's tombstones, and of the posts that were opted out."""
    deleted = pc.field("state") == DELETED
    opted_out = (pc.field("stage") == "posts") & (pc.field("reason") == OPTED_OUT)
    return values(store, city, "posts", "post_key", deleted) | values(store, city, "drops", "post_key", opted_out)


def is_swept(store: Store, city: str, what: str, gone: set[str]) -> bool:
    """Whether `what` of exactly these posts was removed by an earlier run."""
    path = store.root / "forgotten" / f"{city}.{what}"
    return path.read_text("utf-8", "replace") == _mark(gone) if path.is_file() else not gone


def mark_swept(store: Store, city: str, what: str, gone: set[str]) -> None:
    """Remember that `what` of these posts is removed; no key is written."""
    write_atomically(store.root / "forgotten" / f"{city}.{what}", _mark(gone).encode())


def tidy(store: Store, city: str) -> None:
    """At the start of a stage: what a killed run, or a post that left, has left behind goes; what lies in the place
    of something else is set aside. What hinders that is in the log and hinders no stage.

    Raises:
        ValueError: a folder of the store is on a disk that is not mounted.
    """
    with suppress(OSError):  # of another user, or on a disk that is read only
        set_odd_aside(store.root, city)
    try:
        forget_pictures(store, city)
    except HINDRANCES as error:
        log.info("%s: pictures that no post has are left for the next start: %s", city, error)
    sweep_leftovers(store)


def forget_pictures(store: Store, city: str) -> int:
    """Remove the rows of pictures that no post has, with all that was made of them, and the ids of gone posts; how
    many pictures. The sweep of leftovers removes the pictures themselves.

    Raises:
        StageBusyError: a stage that writes these tables is at work in another process, and posts are gone.
        UnreadableError: a table is lost.
    """
    state, mark = _versions(store, city), store.root / "swept" / f"{city}.pictures"
    if mark.is_file() and mark.read_text("utf-8", "replace") == state:
        return 0
    require_tables(store, city, ["posts", *PICTURE_TABLES])
    gone, unused = gone_posts(store, city), _unused(store, city)
    has_new_gone = not is_swept(store, city, "pictures", gone)
    if unused or has_new_gone:
        try:
            with holding(store, city, [*PICTURE_TABLES.values(), "image_features"]):
                unused = _unused(store, city)
                _forget_rows(store, city, unused)
                with PrivateIds.open(store, city) as ids:
                    ids.remove(gone, held=set(released_posts(store, city)))
                mark_swept(store, city, "pictures", gone)
        except StageBusyError:  # it has just begun and changes them anyway
            if has_new_gone:
                raise
            return 0
    write_atomically(mark, _versions(store, city).encode())
    return len(unused)


def _forget_rows(store: Store, city: str, unused: set[str]) -> None:
    if journal_path(store, city).exists():
        with open_journal(store, city) as journal:
            journal.images.forget(unused)
    is_curated = _are_curated(store, city, unused)
    for name, stage in reversed(list(PICTURE_TABLES.items())):
        with kept_record(store, city, stage, name, is_whole=name == "images" or not is_curated):
            store.tables.remove(city, name, "digest", unused)
    forget_features(store, city)


def forget_features(store: Store, city: str) -> None:
    """Remove the features of clean pictures that nothing names: of gone posts, of earlier settings."""
    had = values(store, city, "image_features", "clean_digest")
    if had:
        record = store.stage_record(city, "image_features")
        release = store.dataset_folder(city, record.inputs.get("dataset", "")) if record is not None else store.root
        with kept_record(store, city, "image_features", "image_features", is_whole=(release / MANIFEST).is_file()):
            store.tables.remove(city, "image_features", "clean_digest", had - clean_pictures(store, city))


def _are_curated(store: Store, city: str, digests: set[str]) -> bool:
    """Whether `curated_posts`, which has not run since, still names one of these pictures: its posts may come back."""
    try:
        batches = list(store.tables.batches(city, "curated_posts", ["image_digests"]))
    except DamagedTableError:
        return True
    return any(not digests.isdisjoint(batch["image_digests"].flatten().to_pylist()) for batch in batches)


def _unused(store: Store, city: str) -> set[str]:
    """The originals that tables of pictures name and no post has."""
    had = set[str]().union(*(values(store, city, name, "digest") for name in PICTURE_TABLES))
    return had - pictures_of_posts(store, city) if had else set()


@contextmanager
def holding(store: Store, city: str, stages: list[str]) -> Iterator[None]:
    """Hold the locks of these stages of a city."""
    with ExitStack() as locks:
        for stage in stages:
            locks.enter_context(store.lock(city, stage, timeout_s=LOCK_TIMEOUT_S))
        yield


@contextmanager
def kept_record(store: Store, city: str, stage: str, name: str, *, is_whole: bool = True) -> Iterator[None]:
    """Tidy a table without making its stage work again: a record that held before holds afterwards, and so does what
    the records of other stages say that they have read. is_whole: what the stage works on has none of what goes;
    else it runs again, as that may be asked for once more.
    """
    record, before = store.stage_record(city, stage), store.tables.version(city, name)
    yield
    after = store.tables.version(city, name)
    if record is not None and record.versions.get(name) == before != after:
        outputs = {**record.outputs, name: store.tables.digest(city, name)}
        versions = {**record.versions, name: after}
        digest = record.digest if is_whole else ""
        store.write_stage_record(city, replace(record, digest=digest, outputs=outputs, versions=versions))
        for other in store.stage_records(city):
            if other.inputs.get(f"{name}@{stage}") == record.outputs[name]:
                inputs = {**other.inputs, f"{name}@{stage}": outputs[name]}
                store.write_stage_record(city, replace(other, inputs=inputs))


def _versions(store: Store, city: str) -> str:
    names = ["posts", "drops", *PICTURE_TABLES, "image_features"]
    return json_digest({name: store.tables.version(city, name) for name in names})


def _mark(gone: set[str]) -> str:
    return json_digest(sorted(gone))

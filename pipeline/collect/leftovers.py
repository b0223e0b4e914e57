"""Leftovers: what no table and no journal names, of writers that were killed and of posts that have left.

Reads  what is on disk; of all cities the digests in posts, images, clean_images, journals and releases
Writes removes pictures, half releases, and files and folders of writers that were killed; marks in swept/
Law: nothing goes that a table, a journal or a whole release names, and nothing of a writer that lives. Stages that
write pictures before a row names them are kept out meanwhile; where one is at work, its kind of picture waits for the
next sweep, and that is told. The cost is that of listing folders and reading columns of digests; where no folder of
pictures, table, journal or release has changed since the last sweep, it is that of asking for their times.
Covered: SIGKILL anywhere, posts that curation had dropped, clean pictures of earlier settings. Not covered: what was
copied out of the store. Half models stay: the next training goes on from their checkpoint, and they leave with the
first post that is gone. Half downloads of weights stay as well: the next one goes on from there.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from pipeline.collect.instagram.status import look_at_journal
from pipeline.store import Store
from pipeline.store.blobs import Kind, write_atomically
from pipeline.store.digests import json_digest
from pipeline.store.folders import MANIFEST
from pipeline.store.store import StageBusyError
from pipeline.store.temporaries import PREFIX, remove_dead

NAMED_IN: dict[Kind, tuple[str, ...]] = {"original": ("posts", "images"), "clean": ("clean_images",)}
"""Tables that name the pictures of a kind."""

IN_JOURNAL = (
    "SELECT digest FROM images WHERE row IS NOT NULL UNION "
    "SELECT one.value FROM posts, json_each(posts.row, '$.image_digests') AS one WHERE posts.row IS NOT NULL"
)
"""Pictures that a journal has not carried to the tables yet."""

SETTLED_S = 2.0
"""A folder that changed so short before it was listed can have changed afterwards without another time."""

HINDRANCES = (StageBusyError, ValueError, OSError, DeltaError)
"""What may keep a sweep from its work: a stage at work, a table or journal that cannot be read, a disk."""

log = logging.getLogger("mrlf")


@dataclass(kw_only=True)
class Swept:
    """What was removed, in numbers, and what had to wait and why."""

    pictures: int = 0
    temporaries: int = 0
    releases: int = 0
    waiting: list[str] = field(default_factory=list)


def sweep_leftovers(store: Store, *, patience_s: float = 0, is_anew: bool = False) -> Swept:
    """Remove what nobody names, in all cities.

    patience_s: how long a stage that writes pictures is waited for. is_anew: look also where nothing has changed.
    """
    swept = Swept()
    parts = [_remove_half_releases, _remove_temporaries]
    parts += [partial(_remove_pictures, kind=kind, patience_s=patience_s, is_anew=is_anew) for kind in NAMED_IN]
    for remove in parts:
        try:
            remove(store, swept)
        except HINDRANCES as error:  # it hinders nobody: the next sweep comes
            swept.waiting.append(str(error))
    if swept.pictures or swept.temporaries or swept.releases:
        log.info(
            "removed what no table names: pictures %d, half releases %d, files of killed writers %d",
            swept.pictures, swept.releases, swept.temporaries,
        )  # fmt: skip
    for why in swept.waiting:
        log.info("what no table names was not looked for everywhere: %s", why)
    return swept


def pictures_of_posts(store: Store, city: str) -> set[str]:
    """The originals that a city's posts have, in its table and in its journal."""
    lists = (batch["image_digests"].flatten() for batch in store.tables.batches(city, "posts", ["image_digests"]))
    return _unemptied(store, city).union(*(digests.to_pylist() for digests in lists))


def values(store: Store, city: str, table: str, column: str, where: pc.Expression | None = None) -> set[str]:
    """What stands in a column."""
    batches = store.tables.batches(city, table, [column], where)
    return {value for batch in batches for value in batch[column].to_pylist() if value is not None}


def _remove_pictures(store: Store, swept: Swept, *, kind: Kind, patience_s: float, is_anew: bool) -> None:
    mark = store.root / "swept" / kind
    if not is_anew and mark.is_file() and mark.read_text() == _state(store, kind)[0]:
        return
    swept.temporaries += remove_dead(store.blobs.listed(kind)[1])  # their own locks tell, whoever else is at work
    with store.no_picture_written(kind, patience_s):
        begun = time.time()
        state, changed = _state(store, kind)
        on_disk, _ = store.blobs.listed(kind)
        unnamed = on_disk - NAMES[kind](store) if on_disk else set()
        for digest in unnamed:
            store.blobs.remove(kind, digest)
        swept.pictures += len(unnamed)
        if not unnamed and changed < begun - SETTLED_S:
            write_atomically(mark, state.encode())


def _named_originals(store: Store) -> set[str]:
    cities = {*store.tables.cities(), *(path.stem for path in (store.root / "crawl").glob("*.sqlite"))}
    of_posts = (pictures_of_posts(store, city) for city in cities)
    return set[str]().union(*of_posts, *(values(store, city, "images", "digest") for city in cities))


def clean_pictures(store: Store, city: str) -> set[str]:
    """Those that a city's table names, and those of its releases: a model is asked about them before it answers."""
    folders = (folder for folder in _releases(store, city) if (folder / MANIFEST).is_file())
    return values(store, city, "clean_images", "clean_digest").union(*map(_of_release, folders))


def _named_clean(store: Store) -> set[str]:
    cities = {*store.tables.cities(), *(folder.parent.name for folder in _releases(store))}
    return set[str]().union(*(clean_pictures(store, city) for city in cities))


NAMES: dict[Kind, Callable[[Store], set[str]]] = {"original": _named_originals, "clean": _named_clean}


def _unemptied(store: Store, city: str) -> set[str]:
    found = look_at_journal(store, city, lambda disk: {digest for (digest,) in disk.execute(IN_JOURNAL)})
    return found or set()


def _of_release(folder: Path) -> set[str]:
    """The clean pictures of a release; none of a damaged one, which nobody can use."""
    try:
        return set(pq.read_table(folder / "posts.parquet", columns=["clean_digest"])["clean_digest"].to_pylist())
    except (OSError, pa.ArrowException):
        return set()


def _releases(store: Store, city: str = "*") -> list[Path]:
    return sorted(path for path in (store.root / "datasets").glob(f"{city}/[!.]*") if path.is_dir())


def _remove_half_releases(store: Store, swept: Swept) -> None:
    """Those whose writer was killed: they have no manifest, and nobody holds the lock of their stage."""
    for folder in _releases(store):
        if (folder / MANIFEST).is_file():
            continue
        aside = folder.with_name(f"{PREFIX}{folder.name}")  # a moment under the lock: no stage has to wait
        try:
            with store.lock(folder.parent.name, "dataset"):
                if (folder / MANIFEST).is_file():
                    continue
                folder.rename(aside)
        except StageBusyError:
            continue
        shutil.rmtree(aside)
        swept.releases += 1


def _remove_temporaries(store: Store, swept: Swept) -> None:
    swept.temporaries += remove_dead(_temporaries(store.root))


def _temporaries(root: Path) -> Iterator[Path]:
    """All but those beside pictures, which are listed with these; Delta's tables have none of ours."""
    for folder, subfolders, names in os.walk(root):
        if Path(folder) == root:
            subfolders[:] = [name for name in subfolders if name not in ("blobs", "tables")]
        yield from (Path(folder, name) for name in (*subfolders, *names) if name.startswith(PREFIX))
        subfolders[:] = [name for name in subfolders if not name.startswith(PREFIX)]


def _state(store: Store, kind: Kind) -> tuple[str, float]:
    """A digest that changes with what may change a sweep, without reading any of it; and when that last happened."""
    folders = [store.root / "blobs" / kind, *store.blobs.folders(kind)]
    tables = [store.tables.path(city, name) for city in store.tables.cities() for name in NAMED_IN[kind]]
    folders += [table / "_delta_log" for table in tables]
    folders += (store.root / "crawl").glob("*.sqlite*") if kind == "original" else _releases(store)
    times = {str(path.relative_to(store.root)): path.stat().st_mtime_ns for path in folders if path.exists()}
    times = {name: at for name, at in times.items() if not name.endswith("-shm")}
    return json_digest(times), max(times.values(), default=0) / 1e9

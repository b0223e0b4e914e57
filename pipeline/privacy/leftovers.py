"""Leftovers: what no table and no journal names, of writers that were killed and of posts that have left.

Reads  what is on disk; of all cities the digests in posts, images, clean_images, journals and releases
Writes removes pictures, half releases, and files and folders of writers that were killed; marks in swept/
Law: nothing goes that a table, a journal or a whole release names, and nothing of a writer that lives. Stages that
have pictures in hand that no row names are kept out meanwhile; where one is at work, or what may name a picture cannot
be read, its kind of picture waits for the next sweep, and that is logged. The cost is that of listing folders and
reading columns of digests; where no folder of pictures, table, journal or release has changed since the last sweep, it
is that of asking for their times.
Covered: SIGKILL anywhere, posts that curation had dropped, clean pictures of earlier settings, a disk that is not
mounted, a table that is half restored. Not covered: what was copied out of the store. Half models stay: the next
training goes on from their checkpoint, and they leave with the first post that is gone. Half downloads of weights stay
as well: the next one goes on from there.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from deltalake.exceptions import DeltaError
from pyarrow import ArrowException

from pipeline.errors import StageBusyError
from pipeline.privacy.named_pictures import NAMED_IN, NAMES, known_cities, release_folders, require_tables
from pipeline.store import Store
from pipeline.store.blobs import Kind
from pipeline.store.digests import json_digest
from pipeline.store.files import MANIFEST, PREFIX, remove_dead, write_atomically

WRITTEN_BY = {
    "posts": "posts",
    "images": "posts",
    "curated_posts": "curated_posts",
    "portrait_masks": "portrait_masks",
    "clean_images": "clean_images",
    "image_features": "image_features",
    "study_features": "study_data",
}
"""Tables whose files hold texts, pictures or their digests, and the stages that write them."""

WRITERS = {**WRITTEN_BY, "pois": "pois"}
"""The same with the names of places, which may be kept for a time only."""

FOLDERS = (
    "crawl",
    "datasets",
    "digests",
    "forgotten",
    "models",
    "overrules",
    "private",
    "refused",
    "reports",
    "stages",
    "study",
    "swept",
    "weights",
)
"""Folders of the store in which files are written beside their place; each may lie on another disk behind a link."""

OF_A_RELEASE = re.compile(r"(train|validation|test|val)-[0-9]{6}\.tar|labels\.json|posts\.parquet|\.writing-.*")
OF_A_VERSION = re.compile(r"[0-9a-f]{16}")

SETTLED_S = 2.0
"""A folder that changed so short before it was listed can have changed afterwards without another time."""

HINDRANCES = (StageBusyError, ValueError, OSError, DeltaError, ArrowException)
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
    of_pictures = (partial(_remove_pictures, kind=kind, patience_s=patience_s, is_anew=is_anew) for kind in NAMED_IN)
    uncommitted = partial(_remove_uncommitted, is_anew=is_anew)
    parts: list[Callable[[Store, Swept], None]]
    parts = [_remove_half_releases, _remove_temporaries, uncommitted, *of_pictures]
    for remove in parts:
        try:
            remove(store, swept)
        except HINDRANCES as error:  # it hinders nobody: the next sweep comes
            swept.waiting.append(str(error))
    if swept.pictures or swept.temporaries or swept.releases:
        log.info(
            "removed what no table names: pictures %d, half releases %d, files of killed writers %d",
            swept.pictures,
            swept.releases,
            swept.temporaries,
        )
    for why in swept.waiting:
        log.info("what no table names was not looked for everywhere: %s", why)
    return swept


def _remove_pictures(store: Store, swept: Swept, *, kind: Kind, patience_s: float, is_anew: bool) -> None:
    mark = store.root / "swept" / kind
    if not is_anew and mark.is_file() and mark.read_text("utf-8", "replace") == _state(store, kind)[0]:
        return
    swept.temporaries += remove_dead(store.blobs.listed(kind)[1])  # by their own locks, whoever else is at work
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


def _remove_half_releases(store: Store, swept: Swept) -> None:
    """Those whose writer was killed: they have no manifest, and nobody holds the lock of their stage."""
    for folder in release_folders(store):
        try:
            if _is_half_release(folder) and _is_put_aside(store, folder):
                swept.releases += 1
        except OSError as error:
            swept.waiting.append(str(error))


def _is_half_release(folder: Path) -> bool:
    """Whether it has no manifest and nothing but what a release is written of; what else is there is somebody's."""
    if folder.is_symlink() or (folder / MANIFEST).exists():
        return False
    paths = list(folder.iterdir())
    is_ours = all(OF_A_RELEASE.fullmatch(path.name) and not path.is_symlink() for path in paths)
    return is_ours and bool(paths or OF_A_VERSION.fullmatch(folder.name))


def _is_put_aside(store: Store, folder: Path) -> bool:
    """Remove a half release unless its writer lives; whether that was done."""
    aside = folder.with_name(f"{PREFIX}{folder.name}")  # a moment under the lock: no stage has to wait
    try:
        with store.lock(folder.parent.name, "dataset"):
            if (folder / MANIFEST).is_file():
                return False
            folder.rename(aside)
    except StageBusyError:
        return False
    shutil.rmtree(aside)
    return True


def _remove_uncommitted(store: Store, swept: Swept, *, is_anew: bool) -> None:
    """Rows that a killed writer had on disk and never committed."""
    begun, (state, changed) = time.time(), _state_of_tables(store)
    mark = store.root / "swept" / "tables"
    if not is_anew and mark.is_file() and mark.read_text("utf-8", "replace") == state:
        return
    has_all = True
    for city in store.tables.cities():
        for name in WRITERS:
            try:
                swept.temporaries += _num_uncommitted_removed(store, city, name)
            except StageBusyError:  # its own, most likely
                has_all = False
            except HINDRANCES as error:
                has_all = False
                swept.waiting.append(str(error))
    if has_all and changed < begun - SETTLED_S:
        write_atomically(mark, state.encode())


def _num_uncommitted_removed(store: Store, city: str, name: str) -> int:
    if not store.tables.uncommitted(city, name):
        return 0
    with store.lock(city, WRITERS[name]):
        require_tables(store, city, [name])  # an older copy that was put back does not name what is newer
        left = store.tables.uncommitted(city, name)
        for path in left:
            path.unlink(missing_ok=True)
    return len(left)


def _remove_temporaries(store: Store, swept: Swept) -> None:
    swept.temporaries += remove_dead(_temporaries(store.root))


def _temporaries(root: Path) -> Iterator[Path]:
    """All but those beside pictures, which are listed with these; Delta's tables have none of ours."""
    yield from root.glob(f"{PREFIX}*")
    for folder, subfolders, names in chain.from_iterable(os.walk(root / name) for name in FOLDERS):
        yield from (Path(folder, name) for name in (*subfolders, *names) if name.startswith(PREFIX))
        subfolders[:] = [name for name in subfolders if not name.startswith(PREFIX)]


def _state(store: Store, kind: Kind) -> tuple[str, float]:
    """A digest that changes with what may change a sweep, without reading any of it; and when that last happened."""
    folders = [store.root / "blobs" / kind, *store.blobs.folders(kind)]
    tables = [store.tables.path(city, name) for city in known_cities(store) for name in NAMED_IN[kind]]
    folders += [table / "_delta_log" for table in tables]
    folders += (store.root / "crawl").glob("*.sqlite*") if kind == "original" else release_folders(store)
    return _times(store.root, [path for path in folders if not path.name.endswith("-shm")])


def _state_of_tables(store: Store) -> tuple[str, float]:
    """The same for the files of tables."""
    tables = [store.tables.path(city, name) for city in store.tables.cities() for name in WRITERS]
    return _times(store.root, [*tables, *(table / "_delta_log" for table in tables)])


def _times(root: Path, paths: list[Path]) -> tuple[str, float]:
    times = {str(path.relative_to(root)): path.stat().st_mtime_ns for path in paths if path.exists()}
    return json_digest(times), max(times.values(), default=0) / 1e9

"""Lost pictures: those that a table names and that are not in the store, or are there damaged.

Reads  columns of digests; what is on disk
Writes swept/<city>.<table>: that nothing was lost in this state of the folders and the table
Law: who is handed bytes of a picture compares them with its digest (`Blobs.get`, `WholePictures`); what differs is no
picture of anybody and is removed, so that a damaged picture is a lost one. The stage that made it makes it again in a
plain rerun: `posts` of the archive, `clean_images` of the original. Where nothing has changed, the cost is that of
asking for the times of folders.
Covered: cut, flipped, deleted. Not covered: a flipped picture that nobody reads, but for `mrlf verify --deep`; an
original that was collected live and is nowhere else.
"""

import time
from collections.abc import Callable, Collection
from typing import Any

import pyarrow.compute as pc

from pipeline.engine import PictureWorker
from pipeline.store import Store
from pipeline.store.blobs import Kind
from pipeline.store.digests import bytes_digest, json_digest
from pipeline.store.files import write_atomically

GONE = "original_gone"
"""The outcome of a picture whose bytes are not there."""

BLOB = "blob"
"""The column that names the bytes which a worker is handed."""

SETTLED_S = 2.0
"""A folder that changed so short before it was listed can have changed afterwards without another time."""

MADE_BY: dict[Kind, str] = {"original": "posts", "clean": "clean_images"}


class WholePictures:
    """A worker that sees pictures as they were stored, and None in place of damaged ones."""

    def __init__(self, make_worker: Callable[[], PictureWorker]) -> None:
        self._work = make_worker()

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As the worker's own."""
        return self._work([_whole(row) for row in rows])


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    digest, data = row[BLOB], row["data"]
    rest = {name: value for name, value in row.items() if name != BLOB}
    return {**rest, "data": data if data is not None and bytes_digest(data) == digest else None}


def lost_pictures(
    store: Store, city: str, kind: Kind, table: str, column: str, where: pc.Expression | None = None
) -> set[str]:
    """The digests of a column (for whose rows `where` holds) of which there is no picture on disk."""
    mark = store.root / "swept" / f"{city}.{table}"
    state, changed = _state(store, city, kind, table)
    if mark.is_file() and mark.read_text("utf-8", "replace") == state:
        return set()
    begun, on_disk = time.time(), store.blobs.listed(kind)[0]
    batches = store.tables.batches(city, table, [column], where)
    named = {digest for batch in batches for digest in batch[column].to_pylist() if digest is not None}
    lost = named - on_disk
    if not lost and changed < begun - SETTLED_S:
        write_atomically(mark, state.encode())
    return lost


def _state(store: Store, city: str, kind: Kind, table: str) -> tuple[str, float]:
    """What changes with a picture that comes or goes, and with the table; when a folder changed last."""
    times = {folder.name: folder.stat().st_mtime_ns for folder in store.blobs.folders(kind)}
    return json_digest([times, store.tables.version(city, table)]), max(times.values(), default=0) / 1e9


def damaged_pictures(store: Store, kind: Kind, digests: Collection[str]) -> list[str]:
    """Remove those of these pictures that are on disk and damaged; all are read."""
    return [digest for digest in sorted(digests) if store.blobs.remove_damaged(kind, digest)]


def lost_sentence(city: str, kind: Kind, digests: Collection[str], where: str) -> str:
    """What is lost, and what makes it again."""
    live = "; those that were collected live are not asked for again: put a copy of them back"
    return (
        f"{len(digests):,} {kind} pictures of {city} are gone from the store or were damaged (the first is "
        f"{min(digests)}), {where}: `mrlf run {city}` makes them again, beginning with its stage {MADE_BY[kind]}"
        f"{live if kind == 'original' else ''}"
    )

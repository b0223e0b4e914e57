"""What is known of the files of a table: the sums of their rows, the digests of their bytes, and how they lay then.

Kept in digests/<city>/<table>.json. No file of a table is ever edited, so what was hashed once is not hashed again,
and a file whose size, times and inode are those of then is not read to be compared, but for a deep look.
Law: equal rows give an equal digest, whatever their order and the commits that brought them. Nothing kept here shows
anything of a row.
Covered: a file that is missing, cut or changed, an entry of the log that is, a log that has lost its last entries, an
older copy. Not covered: bytes that a disk changes by itself, but for a deep look; of what was written since the last
time that the table was summed up, or where what is kept is damaged too, more than that the file can be opened.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from deltalake.transaction import AddAction
from pyarrow import parquet

from pipeline.records import LEDGER_TABLES, TableSpec
from pipeline.store.digests import file_digest, json_digest
from pipeline.store.kept import read_kept, remember_kept

ROWS_AT_ONCE = 4096
MODULUS = 2**256
LOG = "_delta_log"
NOWHERE = -1
"""The version of a table that was never summed up."""

RowSum: TypeAlias = tuple[int, int]
"""How many rows, and the sum of their digests."""

FileSums: TypeAlias = dict[str, RowSum]
"""The sums of a file by part: by stage for the tables of the ledger, else one part named ""."""

State: TypeAlias = tuple[int, ...]
"""What changes when a file does: size, times, inode."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is kept of a table. version: of its log. digests: of files by their path in the table's folder, with their
    state when they were compared last.
    """

    version: int = NOWHERE
    sums: Mapping[str, FileSums] = field(default_factory=dict)
    digests: Mapping[str, tuple[str, State]] = field(default_factory=dict)


def table_digest(spec: TableSpec, sums: Iterable[FileSums], part: str | None = None) -> str:
    """The digest of the rows of these files (of one part) without the volatile columns."""
    wanted = [one for of_file in sums for name, one in of_file.items() if part is None or name == part]
    num_rows, total = sum(one[0] for one in wanted), sum(one[1] for one in wanted)
    return json_digest([spec.name, _columns(spec), num_rows, f"{total % MODULUS:064x}"])


def sum_up(spec: TableSpec, folder: Path, kept: Path, version: int, files: Iterable[str]) -> Known:
    """What is known of a table of this version and files; only new files are read."""
    known = load(spec, kept)
    names = [*files, *log_entries(folder)]
    digests = {name: known.digests.get(name) or _compared(folder / name) for name in names}
    sums = {name: known.sums[name] if name in known.sums else _hash(spec, folder / name) for name in files}
    found = Known(version=version, sums=sums, digests=digests)
    if found != known:
        save(spec, kept, found)
    return found


def note(spec: TableSpec, folder: Path, kept: Path, version: int, files: Collection[str]) -> None:
    """Keep the digests of files that were just written; their rows are summed up when that is asked for."""
    known = load(spec, kept)
    names = [*files, *log_entries(folder)]
    digests = {name: known.digests.get(name) or _compared(folder / name) for name in names}
    sums = {name: sums for name, sums in known.sums.items() if name in files}
    save(spec, kept, Known(version=version, sums=sums, digests=digests))


def damaged(spec: TableSpec, folder: Path, kept: Path, files: Iterable[str], *, is_deep: bool) -> list[str]:
    """Which of these files of a table are missing or not what they were; `is_deep` looks into all of them."""
    known = load(spec, kept)
    odd, compared = [], dict(known.digests)
    for name in files:
        state, stated = _state(folder / name), known.digests.get(name)
        if state is None or (stated is None and not _has_footer(folder / name, state)):
            odd.append(name)
        elif stated is not None and (is_deep or stated[1] != state):
            is_same = stated[1][:1] in ((), state[:1]) and file_digest(folder / name) == stated[0]
            odd += [] if is_same else [name]
            compared[name] = stated[0], state if is_same else ()
    if compared != known.digests:
        save(spec, kept, Known(version=known.version, sums=known.sums, digests=compared))
    return odd


def add_action(folder: Path, name: str) -> AddAction:
    """What a log says of a file that holds rows."""
    state, num_rows = (folder / name).stat(), parquet.read_metadata(folder / name).num_rows
    return AddAction(
        path=name,
        size=state.st_size,
        partition_values={},
        modification_time=state.st_mtime_ns // 10**6,
        data_change=True,
        stats=json.dumps({"numRecords": num_rows}),
    )


def log_entries(folder: Path) -> list[str]:
    """The entries of a table's log and their checkpoints, none of which is ever edited."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return [f"{LOG}/{name}" for name in os.listdir(folder / LOG) if name[:20].isdigit()]
    return []


@lru_cache(maxsize=4096)
def _has_footer(path: Path, state: State) -> bool:
    """Whether a file of which nothing is kept can be opened, in this state of it."""
    if path.parent.name == LOG:  # the library reads all of it
        return True
    try:
        parquet.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return False
    return True


def _compared(path: Path) -> tuple[str, State]:
    state = _state(path)
    return file_digest(path), state or ()


def _state(path: Path) -> State | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _hash(spec: TableSpec, path: Path) -> FileSums:
    """The sums of one file, read piece by piece."""
    columns, sums = _columns(spec), dict[str, RowSum]()
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
            for row in batch.cast(pa.schema([spec.schema.field(name) for name in batch.schema.names])).to_pylist():
                part = row["stage"] if spec.name in LEDGER_TABLES else ""
                num_rows, total = sums.get(part, (0, 0))
                sums[part] = num_rows + 1, (total + _row(row, columns)) % MODULUS
    return sums


def _row(row: Mapping[str, object], columns: list[str]) -> int:
    """The digest of a row, as text and not as Arrow's buffers: those keep arbitrary bytes under null values."""
    row_bytes = repr(tuple(row[name] for name in columns)).encode("utf-8", "backslashreplace")
    return int.from_bytes(hashlib.sha256(row_bytes).digest(), "big")


def _columns(spec: TableSpec) -> list[str]:
    return [name for name in spec.schema.names if name not in spec.volatile]


def load(spec: TableSpec, kept: Path) -> Known:
    """What is kept of this form of the table; nothing where there is none, of another form, or damaged."""
    state = _state(kept)
    return _loaded(spec.name, tuple(_columns(spec)), kept, state) if state is not None else Known()


@lru_cache(maxsize=64)
def _loaded(name: str, columns: tuple[str, ...], kept: Path, state: State) -> Known:
    """As it stands in this state of the file."""

    def read(content: Any) -> Known:
        if tuple(content["columns"]) != columns:
            return Known()
        sums = {
            name: {str(part): (int(num_rows), int(total, 16)) for part, (num_rows, total) in of_file.items()}
            for name, of_file in content["files"].items()
        }
        digests = {
            str(name): (str(digest), tuple(map(int, lay)))
            for name, (digest, lay) in content.get("digests", {}).items()
        }
        return Known(version=int(content.get("version", NOWHERE)), sums=sums, digests=digests)

    return read_kept(kept, read) or Known()


def save(spec: TableSpec, kept: Path, known: Known) -> None:
    """Keep this, where the disk lets it: it only saves work."""
    files = {
        name: {part: (num_rows, f"{total:x}") for part, (num_rows, total) in of_file.items()}
        for name, of_file in known.sums.items()
    }
    remember_kept(
        kept, {"columns": _columns(spec), "version": known.version, "files": files, "digests": dict(known.digests)}
    )

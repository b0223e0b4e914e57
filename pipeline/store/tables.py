"""Delta tables of one city under one folder: read, append, replace, merge, delete; every write is one atomic commit.

Law: a reader sees the version before a write or the one after it; a killed writer leaves the old one.
Not covered: two processes that write the same rows (the caller holds the lock of the city and stage).

A table's content digest is summed up file by file, and what was hashed once is not hashed again, since no file is ever
edited: a JSON file beside the tables has of each Parquet file and part the number of rows and the sum of their sha256.
Law: equal rows give an equal digest, whatever their order and the commits that brought them. Nothing kept here
shows anything of a row.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import fs, parquet

from pipeline.records import LEDGER_TABLES, SCHEMA_VERSION, TABLES, TableSpec
from pipeline.store.digests import json_digest
from pipeline.store.files import write_atomically

ROWS_AT_ONCE = 4096
MODULUS = 2**256

RowSum: TypeAlias = tuple[int, int]
"""How many rows, and the sum of their digests."""

FileSums: TypeAlias = dict[str, RowSum]
"""The sums of a file by part: by stage for the tables of the ledger, else one part named ""."""

LogState: TypeAlias = tuple[tuple[str, int, int], ...]
"""The files of a table's log: name, size, time of change."""

Rows: TypeAlias = pa.Table | list[dict[str, object]]
SMALL_GROUPS = WriterProperties(max_row_group_size=2 * ROWS_AT_ONCE)
"""More rows are not held at once where rows are read piece by piece."""
COMMITS_PER_CHECKPOINT = 10
"""of a new table: opening it reads one file of the log for each commit since the last checkpoint"""


def table_digest(spec: TableSpec, files: Iterable[Path], kept: Path, part: str | None = None) -> str:
    """The digest of the rows in these files (of one part) without the volatile columns.

    kept: where the sums of files that were hashed before are kept.
    """
    sums = _sums(spec, list(files), kept)
    wanted = [one for of_file in sums.values() for name, one in of_file.items() if part is None or name == part]
    num_rows, total = sum(one[0] for one in wanted), sum(one[1] for one in wanted)
    return json_digest([spec.name, _columns(spec), num_rows, f"{total % MODULUS:064x}"])


def _sums(spec: TableSpec, files: list[Path], kept: Path) -> dict[str, FileSums]:
    """The sums of every file; only those of new files are computed."""
    known = _load(spec, kept)
    sums = {path.name: known[path.name] if path.name in known else _hash(spec, path) for path in files}
    if sums.keys() != known.keys():
        _save(spec, kept, sums)
    return sums


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


def _load(spec: TableSpec, kept: Path) -> dict[str, FileSums]:
    """What is kept of this form of the table; nothing where there is none, of another form, or damaged."""
    try:
        content = json.loads(kept.read_text())
        files = content["files"] if content["columns"] == _columns(spec) else {}
        return {
            name: {part: (num_rows, int(total, 16)) for part, (num_rows, total) in of_file.items()}
            for name, of_file in files.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):  # it is made anew from the table
        return {}


def _save(spec: TableSpec, kept: Path, sums: Mapping[str, FileSums]) -> None:
    files = {
        name: {part: (num_rows, f"{total:x}") for part, (num_rows, total) in of_file.items()}
        for name, of_file in sums.items()
    }
    write_atomically(kept, json.dumps({"columns": _columns(spec), "files": files}).encode())


def _state_of(log: Path) -> LogState:
    with os.scandir(log) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


@lru_cache(maxsize=32)
def _opened(path: str, state: LogState) -> DeltaTable:
    """The table as it stands in this state of its log; no file of a log is ever edited."""
    return DeltaTable(path)


class SchemaVersionError(ValueError):
    """The table was written by another version of the pipeline."""


class Tables:
    """The tables `<folder>/<city>/<name>`; an absent table reads as empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, city: str, name: str) -> Path:
        """Where the table lies, whether it exists or not."""
        return self._folder / city / TABLES[name].name

    def cities(self) -> list[str]:
        """Every city of which there is a table, also one whose first stage was killed."""
        return sorted(path.name for path in self._folder.glob("*/"))

    def version(self, city: str, name: str) -> int | None:
        """The number of the last commit, None where the table does not exist."""
        table = self._open(city, name)
        return table.version() if table is not None else None

    def read(self, city: str, name: str) -> pa.Table:
        """All rows, sorted by key."""
        spec = TABLES[name]
        return spec.conform(pa.Table.from_batches(self.batches(city, name), spec.schema))

    def batches(
        self, city: str, name: str, columns: list[str] | None = None, where: pc.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows piece by piece in no order; of some `columns` only, and only those for which `where` holds."""
        schema = TABLES[name].schema
        wanted = columns or schema.names
        table = self._open(city, name)
        if table is None:
            return iter(())
        # pyarrow's own file system: with the one deltalake brings, reading threads outlived the interpreter
        # and aborted it at exit (docs/DECISIONS.md)
        files = fs.SubTreeFileSystem(str(self.path(city, name).absolute()), fs.LocalFileSystem())
        asked = [column for column in schema.names if column in wanted or (where is not None and column in str(where))]
        found = table.to_pyarrow_dataset(filesystem=files).to_batches(
            columns=asked, batch_size=ROWS_AT_ONCE, batch_readahead=1, fragment_readahead=1
        )
        # what a merge or delete wrote comes back as string views, which pyarrow does not compare with strings: cast
        read = pa.schema([schema.field(column) for column in asked])
        batches = (batch if batch.schema.equals(read) else batch.cast(read) for batch in found)
        tables = (pa.Table.from_batches([batch]) for batch in batches)
        kept = tables if where is None else (rows.filter(where) for rows in tables)
        return (batch for rows in kept for batch in rows.select(wanted).to_batches())

    def replace(self, city: str, name: str, rows: Rows, where: str | None = None) -> None:
        """Put `rows` in place of the whole table, or of the rows for which the SQL predicate `where` holds."""
        spec = TABLES[name]
        table = spec.conform(rows)
        existing = self._open(city, name)
        if where is None or existing is None:
            self._write(spec, city, table, "overwrite")
            return
        with self._named(city, name):
            if table.num_rows:
                write_deltalake(existing, table, mode="overwrite", predicate=where, writer_properties=SMALL_GROUPS)
            else:
                existing.delete(where, writer_properties=SMALL_GROUPS)

    def append(self, city: str, name: str, rows: Rows) -> None:
        """Add `rows`; the caller knows that their keys are new."""
        spec = TABLES[name]
        table = spec.conform(rows)
        if table.num_rows:
            self._open(city, name)
            self._write(spec, city, table, "append")

    def append_once(self, city: str, name: str, rows: Rows, *, writer: str, number: int) -> bool:
        """Add the batch `number` of `writer` unless it was added before; whether it was added now.

        The number is a part of the commit, so that a writer killed between this and its own notes repeats nothing.
        A writer's numbers grow.
        """
        table = TABLES[name].conform(rows)
        existing = self._open(city, name)
        if not table.num_rows or (existing is not None and (existing.transaction_version(writer) or 0) >= number):
            return False
        properties = CommitProperties(app_transactions=[Transaction(writer, number)])
        self._write(TABLES[name], city, table, "append", properties)
        return True

    def merge(self, city: str, name: str, rows: Rows) -> None:
        """Put each row in place of the one of its key, or add it."""
        spec = TABLES[name]
        table = spec.conform(rows)
        existing = self._open(city, name)
        if existing is None:
            self._write(spec, city, table, "append")
        elif table.num_rows:
            same_key = " AND ".join(f"old.{column} = new.{column}" for column in spec.key)
            merger = existing.merge(
                table, same_key, source_alias="new", target_alias="old", writer_properties=SMALL_GROUPS
            )
            with self._named(city, name):
                merger.when_matched_update_all().when_not_matched_insert_all().execute()

    def delete(self, city: str, name: str, where: str) -> None:
        """Remove the rows for which the SQL predicate `where` holds; where none does, nothing is committed."""
        table = self._open(city, name)
        if table is not None:
            with self._named(city, name):
                table.delete(where, writer_properties=SMALL_GROUPS)

    def remove(self, city: str, name: str, column: str, values: Collection[str]) -> None:
        """Remove the rows whose `column` holds one of these values; the commit does not name them.

        Writes the rows that stay anew, piece by piece, as plain strings: what a delete or a merge leaves of a file are
        string views, which not every reader knows.
        """
        spec, gone = TABLES[name], pc.field(column).isin(pa.array(sorted(values), pa.string()))
        if not values or not any(batch.num_rows for batch in self.batches(city, name, [column], gone)):
            return
        rows = pa.RecordBatchReader.from_batches(spec.schema, self.batches(city, name, where=~gone))
        self._write(spec, city, rows, "overwrite")

    def erase_history(self, city: str, name: str) -> None:
        """Remove from disk what only older versions of the table hold, and their log, where values stand as bounds.

        Reads no row. What another process reads or writes meanwhile can be lost under it: the caller holds the locks.
        """
        table = self._open(city, name)
        if table is None:
            return
        table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
        table.create_checkpoint()
        last = f"{table.version():020d}"
        for path in (self.path(city, name) / "_delta_log").iterdir():
            if path.name[:20].isdigit() and path.name[:20] < last:
                path.unlink()

    def uncommitted(self, city: str, name: str) -> list[Path]:
        """Files that no version of the table names: what a writer is about to commit, or was when it was killed.

        No version that somebody may read is touched by removing them, once the caller holds the lock of the writer.
        Where there is no log there are none: it may be lost, and its next commit raises.
        """
        folder, table = self.path(city, name), self._open(city, name)
        if table is None:
            return []
        old, unnamed = (
            set(table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False, full=is_full))
            for is_full in (False, True)
        )
        return [*(folder / path for path in unnamed - old), *folder.glob("*#*"), *folder.glob("_delta_log/*#*")]

    def digest(self, city: str, name: str, stage: str | None = None) -> str:
        """The digest of the rows (of one stage) without the volatile columns; files hashed before are not read."""
        table = self._open(city, name)
        names = [] if table is None else pa.table(table.get_add_actions())["path"].to_pylist()
        files = [self.path(city, name) / path for path in names]
        return table_digest(TABLES[name], files, self._folder.parent / "digests" / city / f"{name}.json", stage)

    def _write(
        self, spec: TableSpec, city: str, table: pa.Table, mode: str, properties: CommitProperties | None = None
    ) -> None:
        path = self.path(city, spec.name)
        path.mkdir(parents=True, exist_ok=True)
        description = f"schema_version={SCHEMA_VERSION}"
        with self._named(city, spec.name):
            write_deltalake(  # type: ignore[call-overload]
                str(path),
                table,
                mode=mode,
                name=spec.name,
                description=description,
                commit_properties=properties,
                writer_properties=SMALL_GROUPS,
                configuration={"delta.checkpointInterval": str(COMMITS_PER_CHECKPOINT)},
            )

    @contextmanager
    def _named(self, city: str, name: str) -> Iterator[None]:
        """Report a full or read-only disk as what it is, with the path: Delta's own errors are of many classes."""
        try:
            yield
        except (DeltaError, OSError) as error:
            number = re.search(r"\(os error ([0-9]+)\)", str(error))
            if number is None:
                raise
            code = int(number[1])
            raise OSError(code, f"cannot write the table {self.path(city, name)}: {os.strerror(code)}") from None

    def _open(self, city: str, name: str) -> DeltaTable | None:
        path = self.path(city, name)
        try:
            table = _opened(str(path), _state_of(path / "_delta_log"))
        except (FileNotFoundError, NotADirectoryError, TableNotFoundError):  # or killed before its first commit
            return None
        description = table.metadata().description
        if description != f"schema_version={SCHEMA_VERSION}":
            raise SchemaVersionError(
                f"table {path} has {description or 'no schema_version'}, this version of the pipeline reads "
                f"schema_version={SCHEMA_VERSION}: build the city anew in an empty MRLF_DATA folder, or use the "
                "version that wrote it"
            )
        return table

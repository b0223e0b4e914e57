"""Delta tables of one city under one folder: read, append, replace, merge, delete; every write is one atomic commit.

Law: a reader sees the version before a write or the one after it; a killed writer leaves the old one.
Not covered: two processes that write the same rows (the caller holds the lock of the city and stage).

Law: no row is read, and no file written anew, of a table that is damaged: `DamagedTableError` says what is, and what
makes it again (`pipeline.store.table_files` knows its files). Mending takes out what is damaged and keeps the rest.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import create_table_with_add_actions
from pyarrow import fs

from pipeline.errors import StageError
from pipeline.records import SCHEMA_VERSION, TABLES, TableSpec
from pipeline.store import table_files
from pipeline.store.table_files import LOG, ROWS_AT_ONCE

LogState: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""The files of a table's log: name, size, times of change."""

Rows: TypeAlias = pa.Table | list[dict[str, object]]
SMALL_GROUPS = WriterProperties(max_row_group_size=2 * ROWS_AT_ONCE)
"""More rows are not held at once where rows are read piece by piece."""
COMMITS_PER_CHECKPOINT = 10
"""of a new table: opening it reads one file of the log for each commit since the last checkpoint"""
CONFIGURATION = {"delta.checkpointInterval": str(COMMITS_PER_CHECKPOINT)}


def _state_of(log: Path) -> LogState:
    with os.scandir(log) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in stats))


@lru_cache(maxsize=32)
def _opened(path: str, state: LogState) -> DeltaTable:
    """The table as it stands in this state of its log; no file of a log is ever edited."""
    return DeltaTable(path)


@lru_cache(maxsize=32)
def _files(path: str, state: LogState) -> tuple[str, ...]:
    """The files of rows of the table as it stands in this state of its log."""
    return tuple(pa.table(_opened(path, state).get_add_actions())["path"].to_pylist())


def _description() -> str:
    return f"schema_version={SCHEMA_VERSION}"


class DamagedTableError(StageError):
    """A table is not as it was written; the message says what makes it again."""


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
        table = self._whole(city, name)
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
        existing = self._open(city, name) if where is None else self._whole(city, name)
        if existing is None:
            self._kept(city, name).unlink(missing_ok=True)  # of one that was removed
        if where is None or existing is None:
            self._write(spec, city, table, "overwrite")
        else:
            with self._named(city, name):
                if table.num_rows:
                    write_deltalake(existing, table, mode="overwrite", predicate=where, writer_properties=SMALL_GROUPS)
                else:
                    existing.delete(where, writer_properties=SMALL_GROUPS)
        self._note(city, name)

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
        existing = self._whole(city, name)
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
        table = self._whole(city, name)
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
        for path in (self.path(city, name) / LOG).iterdir():
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
        return [*(folder / path for path in unnamed - old), *folder.glob("*#*"), *folder.glob(f"{LOG}/*#*")]

    def digest(self, city: str, name: str, stage: str | None = None) -> str:
        """The digest of the rows (of one stage) without the volatile columns; files hashed before are not read."""
        self.check(city, name)
        spec, folder, table = TABLES[name], self.path(city, name), self._open(city, name)
        if table is None:
            return table_files.table_digest(spec, (), stage)
        known = table_files.sum_up(spec, folder, self._kept(city, name), table.version(), self._file_names(city, name))
        return table_files.table_digest(spec, known.sums.values(), stage)

    def check(self, city: str, name: str, *, is_deep: bool = False) -> None:
        """See that a table is as it was written, as far as its files were touched since; `is_deep`: touched or not.

        Raises:
            DamagedTableError: a file or an entry of its log is missing or was changed, or there is no log any more.
        """
        if odd := self.damage(city, name, is_deep=is_deep):
            raise self._damaged(city, name, f"{odd[0]}{f' and {len(odd) - 1} more' if len(odd) > 1 else ''}")

    def damage(self, city: str, name: str, *, is_deep: bool = False) -> list[str]:
        """What of a table is not as it was written, or is missing: its files, or its log. Empty where it is whole."""
        before = self._state(city, name)
        odd = self._damage(city, name, is_deep=is_deep)
        # what another process has put in place of it meanwhile is looked at anew
        return odd if not odd or self._state(city, name) == before else self.damage(city, name, is_deep=is_deep)

    def _damage(self, city: str, name: str, *, is_deep: bool) -> list[str]:
        spec, folder, kept = TABLES[name], self.path(city, name), self._kept(city, name)
        known = table_files.load(spec, kept)
        if odd := table_files.damaged(spec, folder, kept, table_files.log_entries(folder), is_deep=is_deep):
            return odd
        try:
            table, files = self._open(city, name), self._file_names(city, name)
        except DamagedTableError:
            return [LOG]
        if (table.version() if table is not None else table_files.NOWHERE) < known.version:
            return [LOG]
        return table_files.damaged(spec, folder, kept, files, is_deep=is_deep)

    def remember(self, city: str, name: str) -> None:
        """Sum up a table of which nothing is kept, as where that was damaged, so that it can be compared again."""
        known = table_files.load(TABLES[name], self._kept(city, name))
        if known.version == table_files.NOWHERE:
            self.digest(city, name)

    def mend(self, city: str, name: str) -> list[str]:
        """Take out of a table what is damaged, and tell what that was. The rows of its whole files stay. The caller
        holds the lock of its stage, and sees that it runs again.
        """
        odd = self.damage(city, name)
        folder = self.path(city, name)
        if any(file.startswith(LOG) for file in odd):
            self._begin_anew(city, name)
        elif odd:
            for file in odd:
                (folder / file).unlink(missing_ok=True)
            DeltaTable(folder).repair()
        return odd

    def _begin_anew(self, city: str, name: str) -> None:
        """A log of those files that were known before and are whole, in place of the log that is damaged."""
        spec, folder, kept = TABLES[name], self.path(city, name), self._kept(city, name)
        files = tuple(table_files.load(spec, kept).sums)
        lost = table_files.damaged(spec, folder, kept, files, is_deep=False)
        if (folder / LOG).is_dir():
            shutil.rmtree(folder / LOG)
        else:  # a file in the place of either
            (folder / LOG if folder.is_dir() else folder).unlink(missing_ok=True)
        kept.unlink(missing_ok=True)
        whole = [table_files.add_action(folder, file) for file in files if file not in lost]
        if whole:
            create_table_with_add_actions(
                str(folder),
                Schema.from_arrow(spec.schema),
                whole,
                mode="overwrite",
                name=spec.name,
                description=_description(),
                configuration=CONFIGURATION,
            )

    def _damaged(self, city: str, name: str, what: str) -> DamagedTableError:
        stage = TABLES[name].stage
        only = " --only study_data" if stage == "study_data" else ""  # which a run without it does not build
        return DamagedTableError(
            f"the table {self.path(city, name)} is damaged ({what}): `mrlf run {city}{only}` makes it again, "
            f"beginning with its stage {stage}"
        )

    def _state(self, city: str, name: str) -> LogState:
        with suppress(FileNotFoundError, NotADirectoryError):
            return _state_of(self.path(city, name) / LOG)
        return ()

    def _kept(self, city: str, name: str) -> Path:
        """Where is kept what is known of a table's files."""
        return self._folder.parent / "digests" / city / f"{name}.json"

    def _file_names(self, city: str, name: str) -> tuple[str, ...]:
        path = self.path(city, name)
        return _files(str(path), _state_of(path / LOG)) if self._open(city, name) is not None else ()

    def _note(self, city: str, name: str) -> None:
        """Keep the digests of what was just written; an append, of which there are many, waits for the next digest."""
        table = self._open(city, name)
        if table is not None:
            files = self._file_names(city, name)
            table_files.note(TABLES[name], self.path(city, name), self._kept(city, name), table.version(), files)

    def _whole(self, city: str, name: str) -> DeltaTable | None:
        """The table, which is as it was written."""
        self.check(city, name)
        return self._open(city, name)

    def _write(
        self, spec: TableSpec, city: str, table: pa.Table, mode: str, properties: CommitProperties | None = None
    ) -> None:
        path = self.path(city, spec.name)
        path.mkdir(parents=True, exist_ok=True)
        with self._named(city, spec.name):
            write_deltalake(  # type: ignore[call-overload]
                str(path),
                table,
                mode=mode,
                name=spec.name,
                description=_description(),
                commit_properties=properties,
                writer_properties=SMALL_GROUPS,
                configuration=CONFIGURATION,
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
            table = _opened(str(path), _state_of(path / LOG))
        except (FileNotFoundError, NotADirectoryError, TableNotFoundError):  # or killed before its first commit
            return None
        except (DeltaError, ValueError, OSError) as error:
            raise self._damaged(city, name, f"{LOG}: {str(error).splitlines()[0][:200]}") from error
        description = table.metadata().description
        if description != _description():
            raise SchemaVersionError(
                f"table {path} has {description or 'no schema_version'}, this version of the pipeline reads "
                f"schema_version={SCHEMA_VERSION}: build the city anew in an empty MRLF_DATA folder, or use the "
                "version that wrote it"
            )
        return table

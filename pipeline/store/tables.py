"""Delta tables of one city under one folder: read, append, replace, delete; every write is one atomic commit.

Law: a reader sees the version before a write or the one after it; a killed writer leaves the old one.
Not covered: two processes that write the same rows (the caller holds the lock of the city and stage).
"""

from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

from pipeline.records import SCHEMA_VERSION, TABLES, TableSpec
from pipeline.store.digests import table_digest

Rows: TypeAlias = pa.Table | list[dict[str, object]]


class SchemaVersionError(ValueError):
    """The table was written by another version of the pipeline."""


class Tables:
    """The tables `<folder>/<city>/<name>`; an absent table reads as empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, city: str, name: str) -> Path:
        """Where the table lies, whether it exists or not."""
        return self._folder / city / TABLES[name].name

    def version(self, city: str, name: str) -> int | None:
        """The number of the last commit, None where the table does not exist."""
        table = self._open(city, name)
        return table.version() if table is not None else None

    def read(self, city: str, name: str) -> pa.Table:
        """All rows, sorted by key."""
        spec = TABLES[name]
        table = self._open(city, name)
        if table is None:
            return spec.empty()
        # pyarrow's own file system: with the one deltalake brings, reading threads outlived the interpreter
        # and aborted it at exit (docs/DECISIONS.md)
        files = fs.SubTreeFileSystem(str(self.path(city, name).absolute()), fs.LocalFileSystem())
        return spec.conform(table.to_pyarrow_dataset(filesystem=files).to_table())

    def replace(self, city: str, name: str, rows: Rows, where: str | None = None) -> None:
        """Put `rows` in place of the whole table, or of the rows for which the SQL predicate `where` holds."""
        spec = TABLES[name]
        table = spec.conform(rows)
        existing = self._open(city, name)
        if where is None or existing is None:
            self._write(spec, city, table, "overwrite")
        elif table.num_rows:
            write_deltalake(existing, table, mode="overwrite", predicate=where)
        else:
            existing.delete(where)

    def append(self, city: str, name: str, rows: Rows) -> None:
        """Add `rows`; the caller knows that their keys are new."""
        spec = TABLES[name]
        table = spec.conform(rows)
        if table.num_rows:
            self._open(city, name)
            self._write(spec, city, table, "append")

    def delete(self, city: str, name: str, where: str) -> None:
        """Remove the rows for which the SQL predicate `where` holds; where none does, nothing is committed."""
        table = self._open(city, name)
        if table is not None:
            table.delete(where)

    def digest(self, city: str, name: str, stage: str | None = None) -> str:
        """sha256 of the rows (of one stage) in key order without the volatile columns."""
        rows = self.read(city, name)
        if stage is not None:
            rows = rows.filter(pc.equal(rows["stage"], stage))
        return table_digest(rows, TABLES[name])

    def _write(self, spec: TableSpec, city: str, table: pa.Table, mode: str) -> None:
        path = self.path(city, spec.name)
        path.mkdir(parents=True, exist_ok=True)
        description = f"schema_version={SCHEMA_VERSION}"
        write_deltalake(str(path), table, mode=mode, name=spec.name, description=description)  # type: ignore[call-overload]

    def _open(self, city: str, name: str) -> DeltaTable | None:
        path = self.path(city, name)
        if not (path / "_delta_log").is_dir():
            return None
        try:
            table = DeltaTable(str(path))
        except TableNotFoundError:  # killed before its first commit
            return None
        description = table.metadata().description
        if description != f"schema_version={SCHEMA_VERSION}":
            raise SchemaVersionError(
                f"table {path} has {description or 'no schema_version'}, this version of the pipeline reads "
                f"schema_version={SCHEMA_VERSION}: build the city anew in an empty MRLF_DATA folder, or use the "
                "version that wrote it"
            )
        return table

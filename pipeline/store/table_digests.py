"""Content digests of tables, file by file: what was hashed once is not hashed again, since no file is ever edited.

Reads  the Parquet files that make up a table now
Writes a JSON file beside the tables: Parquet file -> part -> number of rows and the sum of their sha256
Law: equal rows give an equal digest, whatever their order and the commits that brought them. Nothing kept here
shows anything of a row.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from pyarrow import parquet

from pipeline.records import LEDGER_TABLES, TableSpec
from pipeline.store.blobs import write_atomically
from pipeline.store.digests import json_digest

ROWS_AT_ONCE = 4096
MODULUS = 2**256

RowSum: TypeAlias = tuple[int, int]
"""How many rows, and the sum of their digests."""

FileSums: TypeAlias = dict[str, RowSum]
"""The sums of a file by part: by stage for the tables of the ledger, else one part named ""."""


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

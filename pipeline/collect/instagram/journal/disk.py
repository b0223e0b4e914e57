"""The journal's SQLite file: its schema, transactions and values by name.

A file of an earlier version gets the columns that it lacks, with what is known of them.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.store.sqlite_files import open_file, transaction

VERSION = "1"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS searches (
    poi_id TEXT PRIMARY KEY, asked TEXT NOT NULL, outcome TEXT NOT NULL, num_found INTEGER NOT NULL,
    at_utc REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stubs (
    location_id TEXT PRIMARY KEY, name TEXT NOT NULL, latitude REAL, longitude REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS walks (
    location_id TEXT PRIMARY KEY, poi_id TEXT NOT NULL, rank INTEGER NOT NULL, is_wanted INTEGER NOT NULL DEFAULT 1,
    kind TEXT NOT NULL DEFAULT 'first', is_open INTEGER NOT NULL DEFAULT 0, endpoint TEXT, cursor TEXT,
    num_pages INTEGER NOT NULL DEFAULT 0, num_empty INTEGER NOT NULL DEFAULT 0, has_all INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', not_before REAL NOT NULL DEFAULT 0, number INTEGER NOT NULL DEFAULT 0,
    ended REAL NOT NULL DEFAULT 0, walked_all REAL NOT NULL DEFAULT 0, number_all INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    location_id TEXT NOT NULL, cursor TEXT NOT NULL, PRIMARY KEY (location_id, cursor)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posts (
    post_key TEXT PRIMARY KEY, location_id TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    not_before REAL NOT NULL DEFAULT 0, walk INTEGER NOT NULL DEFAULT 0, row TEXT, pictures TEXT,
    is_in_tables INTEGER NOT NULL DEFAULT 0, is_changed INTEGER NOT NULL DEFAULT 0, batch INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS posts_by_state ON posts (state);
CREATE INDEX IF NOT EXISTS posts_changed ON posts (is_changed) WHERE is_changed;
CREATE INDEX IF NOT EXISTS posts_of_location ON posts (location_id, walk);
CREATE TABLE IF NOT EXISTS sightings (
    post_key TEXT NOT NULL, location_id TEXT NOT NULL, PRIMARY KEY (post_key, location_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS images (digest TEXT PRIMARY KEY, row TEXT, batch INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_new ON images (batch) WHERE batch IS NULL;
"""

_ADDED = {
    "posts": {
        "cause": "TEXT NOT NULL DEFAULT ''",
        "said": "TEXT NOT NULL DEFAULT ''",
        "said_at": "REAL NOT NULL DEFAULT 0",
        "num_tries": "INTEGER NOT NULL DEFAULT 0",
        "fingerprint": "TEXT NOT NULL DEFAULT ''",
    },
    "walks": {
        "ground": "INTEGER NOT NULL DEFAULT 0",
        "said_at": "REAL NOT NULL DEFAULT 0",
        "capped_at": "INTEGER",
        "left_by": "TEXT NOT NULL DEFAULT ''",
    },
}
"""Columns that came after the first version: table -> column -> what it is."""

_RENAMED = {"walks": {"road": "endpoint"}, "posts": {"told": "fingerprint"}}
"""Columns that had another name in an earlier version: table -> old name -> name."""

_NEW_COLUMNS = {(table, name) for table, columns in _ADDED.items() for name in columns} | {
    (table, name) for table, names in _RENAMED.items() for name in names.values()
}

_FIRST_WORDS = (
    "UPDATE walks SET has_all = 0 WHERE location_id IN (SELECT location_id FROM posts WHERE state = 'dropped' AND "
    "reason NOT IN ('video', 'private', 'opted_out', 'unmatched_place', 'no_place'))"
)
"""In the first version one answer was enough to drop a post: such posts are judged again."""

_GROUND = (
    "UPDATE walks SET ground = CASE WHEN is_open OR reason NOT IN ('', 'first_look_only') THEN number_all "
    "ELSE number END"
)
"""What is known of a walk of the first version: one that broke has left no ground."""


Values = Sequence[Any] | Mapping[str, Any]


class Disk:
    """One city's file, open; used by one process at a time, which holds the lock of the stage."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.connection = open_file(path)
        self.connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
            self.execute(f"PRAGMA {pragma}")
        self.connection.executescript(_SCHEMA)
        if not self._has_all_columns():
            self._add_columns()
        if self.meta("version", VERSION) != VERSION:
            raise ValueError(f"{path} was written by another version of the pipeline: move it away, then collect anew")
        self.meta("changes", "0")

    def close(self) -> None:
        """Fold the log into the file, so that nothing overwritten stays in it."""
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        with transaction(self.connection):
            yield

    def execute(self, statement: str, values: Values = ()) -> sqlite3.Cursor:
        """One statement."""
        return self.connection.execute(statement, values)

    def executemany(self, statement: str, values: Iterable[Values]) -> None:
        """One statement for each of the values."""
        self.connection.executemany(statement, values)

    def note_change(self) -> None:
        """A stage behind must know of what was just written."""
        self.count("changes")

    def count(self, name: str) -> int:
        """Count one up; the new count."""
        counted = int(self.meta(name, "0")) + 1
        self.set_meta(name, str(counted))
        return counted

    def meta(self, name: str, default: str) -> str:
        """A value of the file's own; `default` is written where there is none."""
        found = self.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if found is None:
            self.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, default))
        return default if found is None else str(found[0])

    def set_meta(self, name: str, value: str) -> None:
        """Put a value in place of the one before."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _has_all_columns(self) -> bool:
        """Whether the file is no older than this version; a journal is opened many times in a run."""
        found = self.execute("SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c")
        return _NEW_COLUMNS <= {tuple(row) for row in found}

    def _add_columns(self) -> None:
        """Give a file of an earlier version the columns that it lacks, all or none."""
        with self.transaction():
            for table, names in _RENAMED.items():
                for old, name in names.items():
                    if old in self._columns(table):
                        self.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {name}")
            for table, columns in _ADDED.items():
                there = self._columns(table)
                for name, kind in columns.items():
                    if name not in there:
                        self.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
                        self.execute({"ground": _GROUND, "left_by": _FIRST_WORDS}.get(name, "SELECT 1"))

    def _columns(self, table: str) -> set[str]:
        return {row["name"] for row in self.execute(f"PRAGMA table_info({table})")}

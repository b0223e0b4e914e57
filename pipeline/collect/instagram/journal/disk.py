"""The journal's file: its tables, transactions, notes, and the count of changes.

A file of an earlier version gets the columns that it lacks, with what is known of them.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        "told": "TEXT NOT NULL DEFAULT ''",
    },
    "walks": {
        "ground": "INTEGER NOT NULL DEFAULT 0",
        "said_at": "REAL NOT NULL DEFAULT 0",
        "capped_at": "INTEGER",
        "left_by": "TEXT NOT NULL DEFAULT ''",
    },
}
"""Columns that came after the first version: table -> column -> what it is."""

_RENAMED = {"walks": {"road": "endpoint"}}
"""Columns that had another name in the first version: table -> old name -> name."""

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


class Disk:
    """One city's file, open; used by one process at a time, which holds the lock of the stage."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._disk = open_file(path)
        self._disk.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
            self._disk.execute(f"PRAGMA {pragma}")
        self._disk.executescript(_SCHEMA)
        self._add_columns()
        if self._meta("version", VERSION) != VERSION:
            raise ValueError(f"{path} was written by another version of the pipeline: move it away, then collect anew")
        self._meta("changes", "0")
        self.writer = f"crawl-{self._meta('writer', uuid.uuid4().hex)}"

    def _add_columns(self) -> None:
        """Give a file of an earlier version the columns that it lacks, all or none."""
        with self.transaction():
            for table, names in _RENAMED.items():
                for old, name in names.items():
                    if old in self._columns(table):
                        self._disk.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {name}")
            for table, columns in _ADDED.items():
                there = self._columns(table)
                for name, kind in columns.items():
                    if name not in there:
                        self._disk.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
                        self._disk.execute({"ground": _GROUND, "left_by": _FIRST_WORDS}.get(name, "SELECT 1"))

    def _columns(self, table: str) -> set[str]:
        return {row["name"] for row in self._disk.execute(f"PRAGMA table_info({table})")}

    def close(self) -> None:
        """Fold the log into the file, so that nothing overwritten stays in it."""
        self._disk.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._disk.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        with transaction(self._disk):
            yield

    @property
    def num_changes(self) -> int:
        """Grows with every change that a stage behind must know of."""
        return int(self._meta("changes", "0"))

    def note(self, name: str) -> str:
        """A note of the collector's, "" where there is none."""
        row = self._disk.execute("SELECT value FROM meta WHERE name = ?", (f"note/{name}",)).fetchone()
        return str(row[0]) if row else ""

    def set_note(self, name: str, value: str) -> None:
        """Keep a note over runs."""
        self._set(f"note/{name}", value)

    def _change(self) -> None:
        self._count("changes")

    def _count(self, name: str) -> int:
        """Count one up; the new count."""
        self._set(name, str(int(self._meta(name, "0")) + 1))
        return int(self._meta(name, "0"))

    def _meta(self, name: str, default: str) -> str:
        self._disk.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, default))
        return str(self._disk.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def _set(self, name: str, value: str) -> None:
        self._disk.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

"""The private map from a post's key to its media id: for deletions, and for asking whether a post is still there.

Reads and writes private/<city>.ids.sqlite, mode 0600; never read by an export.
"""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal, Self

from pipeline.store import Store
from pipeline.store.sqlite_files import open_file, transaction

Source = Literal["archive", "live"]


class PrivateIds:
    """The map of one city, open."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)
        self._disk = open_file(path)
        self._disk.execute("PRAGMA secure_delete = ON")
        self._disk.execute(
            "CREATE TABLE IF NOT EXISTS ids (post_key TEXT PRIMARY KEY, media_id TEXT NOT NULL, "
            "source TEXT NOT NULL DEFAULT 'archive')"
        )
        if "source" not in {row[1] for row in self._disk.execute("PRAGMA table_info(ids)")}:
            self._disk.execute("ALTER TABLE ids ADD COLUMN source TEXT NOT NULL DEFAULT 'archive'")

    @classmethod
    def open(cls, store: Store, city: str) -> Self:
        """The map of a city, made where it is missing."""
        return cls(store.private / f"{city}.ids.sqlite")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close()

    def add(self, media_ids: Mapping[str, str], source: Source) -> None:
        """Keep post_key -> media id, all or nothing."""
        with transaction(self._disk):
            self._insert(media_ids, source)

    def replace(self, media_ids: Mapping[str, str], source: Source) -> None:
        """Keep these in place of all that this source gave before."""
        with transaction(self._disk):
            self._disk.execute("DELETE FROM ids WHERE source = ?", (source,))
            self._insert(media_ids, source)

    def media_id(self, post_key: str) -> str | None:
        """The media id of a post, None where it is not known."""
        row = self._disk.execute("SELECT media_id FROM ids WHERE post_key = ?", (post_key,)).fetchone()
        return str(row[0]) if row else None

    def remove(self, post_keys: Iterable[str]) -> None:
        """Forget posts."""
        self._disk.executemany("DELETE FROM ids WHERE post_key = ?", [(key,) for key in post_keys])

    def _insert(self, media_ids: Mapping[str, str], source: Source) -> None:
        rows = [(*pair, source) for pair in sorted(media_ids.items())]
        self._disk.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?, ?)", rows)


def read_private_ids(store: Store, city: str) -> dict[str, str]:
    """post_key -> media id of a city; empty where no post was collected yet."""
    path = store.private / f"{city}.ids.sqlite"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT post_key, media_id FROM ids"))

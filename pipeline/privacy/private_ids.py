"""The private map from a post's key to its media id and its authors' pseudonyms: for deletions and later opt-outs.

Reads and writes private/<city>.ids.sqlite, mode 0600; never read by an export.
Law: a post has a pseudonym for each name of each of its authors here, whichever source it came from; its row in
`posts` has one of its owner alone. They stay as long as anything holds the post, so that a later opt-out finds it.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pipeline.store import Store
from pipeline.store.sqlite_files import open_file, transaction

Source = Literal["archive", "live"]
Authors: TypeAlias = Mapping[str, Collection[str]]
"""post_key -> the pseudonyms of all names of its authors"""


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
        self._disk.execute(
            "CREATE TABLE IF NOT EXISTS authors (post_key TEXT, user_key TEXT, source TEXT NOT NULL, "
            "PRIMARY KEY (post_key, user_key)) WITHOUT ROWID"
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

    def add(self, media_ids: Mapping[str, str], source: Source, authors: Authors | None = None) -> None:
        """Keep post_key -> media id, and post_key -> pseudonyms of its authors, all or nothing."""
        with transaction(self._disk):
            self._insert(media_ids, source, authors or {})

    def replace(
        self,
        media_ids: Mapping[str, str],
        source: Source,
        authors: Authors | None = None,
        *,
        held: Collection[str] = (),
    ) -> None:
        """Keep these in place of all that this source gave before, but for the authors of posts `held` still."""
        with transaction(self._disk):
            self._disk.execute("DELETE FROM ids WHERE source = ?", (source,))
            known = self._disk.execute("SELECT DISTINCT post_key FROM authors WHERE source = ?", (source,))
            self._forget_authors({key for (key,) in known} - {*held, *(authors or {})})
            self._insert(media_ids, source, authors or {})

    def media_id(self, post_key: str) -> str | None:
        """The media id of a post, None where it is not known."""
        row = self._disk.execute("SELECT media_id FROM ids WHERE post_key = ?", (post_key,)).fetchone()
        return str(row[0]) if row else None

    def remove(self, post_keys: Iterable[str], *, held: Collection[str] = ()) -> None:
        """Forget posts, and the authors of those that nothing holds any more."""
        keys = set(post_keys)
        with transaction(self._disk):
            self._disk.executemany("DELETE FROM ids WHERE post_key = ?", [(key,) for key in keys])
            self._forget_authors(keys - set(held))

    def _forget_authors(self, post_keys: Iterable[str]) -> None:
        self._disk.executemany("DELETE FROM authors WHERE post_key = ?", [(key,) for key in post_keys])

    def _insert(self, media_ids: Mapping[str, str], source: Source, authors: Authors) -> None:
        rows = [(*pair, source) for pair in sorted(media_ids.items())]
        self._disk.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?, ?)", rows)
        pairs = [(post_key, user_key, source) for post_key in sorted(authors) for user_key in authors[post_key]]
        self._disk.executemany("INSERT OR IGNORE INTO authors VALUES (?, ?, ?)", pairs)


def read_authors(store: Store, city: str) -> dict[str, list[str]]:
    """post_key -> the pseudonyms of its authors; not of posts that an earlier version of the pipeline collected."""
    path = store.private / f"{city}.ids.sqlite"
    authors: dict[str, list[str]] = {}
    if path.exists():
        with closing(open_file(path)) as disk:
            if disk.execute("SELECT 1 FROM sqlite_master WHERE name = 'authors'").fetchone():
                for post_key, user_key in disk.execute("SELECT post_key, user_key FROM authors"):
                    authors.setdefault(post_key, []).append(user_key)
    return authors

"""Walks over the posts of locations, page by page."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.collect.instagram.journal.posts import Posts
from pipeline.collect.instagram.journal.records import NewPost, Walk, walk_of
from pipeline.store.digests import json_digest


class Walks(Posts):
    """The part of the journal on walks, which take posts."""

    def want(self, locations: Iterable[tuple[str, str, int]]) -> None:
        """The locations to be walked now: (location_id, poi_id, rank); others keep what they have and rest."""
        with self.transaction():
            self._disk.execute("UPDATE walks SET is_wanted = 0")
            self._disk.executemany(
                "INSERT INTO walks (location_id, poi_id, rank) VALUES (?, ?, ?) ON CONFLICT (location_id) DO UPDATE "
                "SET poi_id = excluded.poi_id, rank = excluded.rank, is_wanted = 1",
                locations,
            )

    def walks(self) -> list[Walk]:
        """The wanted walks: open ones first, then the one whose end is longest ago, then by rank."""
        rows = self._disk.execute(
            "SELECT * FROM walks WHERE is_wanted ORDER BY is_open DESC, ended, rank, location_id"
        )
        return [walk_of(row) for row in rows]

    def walk(self, location_id: str) -> Walk:
        """One walk."""
        return walk_of(self._disk.execute("SELECT * FROM walks WHERE location_id = ?", (location_id,)).fetchone())

    def begin_walk(self, location_id: str, kind: str) -> None:
        """Start at the top."""
        with self.transaction():
            self._disk.execute(
                "UPDATE walks SET kind = ?, is_open = 1, road = NULL, cursor = NULL, num_pages = 0, num_empty = 0, "
                "number = ? WHERE location_id = ?",
                (kind, self._count("walks"), location_id),
            )
            self._disk.execute("DELETE FROM cursors WHERE location_id = ?", (location_id,))

    def end_walk(
        self, location_id: str, reason: str, at_utc: float, *, has_all: bool = False, not_before: float = 0
    ) -> None:
        """Close a walk: with reason "" it came to its end, else it is deferred until `not_before`."""
        with self.transaction():
            self._disk.execute(
                "UPDATE walks SET is_open = 0, cursor = NULL, reason = ?, not_before = ?, ended = ? "
                "WHERE location_id = ?",
                (reason, not_before, at_utc, location_id),
            )
            if has_all:
                self._disk.execute(
                    "UPDATE walks SET has_all = 1, walked_all = ended, number_all = number WHERE location_id = ?",
                    (location_id,),
                )
            self._disk.execute("DELETE FROM cursors WHERE location_id = ?", (location_id,))

    def defer_walk(self, location_id: str, reason: str, not_before: float) -> None:
        """Leave a walk where it is, to go on from there."""
        with self.transaction():
            self._disk.execute(
                "UPDATE walks SET reason = ?, not_before = ? WHERE location_id = ?", (reason, not_before, location_id)
            )

    def take_page(
        self, walk: Walk, posts: Sequence[NewPost], *, road: str, cursor: dict[str, Any] | None
    ) -> tuple[int, int, bool]:
        """Take a page's posts and cursor in one transaction: how many are new, how many an earlier walk had seen,
        and whether the cursor was seen before in this walk.
        """
        location_id, num_new, num_known = walk.location_id, 0, 0
        with self.transaction():
            for post in posts:
                num_known += self._is_known(post.post_key, walk.number)
                num_new += self._take(walk, post)
            is_loop = cursor is not None and not self._note_cursor(location_id, cursor)
            is_empty = not posts
            self._disk.execute(
                "UPDATE walks SET road = ?, cursor = ?, num_pages = num_pages + 1, reason = '', "
                "num_empty = CASE WHEN ? THEN num_empty + 1 ELSE 0 END WHERE location_id = ?",
                (road, json.dumps(cursor) if cursor is not None else None, is_empty, location_id),
            )
        return num_new, num_known, is_loop

    def _note_cursor(self, location_id: str, cursor: dict[str, Any]) -> bool:
        """Whether this walk has not seen the cursor yet; kept as a digest, since a cursor can hold ids of posts."""
        seen = (location_id, json_digest(cursor))
        return bool(self._disk.execute("INSERT OR IGNORE INTO cursors VALUES (?, ?)", seen).rowcount)

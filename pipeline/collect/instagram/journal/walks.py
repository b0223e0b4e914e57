"""The journal's walks over the posts of locations, page by page."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pipeline.collect.instagram.journal.disk import Disk
from pipeline.collect.instagram.journal.posts import Posts
from pipeline.collect.instagram.journal.records import PLACE_GONE, NewPost, PageOutcome, Walk, walk_of
from pipeline.store.digests import json_digest

LEAST_GROUND = 3
"""So many posts at the end of a page, and a quarter of them at least, have to be known: one may have been moved up."""


class Walks:
    """How far the walk over each location has come."""

    def __init__(self, disk: Disk, posts: Posts) -> None:
        self._disk, self._posts = disk, posts

    def want(self, locations: Iterable[tuple[str, str, int]]) -> None:
        """The locations to be walked now: (location_id, poi_id, rank); others keep what they have and rest."""
        with self._disk.transaction():
            self._disk.execute("UPDATE walks SET is_wanted = 0")
            self._disk.executemany(
                "INSERT INTO walks (location_id, poi_id, rank) VALUES (?, ?, ?) ON CONFLICT (location_id) DO UPDATE "
                "SET poi_id = excluded.poi_id, rank = excluded.rank, is_wanted = 1",
                locations,
            )

    def wanted(self) -> list[Walk]:
        """The wanted walks: open ones first, then the one whose end is longest ago, then by rank; those that had
        trouble come last, so that they hold up no other.
        """
        rows = self._disk.execute(
            "SELECT * FROM walks WHERE is_wanted "
            "ORDER BY reason NOT IN ('', ?), is_open DESC, ended, rank, location_id",
            (PLACE_GONE,),
        )
        return [walk_of(row) for row in rows]

    def get(self, location_id: str) -> Walk:
        """One walk."""
        return walk_of(self._disk.execute("SELECT * FROM walks WHERE location_id = ?", (location_id,)).fetchone())

    def begin(self, location_id: str, kind: str) -> None:
        """Start at the top."""
        with self._disk.transaction():
            self._disk.execute(
                "UPDATE walks SET kind = ?, is_open = 1, endpoint = NULL, cursor = NULL, num_pages = 0, "
                "num_empty = 0, number = ? WHERE location_id = ?",
                (kind, self._disk.count("walks"), location_id),
            )
            self._disk.execute("DELETE FROM cursors WHERE location_id = ?", (location_id,))

    def end(
        self,
        location_id: str,
        reason: str,
        at_utc: float,
        *,
        has_all: bool = False,
        is_ground: bool = False,
        capped_at: int | None = None,
        not_before: float = 0,
    ) -> None:
        """Close a walk: with reason "" it came to its end, else it is deferred until `not_before`.

        has_all: all posts were passed. is_ground: it left no gap to what earlier walks have met. capped_at: the limit
        of posts that ended it.
        """
        with self._disk.transaction():
            self._disk.execute(
                "UPDATE walks SET is_open = 0, cursor = NULL, reason = ?, left_by = '', not_before = ?, ended = ?, "
                "ground = CASE WHEN ? THEN number ELSE ground END, said_at = 0 WHERE location_id = ?",
                (reason, not_before, at_utc, is_ground or has_all, location_id),
            )
            if has_all or capped_at is not None:
                self._disk.execute("UPDATE walks SET capped_at = ? WHERE location_id = ?", (capped_at, location_id))
            if has_all:
                self._disk.execute(
                    "UPDATE walks SET has_all = 1, walked_all = ended, number_all = number WHERE location_id = ?",
                    (location_id,),
                )
                self._disk.execute(  # what was not met is not looked for again for its cause
                    "UPDATE posts SET cause = '' WHERE state IN ('dropped', 'kept') AND location_id = ? AND walk < "
                    "(SELECT number FROM walks w WHERE w.location_id = posts.location_id)",
                    (location_id,),
                )
            self._disk.execute("DELETE FROM cursors WHERE location_id = ?", (location_id,))

    def defer(self, location_id: str, reason: str, not_before: float, *, said_at: float | None = None) -> None:
        """Leave a walk where it is, to go on from there.

        said_at: when the source first said that there is no such place; by default that stays as it is.
        """
        with self._disk.transaction():
            self._disk.execute(
                "UPDATE walks SET reason = ?, left_by = '', not_before = ?, said_at = COALESCE(?, said_at) "
                "WHERE location_id = ?",
                (reason, not_before, said_at, location_id),
            )

    def pass_again(self, location_ids: Iterable[str]) -> None:
        """Let the next walk over these locations pass all their posts."""
        with self._disk.transaction():
            self._disk.executemany(
                "UPDATE walks SET has_all = 0, is_open = is_open AND kind <> 'refresh' WHERE location_id = ?",
                [(location_id,) for location_id in location_ids],
            )

    def note_left(self, location_ids: Iterable[str], reason: str, not_before: float) -> None:
        """The locations that a run did not come to the end of, what stopped it, and until when they wait."""
        with self._disk.transaction():
            self._disk.executemany(
                "UPDATE walks SET left_by = ?, not_before = MAX(not_before, ?) WHERE location_id = ?",
                [(reason, not_before, location_id) for location_id in location_ids],
            )

    def take_page(
        self,
        walk: Walk,
        posts: Sequence[NewPost],
        *,
        endpoint: str,
        cursor: dict[str, Any] | None,
        has_gone: Callable[[str], bool] = lambda cause: False,
    ) -> PageOutcome:
        """Take a page's posts and cursor in one transaction."""
        location_id, met = walk.location_id, list[str]()
        with self._disk.transaction():
            tail = posts[-max(LEAST_GROUND, math.ceil(len(posts) / 4)) :]
            is_on_ground = bool(posts) and all(
                self._posts.is_on_ground(post.post_key, location_id, walk.ground) for post in tail
            )
            for post in posts:
                met.append(
                    self._posts.meet(
                        post, location_id, number=walk.number, is_whole_walk=walk.kind != "refresh", has_gone=has_gone
                    )
                )
            is_loop = cursor is not None and not self._note_cursor(location_id, cursor)
            self._disk.execute(
                "UPDATE walks SET endpoint = ?, cursor = ?, num_pages = num_pages + 1, reason = '', left_by = '', "
                "not_before = 0, "
                "said_at = 0, num_empty = CASE WHEN ? THEN num_empty + 1 ELSE 0 END WHERE location_id = ?",
                (endpoint, json.dumps(cursor) if cursor is not None else None, not posts, location_id),
            )
        counts = Counter(met)
        return PageOutcome(
            num_new=counts["new"] + counts["taken"],
            num_updated=counts["changed"] + counts["gone"] + counts["moved_away"],
            is_on_ground=is_on_ground,
            is_loop=is_loop,
        )

    def _note_cursor(self, location_id: str, cursor: dict[str, Any]) -> bool:
        """Whether this walk has not seen the cursor yet; kept as a digest, since a cursor can hold ids of posts."""
        seen = (location_id, json_digest(cursor))
        return bool(self._disk.execute("INSERT OR IGNORE INTO cursors VALUES (?, ?)", seen).rowcount)

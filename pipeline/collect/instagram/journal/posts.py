"""Posts: their state, what they wait for, and what was seen of them."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.collect.instagram.journal.disk import Disk
from pipeline.collect.instagram.journal.records import (
    LONGEST_WAIT_S,
    NewPost,
    State,
    StoredPost,
    Walk,
    stored_of,
    text_of,
)


class Posts(Disk):
    """The part of the journal on posts."""

    def state(self, post_key: str) -> str | None:
        """The state of a post, None where it was never seen."""
        row = self._disk.execute("SELECT state FROM posts WHERE post_key = ?", (post_key,)).fetchone()
        return row[0] if row else None

    def holds(self, post_key: str) -> bool:
        """Whether the journal has the post with its pictures, or knows that it is gone: nobody else is to take it."""
        return self.state(post_key) in ("waiting", "kept", "gone")

    def give_up(self, post_keys: Iterable[str]) -> list[str]:
        """Leave posts that were dropped or deferred to another source that has them; the keys of those."""
        given = [key for key in post_keys if self.state(key) in ("dropped", "deferred")]
        with self.transaction():
            self._disk.executemany("DELETE FROM posts WHERE post_key = ?", [(key,) for key in given])
        return given

    def waiting(self, now: float, limit: int) -> list[StoredPost]:
        """Posts whose pictures are to be fetched: new ones, and deferred ones whose time has come."""
        rows = self._disk.execute(
            "SELECT * FROM posts WHERE state = 'waiting' OR (state = 'deferred' AND NOT (not_before > ? AND "
            "not_before <= ?)) ORDER BY state DESC, not_before, post_key LIMIT ?", (now, now + LONGEST_WAIT_S, limit),
        )  # fmt: skip
        return [stored_of(row) for row in rows]

    def settle(
        self, post_key: str, state: State, reason: str = "", *, row: Mapping[str, Any] | None = None,
        pictures: tuple[str, ...] = (), not_before: float = 0,
    ) -> None:  # fmt: skip
        """The outcome of a post, to be carried to the tables; addresses stay only for a deferred one.

        One that is gone before any table had it is dropped: there is nothing to put a tombstone on.
        """
        self._disk.execute(
            "UPDATE posts SET state = CASE WHEN ? = 'gone' AND NOT is_in_tables THEN 'dropped' ELSE ? END, "
            "reason = ?, row = COALESCE(?, row), pictures = ?, not_before = ?, is_changed = 1 WHERE post_key = ?",
            (state, state, reason, text_of(row), json.dumps(pictures) if pictures else None, not_before, post_key),
        )  # fmt: skip
        self._change()

    def defer_waiting(self, reason: str) -> None:
        """At the end of a run: what is still without pictures waits for the next one."""
        with self.transaction():
            rows = self._disk.execute("SELECT post_key, pictures FROM posts WHERE state = 'waiting'").fetchall()
            for post_key, pictures in rows:
                self.settle(post_key, "deferred", reason, pictures=tuple(json.loads(pictures or "[]")))

    @property
    def num_bare_taken(self) -> int:
        """Posts that an archive told without a picture and that were taken live."""
        return int(self._meta("bare_taken", "0"))

    def note_image(self, row: Mapping[str, Any]) -> None:
        """A picture that was fetched, whatever its outcome."""
        self._disk.execute("INSERT OR IGNORE INTO images VALUES (?, ?, NULL)", (row["digest"], json.dumps(dict(row))))

    def see(self, post_key: str) -> None:
        """The post is still there."""
        self._disk.execute("UPDATE posts SET walk = ? WHERE post_key = ?", (int(self._meta("walks", "0")), post_key))

    def unseen(self, location_id: str, number: int) -> list[str]:
        """Kept and deferred posts of a location that the walk of this number did not meet: perhaps gone."""
        rows = self._disk.execute(
            "SELECT post_key FROM posts WHERE location_id = ? AND walk < ? AND state IN ('kept', 'deferred') "
            "ORDER BY walk, post_key",
            (location_id, number),
        )
        return [key for (key,) in rows]

    def unmatch(self, post_keys: Iterable[str]) -> None:
        """Posts whose location is no POI's any more; they are taken again when it is one's, all of them."""
        with self.transaction():
            for key in post_keys:
                self.settle(key, "dropped", "unmatched_place")
                self._disk.execute(
                    "UPDATE walks SET has_all = 0 WHERE location_id IN (SELECT location_id FROM posts WHERE "
                    "post_key = ?)", (key,),
                )  # fmt: skip

    def outcomes(self, state: State) -> Iterator[dict[str, Any]]:
        """Posts of a state that this journal collected: post_key, reason, not_before."""
        rows = self._disk.execute(
            "SELECT post_key, state, reason, not_before, is_in_tables FROM posts WHERE state = ?", (state,)
        )
        return map(dict, rows)

    def counts(self) -> dict[str, int]:
        """Posts by state and reason: `kept`, `dropped/<reason>`, ..."""
        rows = self._disk.execute(
            "SELECT state, reason, COUNT(*) FROM posts GROUP BY state, reason ORDER BY 3 DESC, 1"
        )
        return {f"{state}/{reason}" if reason else state: count for state, reason, count in rows}

    def num_met(self, location_id: str, number: int) -> int:
        """How many posts of a location the walk of this number has met."""
        row = self._disk.execute(
            "SELECT COUNT(*) FROM posts WHERE location_id = ? AND walk >= ?", (location_id, number)
        ).fetchone()
        return int(row[0])

    def note_elsewhere(self, posts: Iterable[tuple[str, str, State]]) -> int:
        """Posts that the tables hold from another source, or from a journal that was lost: (post_key, location_id,
        state). A `bare` one has no picture yet and is taken when it is met; the others are not fetched again.
        How many of the journal's own the tables have lost; they are collected anew.
        """
        self._disk.execute("CREATE TEMP TABLE IF NOT EXISTS told (post_key PRIMARY KEY, location_id, state)")
        with self.transaction():
            self._disk.execute("DELETE FROM told")
            self._disk.executemany("INSERT OR IGNORE INTO told VALUES (?, ?, ?)", posts)
            self._disk.execute("DELETE FROM posts WHERE state IN ('known', 'bare')")
            num_lost = self._forget_lost()
            self._disk.execute(
                "INSERT OR IGNORE INTO posts (post_key, location_id, state, is_in_tables) "
                "SELECT post_key, location_id, state, 1 FROM told"
            )
            self._disk.execute("DELETE FROM told")
        return num_lost

    def _forget_lost(self) -> int:
        """Forget posts that were carried to the tables and are not there any more: the tables were removed, or
        built for a while from an archive alone. Of those without a picture the journal has all, it tells them again.
        """
        carried = "is_in_tables AND NOT is_changed"
        self._disk.execute(
            f"UPDATE posts SET is_changed = 1 WHERE state IN ('dropped', 'deferred') AND {carried} "  # noqa: S608
            "AND post_key NOT IN (SELECT post_key FROM told)"
        )
        num_lost = self._disk.execute(
            f"DELETE FROM posts WHERE state IN ('kept', 'gone') AND {carried} "  # noqa: S608
            "AND post_key NOT IN (SELECT post_key FROM told WHERE state IN ('kept', 'gone'))"
        ).rowcount
        if num_lost:
            self._disk.execute("UPDATE walks SET has_all = 0, is_open = 0")
        return num_lost

    def note_known_images(self, digests: Iterable[str]) -> None:
        """Pictures that the table holds already; what it has lost is noted anew when it comes."""
        with self.transaction():
            self._disk.execute("DELETE FROM images WHERE row IS NULL")
            self._disk.executemany("INSERT OR IGNORE INTO images VALUES (?, NULL, 0)", ((one,) for one in digests))

    def _take(self, walk: Walk, post: NewPost) -> bool:
        """Whether the post is new; a known one was seen again, perhaps at a second location."""
        told = self._disk.execute("SELECT * FROM posts WHERE post_key = ?", (post.post_key,)).fetchone()
        if told is not None and not self._is_taken_anew(told, post):
            self._disk.execute("UPDATE posts SET walk = ? WHERE post_key = ?", (walk.number, post.post_key))
            if told["location_id"] not in ("", walk.location_id):
                self._disk.execute("INSERT OR IGNORE INTO sightings VALUES (?, ?)", (post.post_key, walk.location_id))
            return False
        if told is not None and told["state"] == "bare":
            self._count("bare_taken")
        self._disk.execute(
            "INSERT OR REPLACE INTO posts (post_key, location_id, state, reason, walk, row, pictures, is_changed, "
            "is_in_tables) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (post.post_key, walk.location_id, post.state, post.reason, walk.number, text_of(post.row),
             json.dumps(post.pictures) if post.pictures else None, post.state != "waiting", told is not None),
        )  # fmt: skip
        self._change()
        return True

    def _is_taken_anew(self, told: sqlite3.Row, post: NewPost) -> bool:
        """Whether a post is taken though it is known: it had no picture, or its place was nobody's."""
        if post.state == "dropped":
            return False
        is_nobodys = told["state"] == "dropped" and told["reason"] == "unmatched_place"
        return is_nobodys or bool(told["state"] == "bare")

    def _is_known(self, post_key: str, number: int) -> bool:
        """Whether the collector itself has met the post before the walk of this number."""
        row = self._disk.execute("SELECT walk, state FROM posts WHERE post_key = ?", (post_key,)).fetchone()
        return row is not None and row["walk"] < number and row["state"] not in ("known", "bare")

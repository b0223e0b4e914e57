"""The journal's posts: their state, what they wait for, and what was seen of them."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pipeline.collect.instagram.journal.disk import Disk
from pipeline.collect.instagram.journal.records import (
    DAY_S,
    GONE_POST,
    LONGEST_WAIT_S,
    NewPost,
    State,
    StoredPost,
    Unseen,
    stored_of,
    text_of,
)
from pipeline.collect.instagram.journal.revising import OPTED_OUT, Revision, revision

IN_DROPS = 2
"""In the column `is_in_tables`: the post has a row in `drops` and none in `posts`; 1 is one in `posts`, 0 none."""


class Posts:
    """One row for every post that was seen."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def state(self, post_key: str) -> str | None:
        """The state of a post, None where it was never seen."""
        row = self._disk.execute("SELECT state FROM posts WHERE post_key = ?", (post_key,)).fetchone()
        return row[0] if row else None

    def holds(self, post_key: str) -> bool:
        """Whether the journal has the post with its pictures, or knows that it is gone or that one of its authors is
        on the opt-out list: nobody else is to take it.
        """
        row = self._disk.execute(
            "SELECT 1 FROM posts WHERE post_key = ? AND (state IN ('waiting', 'kept', 'gone') "
            "OR (state = 'dropped' AND reason = ?))",
            (post_key, OPTED_OUT),
        ).fetchone()
        return row is not None

    def adopt(self, post_keys: Iterable[str]) -> None:
        """Posts that the table has from another source, and whose outcome this journal is to note."""
        self._disk.executemany(
            "INSERT OR IGNORE INTO posts (post_key, location_id, state, is_in_tables) VALUES (?, '', 'known', 1)",
            [(key,) for key in post_keys],
        )

    def give_up(self, post_keys: Iterable[str]) -> list[str]:
        """Leave posts that were dropped or deferred to another source that has them; the keys of those."""
        given = [key for key in post_keys if self.state(key) in ("dropped", "deferred")]
        with self._disk.transaction():
            self._disk.executemany("DELETE FROM posts WHERE post_key = ?", [(key,) for key in given])
        return given

    def waiting(self, now: float, limit: int, reasons: Sequence[str] | None = None) -> list[StoredPost]:
        """Posts whose pictures are to be fetched: new ones, and deferred ones whose time has come.

        reasons: of the deferred ones those of these alone; None for all.
        """
        which = "" if reasons is None else f"AND reason IN ({', '.join('?' * len(reasons))}) "
        rows = self._disk.execute(
            f"SELECT * FROM posts WHERE state = 'waiting' OR (state = 'deferred' {which}AND NOT (not_before > ? AND "  # noqa: S608
            "not_before <= ?)) ORDER BY state DESC, not_before, post_key LIMIT ?",
            (*(reasons or ()), now, now + LONGEST_WAIT_S, limit),
        )
        return [stored_of(row) for row in rows]

    def next_due(self, reason: str) -> float | None:
        """When the first of the posts that are deferred for this reason is due; None where there is none."""
        asked = "SELECT MIN(not_before) FROM posts WHERE state = 'deferred' AND reason = ?"
        found = self._disk.execute(asked, (reason,)).fetchone()[0]
        return None if found is None else float(found)

    def settle(
        self,
        post_key: str,
        state: State,
        reason: str = "",
        *,
        row: Mapping[str, Any] | None = None,
        pictures: tuple[str, ...] = (),
        not_before: float = 0,
        cause: str = "",
        said: str = "",
        said_at: float = 0,
        num_tries: int = 0,
    ) -> None:
        """The outcome of a post, to be carried to the tables; addresses stay only for a deferred one.

        One that is gone before it had a row in `posts` is dropped: there is nothing to put a tombstone on. Of what is
        dropped or gone not even the fingerprint stays.
        """
        self._disk.execute(
            "UPDATE posts SET state = CASE WHEN :state = 'gone' AND is_in_tables <> 1 THEN 'dropped' ELSE :state END, "
            "reason = :reason, row = COALESCE(:row, row), pictures = :pictures, not_before = :not_before, "
            "cause = :cause, said = :said, said_at = :said_at, num_tries = :num_tries, is_changed = 1, "
            "fingerprint = CASE WHEN :state IN ('gone', 'dropped') THEN '' ELSE fingerprint END "
            "WHERE post_key = :post_key",
            {
                "state": state,
                "reason": reason,
                "row": text_of(row),
                "not_before": not_before,
                "cause": cause,
                "pictures": json.dumps(pictures) if pictures else None,
                "said": said,
                "said_at": said_at,
                "num_tries": num_tries,
                "post_key": post_key,
            },
        )
        self._disk.note_change()

    def note_said_gone(self, post_key: str, said_at: float) -> None:
        """The source says that a post which the tables have is gone: it is asked once more a day later."""
        self._disk.execute(
            "UPDATE posts SET said = ?, said_at = ?, not_before = MAX(not_before, ?) WHERE post_key = ?",
            (GONE_POST, said_at, said_at + DAY_S, post_key),
        )

    def note_asked(self, post_key: str, not_before: float) -> None:
        """A post is asked for by itself now: whatever comes of it, others come first in the next run."""
        self._disk.execute("UPDATE posts SET not_before = ? WHERE post_key = ?", (not_before, post_key))

    def defer_waiting(self, reason: str) -> None:
        """At the end of a run: what is still without pictures waits for the next one."""
        with self._disk.transaction():
            rows = self._disk.execute("SELECT post_key, pictures FROM posts WHERE state = 'waiting'").fetchall()
            for post_key, pictures in rows:
                self.settle(post_key, "deferred", reason, pictures=tuple(json.loads(pictures or "[]")))

    @property
    def took_over(self) -> tuple[int, int]:
        """Changes when the journal answers for posts that an archive may hold too: those without a picture there that
        were taken live, and tombstones of authors on the opt-out list.
        """
        asked = "SELECT COUNT(*) FROM posts WHERE state = 'gone' AND reason = ?"
        return int(self._disk.meta("bare_taken", "0")), int(self._disk.execute(asked, (OPTED_OUT,)).fetchone()[0])

    def mark_seen(self, post_key: str, number: int | None = None) -> None:
        """The post is still there; `number` is that of the walk that met it, by default the last one's."""
        number = int(self._disk.meta("walks", "0")) if number is None else number
        self._disk.execute(
            "UPDATE posts SET walk = ?, not_before = CASE WHEN state = 'kept' THEN 0 ELSE not_before END, "
            "said_at = CASE WHEN said = ? THEN 0 ELSE said_at END, said = CASE WHEN said = ? THEN '' ELSE said END "
            "WHERE post_key = ?",
            (number, GONE_POST, GONE_POST, post_key),
        )

    def unseen(self, location_id: str, number: int) -> list[Unseen]:
        """Kept and deferred posts of a location that the walk of this number did not meet: perhaps gone."""
        rows = self._disk.execute(
            "SELECT post_key, said, said_at, not_before FROM posts WHERE location_id = ? AND walk < ? "
            "AND state IN ('kept', 'deferred') ORDER BY walk, post_key",
            (location_id, number),
        )
        return [Unseen(**dict(row)) for row in rows]

    def causes(self) -> list[tuple[str, str]]:
        """What stands against posts, or pictures of kept ones, and can change by itself: (location_id, cause)."""
        asked = "SELECT DISTINCT location_id, cause FROM posts WHERE state IN ('dropped', 'kept') AND cause <> ''"
        return [(location_id, cause) for location_id, cause in self._disk.execute(asked)]

    def unmatch(self, post_keys: Iterable[str]) -> None:
        """Posts whose location is no POI's any more; they are taken again when it is one's, all of them."""
        with self._disk.transaction():
            for key in post_keys:
                self.settle(key, "dropped", "unmatched_place")
                self._disk.execute(
                    "UPDATE walks SET has_all = 0 WHERE location_id IN (SELECT location_id FROM posts WHERE "
                    "post_key = ?)",
                    (key,),
                )

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
        self._disk.execute("CREATE TEMP TABLE IF NOT EXISTS elsewhere (post_key PRIMARY KEY, location_id, state)")
        with self._disk.transaction():
            self._disk.execute("DELETE FROM elsewhere")
            self._disk.executemany("INSERT OR IGNORE INTO elsewhere VALUES (?, ?, ?)", posts)
            self._disk.execute("DELETE FROM posts WHERE state IN ('known', 'bare')")
            num_lost = self._forget_lost()
            self._disk.execute(
                "INSERT OR IGNORE INTO posts (post_key, location_id, state, is_in_tables) "
                "SELECT post_key, location_id, state, 1 FROM elsewhere"
            )
            self._disk.execute("DELETE FROM elsewhere")
        return num_lost

    def _forget_lost(self) -> int:
        """Forget posts that were carried to the tables and are not there any more: the tables were removed, or
        built for a while from an archive alone. Those without a picture stand whole in the journal and are
        carried over again.
        """
        carried = "is_in_tables AND NOT is_changed"
        self._disk.execute(
            f"UPDATE posts SET is_changed = 1 WHERE state IN ('dropped', 'deferred') AND {carried} "  # noqa: S608
            "AND post_key NOT IN (SELECT post_key FROM elsewhere)"
        )
        num_lost = self._disk.execute(
            f"DELETE FROM posts WHERE state IN ('kept', 'gone') AND {carried} "  # noqa: S608
            "AND post_key NOT IN (SELECT post_key FROM elsewhere WHERE state IN ('kept', 'gone'))"
        ).rowcount
        if num_lost:
            self._disk.execute("UPDATE walks SET has_all = 0, is_open = 0")
        return num_lost

    def meet(
        self, post: NewPost, location_id: str, *, number: int, is_whole_walk: bool, has_gone: Callable[[str], bool]
    ) -> Revision | Literal["new"]:
        """Take a post that a page shows, or let the one that is known follow it; which of these it was.

        number: of the walk that met it. The others as in `revision`.
        """
        known = self._disk.execute("SELECT * FROM posts WHERE post_key = ?", (post.post_key,)).fetchone()
        if known is None:
            self._take(post, location_id, number, is_in_tables=0)
            return "new"
        what = revision(known, post, is_whole_walk=is_whole_walk, has_gone=has_gone)
        if what == "changed" and not post.has_own_place and known["location_id"] not in ("", location_id):
            what = "same"  # it follows the place where it was met first
        if what == "taken":
            self._disk.count("bare_taken" if known["state"] == "bare" else "taken_again")
            is_in_drops = known["state"] == "dropped" or (known["state"] == "bare" and not known["location_id"])
            is_in_tables = IN_DROPS if known["is_in_tables"] and is_in_drops else known["is_in_tables"]
            self._take(post, location_id, number, is_in_tables=is_in_tables)
            return what
        if what in ("gone", "moved_away"):
            self.settle(post.post_key, "gone" if what == "gone" else "dropped", post.reason)
        elif what == "same" and post.pictures:
            self._renew_addresses(post)
        elif what == "changed":
            self._follow(post, known)
            what = what if known["fingerprint"] else "same"  # of a journal of an earlier version
        self.mark_seen(post.post_key, number)
        if known["location_id"] not in ("", location_id):
            self._disk.execute("INSERT OR IGNORE INTO sightings VALUES (?, ?)", (post.post_key, location_id))
        return what

    def _take(self, post: NewPost, location_id: str, number: int, *, is_in_tables: int) -> None:
        self._disk.execute(
            "INSERT OR REPLACE INTO posts (post_key, location_id, state, reason, walk, row, pictures, is_changed, "
            "is_in_tables, cause, fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                post.post_key,
                location_id,
                post.state,
                post.reason,
                number,
                text_of(post.row),
                json.dumps(post.pictures) if post.pictures else None,
                post.state != "waiting",
                is_in_tables,
                post.cause,
                post.fingerprint,
            ),
        )
        self._disk.note_change()

    def _follow(self, post: NewPost, known: sqlite3.Row) -> None:
        """The row as the source shows the post now; the pictures that are there stay its pictures."""
        is_fetched = known["state"] == "kept"
        row = {**(post.row or {}), "image_digests": _digests(known["row"])} if known["row"] else post.row
        self._disk.execute(
            "UPDATE posts SET row = ?, fingerprint = ?, pictures = CASE WHEN ? THEN pictures ELSE ? END, "
            "is_changed = CASE WHEN state = 'waiting' THEN is_changed ELSE 1 END WHERE post_key = ?",
            (
                text_of(row),
                post.fingerprint,
                is_fetched,
                json.dumps(post.pictures) if post.pictures else None,
                post.post_key,
            ),
        )
        self._disk.note_change()

    def _renew_addresses(self, post: NewPost) -> None:
        """The addresses that a page shows now, for a post that waits for its pictures; at once where the old ones were
        too old.
        """
        self._disk.execute(
            "UPDATE posts SET pictures = ?, not_before = CASE WHEN reason IN ('media_expired', 'image_missing') "
            "THEN 0 ELSE not_before END WHERE post_key = ? AND state IN ('waiting', 'deferred')",
            (json.dumps(post.pictures), post.post_key),
        )

    def is_on_ground(self, post_key: str, location_id: str, ground: int) -> bool:
        """Whether the walks up to the number `ground` have met the post at this location."""
        row = self._disk.execute(
            "SELECT 1 FROM posts WHERE post_key = ? AND walk <= ? AND state NOT IN ('known', 'bare') AND "
            "(location_id = ? OR EXISTS (SELECT 1 FROM sightings s WHERE s.post_key = posts.post_key AND "
            "s.location_id = ?))",
            (post_key, ground, location_id, location_id),
        ).fetchone()
        return row is not None


def _digests(row: str) -> list[str]:
    return list(json.loads(row)["image_digests"])

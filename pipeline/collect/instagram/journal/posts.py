"""Posts: their state, what they wait for, and what was seen of them."""

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


class Posts(Disk):
    """The part of the journal on posts."""

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
        """Posts that the table has from another source, and whose outcome this journal is to tell."""
        told = [(key,) for key in post_keys]
        self._disk.executemany(
            "INSERT OR IGNORE INTO posts (post_key, location_id, state, is_in_tables) VALUES (?, '', 'known', 1)", told
        )

    def give_up(self, post_keys: Iterable[str]) -> list[str]:
        """Leave posts that were dropped or deferred to another source that has them; the keys of those."""
        given = [key for key in post_keys if self.state(key) in ("dropped", "deferred")]
        with self.transaction():
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
        dropped or gone not even the digest of its words stays.
        """
        self._disk.execute(
            "UPDATE posts SET state = CASE WHEN :state = 'gone' AND is_in_tables <> 1 THEN 'dropped' ELSE :state END, "
            "reason = :reason, row = COALESCE(:row, row), pictures = :pictures, not_before = :not_before, "
            "cause = :cause, said = :said, said_at = :said_at, num_tries = :num_tries, is_changed = 1, "
            "told = CASE WHEN :state IN ('gone', 'dropped') THEN '' ELSE told END WHERE post_key = :post_key",
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
        self._change()

    def note_said(self, post_key: str, said_at: float) -> None:
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
        with self.transaction():
            rows = self._disk.execute("SELECT post_key, pictures FROM posts WHERE state = 'waiting'").fetchall()
            for post_key, pictures in rows:
                self.settle(post_key, "deferred", reason, pictures=tuple(json.loads(pictures or "[]")))

    @property
    def took_over(self) -> tuple[int, int]:
        """Changes with what an archive may have told and the journal answers for: posts without a picture there that
        were taken live, and tombstones of authors on the opt-out list.
        """
        asked = "SELECT COUNT(*) FROM posts WHERE state = 'gone' AND reason = ?"
        return int(self._meta("bare_taken", "0")), int(self._disk.execute(asked, (OPTED_OUT,)).fetchone()[0])

    def note_image(self, row: Mapping[str, Any]) -> None:
        """A picture that was fetched, whatever its outcome."""
        self._disk.execute("INSERT OR IGNORE INTO images VALUES (?, ?, NULL)", (row["digest"], json.dumps(dict(row))))

    def forget_images(self, digests: Iterable[str]) -> None:
        """Pictures that are removed; they are noted anew when they come again."""
        with self.transaction():
            self._disk.executemany("DELETE FROM images WHERE digest = ?", ((digest,) for digest in digests))

    def see(self, post_key: str, number: int | None = None) -> None:
        """The post is still there; `number` is that of the walk that met it, by default the last one's."""
        number = int(self._meta("walks", "0")) if number is None else number
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

    def pass_again(self, location_ids: Iterable[str]) -> None:
        """Let the next walk over these locations pass all their posts."""
        with self.transaction():
            self._disk.executemany(
                "UPDATE walks SET has_all = 0, is_open = is_open AND kind <> 'refresh' WHERE location_id = ?",
                [(location_id,) for location_id in location_ids],
            )

    def unmatch(self, post_keys: Iterable[str]) -> None:
        """Posts whose location is no POI's any more; they are taken again when it is one's, all of them."""
        with self.transaction():
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

    def meet(
        self, post: NewPost, location_id: str, *, number: int, is_whole_walk: bool, has_gone: Callable[[str], bool]
    ) -> Revision | Literal["new"]:
        """Take a post that the source tells, or let the one that is known follow it; which of these it was.

        number: of the walk that met it. The others as in `revision`.
        """
        told = self._disk.execute("SELECT * FROM posts WHERE post_key = ?", (post.post_key,)).fetchone()
        if told is None:
            self._take(post, location_id, number, is_in_tables=0)
            return "new"
        what = revision(told, post, is_whole_walk=is_whole_walk, has_gone=has_gone)
        if what == "changed" and not post.has_own_place and told["location_id"] not in ("", location_id):
            what = "same"  # it follows the place where it was met first
        if what == "taken":
            self._count("bare_taken" if told["state"] == "bare" else "taken_again")
            is_in_drops = told["state"] == "dropped" or (told["state"] == "bare" and not told["location_id"])
            is_in_tables = IN_DROPS if told["is_in_tables"] and is_in_drops else told["is_in_tables"]
            self._take(post, location_id, number, is_in_tables=is_in_tables)
            return what
        if what in ("gone", "moved_away"):
            self.settle(post.post_key, "gone" if what == "gone" else "dropped", post.reason)
        elif what == "same" and post.pictures:
            self._renew_addresses(post)
        elif what == "changed":
            self._follow(post, told)
            what = what if told["told"] else "same"  # of a journal that did not note yet what it was told
        self.see(post.post_key, number)
        if told["location_id"] not in ("", location_id):
            self._disk.execute("INSERT OR IGNORE INTO sightings VALUES (?, ?)", (post.post_key, location_id))
        return what

    def _take(self, post: NewPost, location_id: str, number: int, *, is_in_tables: int) -> None:
        self._disk.execute(
            "INSERT OR REPLACE INTO posts (post_key, location_id, state, reason, walk, row, pictures, is_changed, "
            "is_in_tables, cause, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                post.told,
            ),
        )
        self._change()

    def _follow(self, post: NewPost, told: sqlite3.Row) -> None:
        """The row as the source tells it now; the pictures that are there stay its pictures."""
        is_fetched = told["state"] == "kept"
        row = {**(post.row or {}), "image_digests": _digests(told["row"])} if told["row"] else post.row
        self._disk.execute(
            "UPDATE posts SET row = ?, told = ?, pictures = CASE WHEN ? THEN pictures ELSE ? END, "
            "is_changed = CASE WHEN state = 'waiting' THEN is_changed ELSE 1 END WHERE post_key = ?",
            (text_of(row), post.told, is_fetched, json.dumps(post.pictures) if post.pictures else None, post.post_key),
        )
        self._change()

    def _renew_addresses(self, post: NewPost) -> None:
        """The addresses that a page tells now, for a post that waits for its pictures; at once where the old ones were
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

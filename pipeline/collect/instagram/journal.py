"""The collector's journal of one city: what was asked, what it answered, and the posts that are not in `posts` yet.

Reads and writes crawl/<city>.sqlite, always on a local disk.
Law: a page's posts, its cursor and its outcome are one transaction, so a crash anywhere costs one page at most; a post
has one row for ever, by its key. It holds pseudonyms only: no id of a person, post or media. The address of a picture,
which can hold one, stays until the picture is there or given up, and is overwritten then.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.collect.fields import LocationStub

VERSION = "1"
State = Literal["waiting", "kept", "dropped", "deferred", "gone", "known", "bare"]
"""waiting: for its pictures · kept · dropped, deferred: with a reason · gone: a tombstone · known: from elsewhere ·
bare: from elsewhere and without a picture."""

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
    kind TEXT NOT NULL DEFAULT 'first', is_open INTEGER NOT NULL DEFAULT 0, road TEXT, cursor TEXT,
    num_pages INTEGER NOT NULL DEFAULT 0, num_empty INTEGER NOT NULL DEFAULT 0, has_all INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', not_before REAL NOT NULL DEFAULT 0, begun REAL NOT NULL DEFAULT 0,
    ended REAL NOT NULL DEFAULT 0, walked_all REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    location_id TEXT NOT NULL, cursor TEXT NOT NULL, PRIMARY KEY (location_id, cursor)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posts (
    post_key TEXT PRIMARY KEY, location_id TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    not_before REAL NOT NULL DEFAULT 0, seen REAL NOT NULL, row TEXT, pictures TEXT,
    is_in_tables INTEGER NOT NULL DEFAULT 0, is_changed INTEGER NOT NULL DEFAULT 0, batch INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS posts_by_state ON posts (state);
CREATE INDEX IF NOT EXISTS posts_changed ON posts (is_changed) WHERE is_changed;
CREATE INDEX IF NOT EXISTS posts_of_location ON posts (location_id, seen);
CREATE TABLE IF NOT EXISTS sightings (
    post_key TEXT NOT NULL, location_id TEXT NOT NULL, PRIMARY KEY (post_key, location_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS images (digest TEXT PRIMARY KEY, row TEXT, batch INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_new ON images (batch) WHERE batch IS NULL;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the walk over one location's posts has come.

    kind: `first` collects all; `refresh` stops at known posts; `again` passes all once more to see what is gone.
    is_open: begun and not ended; it goes on from `cursor`. has_all: it once came to its end. Times are UTC seconds.
    """

    location_id: str
    poi_id: str
    rank: int
    kind: str
    is_open: bool
    road: str | None
    cursor: dict[str, Any] | None
    num_pages: int
    num_empty: int
    has_all: bool
    reason: str
    not_before: float
    begun: float
    ended: float
    walked_all: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A post as a page told it: its row of `posts` and the addresses of its pictures, or why it is not taken."""

    post_key: str
    state: State
    reason: str = ""
    row: Mapping[str, Any] | None = None
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPost:
    """A post of the journal whose pictures are not all there, or whose state is asked for again."""

    post_key: str
    location_id: str
    row: dict[str, Any] | None
    pictures: tuple[str, ...]


class Journal:
    """One city's journal; used by one process at a time, which holds the lock of the stage."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._disk = sqlite3.connect(path, isolation_level=None)
        self._disk.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
            self._disk.execute(f"PRAGMA {pragma}")
        self._disk.executescript(_SCHEMA)
        if self._meta("version", VERSION) != VERSION:
            raise ValueError(f"{path} was written by another version of the pipeline: move it away, then collect anew")
        self._meta("changes", "0")
        self.writer = f"crawl-{self._meta('writer', uuid.uuid4().hex)}"

    def close(self) -> None:
        """Fold the log into the file, so that nothing overwritten stays in it."""
        self._disk.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._disk.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._disk.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._disk.execute("ROLLBACK")
            raise
        self._disk.execute("COMMIT")

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

    # searches and places

    def searched(self, asked: Mapping[str, str]) -> set[str]:
        """The POIs whose search was answered; `asked` maps poi_id to what is asked, another question counts anew."""
        rows = self._disk.execute("SELECT poi_id, asked FROM searches WHERE outcome = 'answered'")
        return {poi_id for poi_id, question in rows if asked.get(poi_id) == question}

    def note_search(self, poi_id: str, asked: str, outcome: str, stubs: Iterable[LocationStub], at_utc: float) -> None:
        """What the search for a POI came to: `answered`, or the reason why not."""
        found = list(stubs)
        with self.transaction():
            self._disk.execute(
                "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?)", (poi_id, asked, outcome, len(found), at_utc)
            )
            for stub in found:
                self._note_stub(stub)
            self._change()

    def note_stub(self, stub: LocationStub) -> None:
        """What a location's own page tells of it."""
        with self.transaction():
            self._note_stub(stub)

    def stubs(self) -> list[LocationStub]:
        """Every location that a search found, by id."""
        rows = self._disk.execute("SELECT * FROM stubs ORDER BY location_id")
        return [
            LocationStub(
                location_id=row["location_id"], name=row["name"],
                coordinates=None if row["latitude"] is None else (row["latitude"], row["longitude"]),
            )
            for row in rows
        ]  # fmt: skip

    def search_outcomes(self) -> dict[str, int]:
        """POIs by what their search came to."""
        return dict(self._disk.execute("SELECT outcome, COUNT(*) FROM searches GROUP BY outcome ORDER BY outcome"))

    # walks

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
        return [_walk(row) for row in rows]

    def walk(self, location_id: str) -> Walk:
        """One walk."""
        return _walk(self._disk.execute("SELECT * FROM walks WHERE location_id = ?", (location_id,)).fetchone())

    def begin_walk(self, location_id: str, kind: str, at_utc: float) -> None:
        """Start at the top."""
        with self.transaction():
            self._disk.execute(
                "UPDATE walks SET kind = ?, is_open = 1, road = NULL, cursor = NULL, num_pages = 0, num_empty = 0, "
                "begun = ? WHERE location_id = ?", (kind, at_utc, location_id),
            )  # fmt: skip
            self._disk.execute("DELETE FROM cursors WHERE location_id = ?", (location_id,))

    def end_walk(
        self, location_id: str, reason: str, at_utc: float, *, has_all: bool = False, not_before: float = 0
    ) -> None:
        """Close a walk: with reason "" it came to its end, else it is deferred until `not_before`."""
        with self.transaction():
            self._disk.execute(
                "UPDATE walks SET is_open = 0, cursor = NULL, reason = ?, not_before = ?, ended = ?, "
                "has_all = MAX(has_all, ?), walked_all = CASE WHEN ? THEN begun ELSE walked_all END "
                "WHERE location_id = ?", (reason, not_before, at_utc, has_all, has_all, location_id),
            )  # fmt: skip
            self._disk.execute("DELETE FROM cursors WHERE location_id = ?", (location_id,))

    def defer_walk(self, location_id: str, reason: str, not_before: float) -> None:
        """Leave a walk where it is, to go on from there."""
        with self.transaction():
            self._disk.execute(
                "UPDATE walks SET reason = ?, not_before = ? WHERE location_id = ?", (reason, not_before, location_id)
            )

    def take_page(
        self, walk: Walk, posts: Sequence[NewPost], *, road: str, cursor: dict[str, Any] | None, at_utc: float
    ) -> tuple[int, int, bool]:
        """Take a page's posts and cursor in one transaction: how many are new, how many an earlier walk had seen,
        and whether the cursor was seen before in this walk.
        """
        location_id, num_new, num_known = walk.location_id, 0, 0
        with self.transaction():
            for post in posts:
                num_known += self._is_known(post.post_key, walk.begun)
                num_new += self._take(location_id, post, at_utc)
            is_loop = cursor is not None and not self._note_cursor(location_id, cursor)
            is_empty = not posts
            self._disk.execute(
                "UPDATE walks SET road = ?, cursor = ?, num_pages = num_pages + 1, reason = '', "
                "num_empty = CASE WHEN ? THEN num_empty + 1 ELSE 0 END WHERE location_id = ?",
                (road, json.dumps(cursor) if cursor is not None else None, is_empty, location_id),
            )
        return num_new, num_known, is_loop

    # posts

    def state(self, post_key: str) -> str | None:
        """The state of a post, None where it was never seen."""
        row = self._disk.execute("SELECT state FROM posts WHERE post_key = ?", (post_key,)).fetchone()
        return row[0] if row else None

    def holds(self, post_key: str) -> bool:
        """Whether the post is one of the journal's own that is or was taken."""
        return self.state(post_key) in ("waiting", "kept", "deferred", "gone")

    def defer_waiting(self, reason: str) -> None:
        """At the end of a run: what is still without pictures waits for the next one."""
        with self.transaction():
            rows = self._disk.execute("SELECT post_key, pictures FROM posts WHERE state = 'waiting'").fetchall()
            for post_key, pictures in rows:
                self.settle(post_key, "deferred", reason, pictures=tuple(json.loads(pictures or "[]")))

    def waiting(self, now: float, limit: int) -> list[StoredPost]:
        """Posts whose pictures are to be fetched: new ones, and deferred ones whose time has come."""
        rows = self._disk.execute(
            "SELECT * FROM posts WHERE state = 'waiting' OR (state = 'deferred' AND not_before <= ?) "
            "ORDER BY state DESC, not_before, post_key LIMIT ?", (now, limit),
        )  # fmt: skip
        return [_stored(row) for row in rows]

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
            (state, state, reason, _text(row), json.dumps(pictures) if pictures else None, not_before, post_key),
        )  # fmt: skip
        self._change()

    def note_image(self, row: Mapping[str, Any]) -> None:
        """A picture that was fetched, whatever its outcome."""
        self._disk.execute("INSERT OR IGNORE INTO images VALUES (?, ?, NULL)", (row["digest"], json.dumps(dict(row))))

    def see(self, post_key: str, at_utc: float) -> None:
        """The post is still there."""
        self._disk.execute("UPDATE posts SET seen = ? WHERE post_key = ?", (at_utc, post_key))

    def unseen(self, location_id: str, before: float) -> list[str]:
        """Kept and deferred posts of a location that were last seen before a moment: perhaps gone."""
        rows = self._disk.execute(
            "SELECT post_key FROM posts WHERE location_id = ? AND seen < ? AND state IN ('kept', 'deferred') "
            "ORDER BY seen, post_key", (location_id, before),
        )  # fmt: skip
        return [key for (key,) in rows]

    def unmatch(self, post_keys: Iterable[str]) -> None:
        """Posts whose location is no POI's any more; they are taken again when it is one's."""
        with self.transaction():
            for key in post_keys:
                self.settle(key, "dropped", "unmatched_place")

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

    def num_seen(self, location_id: str, since: float) -> int:
        """How many posts of a location were seen since a moment."""
        row = self._disk.execute(
            "SELECT COUNT(*) FROM posts WHERE location_id = ? AND seen >= ?", (location_id, since)
        ).fetchone()
        return int(row[0])

    def note_elsewhere(self, posts: Iterable[tuple[str, str, State]]) -> None:
        """Posts that the tables hold from another source, or from a journal that was lost: (post_key, location_id,
        state). A `bare` one has no picture yet and is taken when it is met; the others are not fetched again.
        """
        with self.transaction():
            self._disk.execute("DELETE FROM posts WHERE state IN ('known', 'bare')")
            self._disk.executemany(
                "INSERT OR IGNORE INTO posts (post_key, location_id, state, seen, is_in_tables) "
                "VALUES (?, ?, ?, 0, 1)",
                posts,
            )

    def note_known_images(self, digests: Iterable[str]) -> None:
        """Pictures that the table holds already."""
        with self.transaction():
            self._disk.executemany("INSERT OR IGNORE INTO images VALUES (?, NULL, 0)", ((one,) for one in digests))

    # emptying

    def num_unemptied(self) -> int:
        """Posts that the tables do not have yet as they are."""
        return int(self._disk.execute("SELECT COUNT(*) FROM posts WHERE is_changed").fetchone()[0])

    def next_batch(self, limit: int) -> int | None:
        """The number of the batch to carry to the tables; None where nothing has changed. Its posts stay the same
        until `empty` is called, also over a crash.
        """
        number = int(self._meta("batch", "0"))
        if self._meta("is_batch_open", "0") == "1":
            return number
        number += 1
        with self.transaction():
            taken = self._disk.execute(
                "UPDATE posts SET batch = ? WHERE post_key IN (SELECT post_key FROM posts WHERE is_changed LIMIT ?)",
                (number, limit),
            ).rowcount
            images = self._disk.execute("UPDATE images SET batch = ? WHERE batch IS NULL", (number,)).rowcount
            if not taken and not images:
                return None
            self._set("batch", str(number))
            self._set("is_batch_open", "1")
        return number

    def batch_posts(self, number: int, *, is_in_tables: bool) -> list[dict[str, Any]]:
        """The posts of a batch that the tables hold already, or do not: state, reason, not_before, row."""
        rows = self._disk.execute(
            "SELECT * FROM posts WHERE batch = ? AND is_changed AND is_in_tables = ? ORDER BY post_key",
            (number, is_in_tables),
        )
        return [{**dict(row), "row": json.loads(row["row"]) if row["row"] else None} for row in rows]

    def batch_images(self, number: int) -> list[dict[str, Any]]:
        """The pictures of a batch."""
        rows = self._disk.execute(
            "SELECT row FROM images WHERE batch = ? AND row IS NOT NULL ORDER BY digest", (number,)
        )
        return [json.loads(row) for (row,) in rows]

    def empty(self, number: int) -> None:
        """The batch is in the tables: its texts leave the journal, except those that wait for a picture."""
        with self.transaction():
            self._disk.execute(
                "UPDATE posts SET is_changed = 0, is_in_tables = 1, batch = NULL, "
                "row = CASE WHEN state = 'deferred' THEN row END WHERE batch = ?", (number,),
            )  # fmt: skip
            self._disk.execute("UPDATE images SET row = NULL WHERE batch = ?", (number,))
            self._set("is_batch_open", "0")

    def _take(self, location_id: str, post: NewPost, at_utc: float) -> bool:
        """Whether the post is new; a known one was seen again, perhaps at a second location."""
        added = self._disk.execute(
            "INSERT INTO posts (post_key, location_id, state, reason, seen, row, pictures, is_changed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (post_key) DO UPDATE SET location_id = excluded.location_id, "
            "state = excluded.state, reason = excluded.reason, seen = excluded.seen, row = excluded.row, "
            "pictures = excluded.pictures, is_changed = excluded.is_changed WHERE excluded.state <> 'dropped' AND "
            "(posts.state = 'bare' OR (posts.state = 'dropped' AND posts.reason = 'unmatched_place'))",
            (post.post_key, location_id, post.state, post.reason, at_utc, _text(post.row),
             json.dumps(post.pictures) if post.pictures else None, post.state != "waiting"),
        ).rowcount  # fmt: skip
        if added:
            self._change()
            return True
        self.see(post.post_key, at_utc)
        self._disk.execute(
            "INSERT OR IGNORE INTO sightings SELECT post_key, ? FROM posts WHERE post_key = ? AND location_id <> ?",
            (location_id, post.post_key, location_id),
        )
        return False

    def _is_known(self, post_key: str, before: float) -> bool:
        """Whether the collector itself has seen the post before this walk."""
        row = self._disk.execute("SELECT seen, state FROM posts WHERE post_key = ?", (post_key,)).fetchone()
        return row is not None and row["seen"] < before and row["state"] not in ("known", "bare")

    def _note_cursor(self, location_id: str, cursor: dict[str, Any]) -> bool:
        """Whether this walk has not seen the cursor yet."""
        text = json.dumps(cursor, sort_keys=True)
        return bool(self._disk.execute("INSERT OR IGNORE INTO cursors VALUES (?, ?)", (location_id, text)).rowcount)

    def _note_stub(self, stub: LocationStub) -> None:
        latitude, longitude = stub.coordinates or (None, None)
        self._disk.execute(
            "INSERT INTO stubs VALUES (?, ?, ?, ?) ON CONFLICT (location_id) DO UPDATE SET name = excluded.name, "
            "latitude = COALESCE(excluded.latitude, latitude), longitude = COALESCE(excluded.longitude, longitude)",
            (stub.location_id, stub.name, latitude, longitude),
        )

    def _change(self) -> None:
        self._disk.execute("UPDATE meta SET value = value + 1 WHERE name = 'changes'")

    def _meta(self, name: str, default: str) -> str:
        self._disk.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, default))
        return str(self._disk.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def _set(self, name: str, value: str) -> None:
        self._disk.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _text(row: Mapping[str, Any] | None) -> str | None:
    return json.dumps(dict(row), ensure_ascii=False) if row is not None else None


def _walk(row: sqlite3.Row) -> Walk:
    fields = {name: row[name] for name in Walk.__dataclass_fields__}
    fields["cursor"] = json.loads(row["cursor"]) if row["cursor"] else None
    return Walk(**{**fields, "is_open": bool(row["is_open"]), "has_all": bool(row["has_all"])})


def _stored(row: sqlite3.Row) -> StoredPost:
    return StoredPost(
        post_key=row["post_key"], location_id=row["location_id"],
        row=json.loads(row["row"]) if row["row"] else None, pictures=tuple(json.loads(row["pictures"] or "[]")),
    )  # fmt: skip

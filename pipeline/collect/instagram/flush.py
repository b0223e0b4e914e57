"""Flushing the journal into the tables, in batches.

Reads  the journal's changed posts and pictures
Writes posts, images, drops and deferred of the stage posts
Law: a batch is carried over whole and once: new rows by a numbered append, changed ones by their key, and only then
the journal lets its texts go. A crash anywhere repeats a batch and changes nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from pipeline.collect.instagram.journal import Journal
from pipeline.ledger import deferred_row, ledger_row
from pipeline.store import Store

STAGE = "posts"
BATCH = 1000

Row = dict[str, Any]


def flush_journal(store: Store, city: str, journal: Journal, limit: int = BATCH) -> int:
    """Carry everything that changed over to the tables; how many posts."""
    num_posts = 0
    while (number := journal.batches.next(limit)) is not None:
        new = journal.batches.posts(number, is_in_tables=False)
        changed = journal.batches.posts(number, is_in_tables=True)
        _add(store, city, journal, number, new)
        _change(store, city, changed)
        journal.batches.close(number)
        num_posts += len(new) + len(changed)
    return num_posts


def dropped_row(post: Row) -> Row:
    """The row in `drops` of a post of the journal."""
    return ledger_row(STAGE, post["post_key"], post["reason"])


def waiting_row(post: Row) -> Row:
    """The row in `deferred` of a post of the journal."""
    at = post["not_before"]
    return deferred_row(STAGE, post["post_key"], post["reason"], datetime.fromtimestamp(at, UTC) if at else None)


def _add(store: Store, city: str, journal: Journal, number: int, posts: Sequence[Row]) -> None:
    """Posts that no table has yet."""
    in_posts = [_posts_row(post) for post in posts if post["state"] in ("kept", "deferred")]
    drops = [dropped_row(post) for post in posts if post["state"] == "dropped"]
    waiting = [waiting_row(post) for post in posts if post["state"] == "deferred"]
    batch = {"images": journal.batches.images(number), "posts": in_posts, "drops": drops, "deferred": waiting}
    for name, rows in batch.items():
        store.tables.append_once(city, name, rows, writer=journal.writer, number=number)


def _change(store: Store, city: str, posts: Sequence[Row]) -> None:
    """Posts that the tables have with what they were before."""
    if not posts:
        return
    keys = _sql([post["post_key"] for post in posts])
    ours = f"stage = '{STAGE}' AND post_key IN ({keys})"
    here = [_posts_row(post) for post in posts if post["state"] in ("kept", "deferred")]
    store.tables.merge(city, "posts", _with_pictures(store, city, here))
    make_tombstones(store, city, [post["post_key"] for post in posts if post["state"] == "gone"])
    dropped = [post for post in posts if post["state"] == "dropped"]
    if dropped:
        store.tables.delete(city, "posts", f"post_key IN ({_sql([post['post_key'] for post in dropped])})")
    store.tables.replace(city, "drops", [dropped_row(post) for post in dropped], where=ours)
    waiting = [waiting_row(post) for post in posts if post["state"] == "deferred"]
    store.tables.replace(city, "deferred", waiting, where=ours)


def _with_pictures(store: Store, city: str, rows: list[Row]) -> list[Row]:
    """The rows with the pictures that the table has, where only the words of a post have changed."""
    bare = [row["post_key"] for row in rows if not row["image_digests"]]
    if not bare:
        return rows
    where = pc.field("post_key").isin(bare)
    batches = store.tables.batches(city, "posts", ["post_key", "image_digests"], where=where)
    digests = {row["post_key"]: row["image_digests"] for batch in batches for row in batch.to_pylist()}
    return [{**row, "image_digests": row["image_digests"] or digests.get(row["post_key"], [])} for row in rows]


def make_tombstones(store: Store, city: str, post_keys: Sequence[str]) -> None:
    """Make tombstones: the rows stay, without a word or a picture; what hangs on them goes with the next build. They
    are the journal's, whoever found the post: an archive that has it still does not bring it back.
    """
    if not post_keys:
        return
    batches = store.tables.batches(city, "posts", where=pc.field("post_key").isin(list(post_keys)))
    rows = [row for batch in batches for row in batch.to_pylist()]
    emptied = {"caption": "", "hashtags": [], "image_digests": [], "state": "deleted", "source": "live"}
    store.tables.merge(city, "posts", [{**row, **emptied} for row in rows])


def _posts_row(post: Row) -> Row:
    row: Row = post["row"]
    times = {name: datetime.fromisoformat(row[name]) for name in ("taken_utc", "retrieved_utc")}
    return {**row, **times}


def _sql(keys: Iterable[str]) -> str:
    """Pseudonyms are hex, so they need no escape."""
    assert all(key.isalnum() for key in keys), "a key is hex"
    return ", ".join(f"'{key}'" for key in keys)

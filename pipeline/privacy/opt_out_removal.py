"""Removal of who opted out: nothing more is collected of them, and what was goes with the next build.

Reads  posts of every city, the journals, the pseudonyms of the posts' authors
Writes the opt-out list
Law: a post is of each of its authors: it leaves when one of them does.
"""

from collections.abc import Iterable

import pyarrow.compute as pc

from pipeline.collect.instagram.status import look_at_journal
from pipeline.privacy.named_pictures import released_posts
from pipeline.privacy.opt_out import OptOut, add_opt_outs
from pipeline.privacy.pseudonyms import read_authors
from pipeline.store import Store

NOT_FLUSHED = (
    "SELECT post_key, json_extract(row, '$.user_key') FROM posts "
    "WHERE row IS NOT NULL AND state IN ('waiting', 'kept', 'deferred')"
)
"""Posts whose words the journal still has, and their owners."""


def register_opt_out(store: Store, entries: Iterable[str]) -> dict[str, int]:
    """Put accounts and posts on the list; how many posts of theirs each city still holds, until its next build.

    Raises:
        StageError: an entry is neither an account nor a post; nothing is added.
    """
    opt_out = add_opt_outs(store, entries)
    held = {city: _held(store, city, opt_out) for city in store.cities()}
    return {city: len(keys) for city, keys in held.items() if keys}


def opted_out_posts(store: Store, city: str, opt_out: OptOut) -> list[str]:
    """The keys of a city's posts that are on the list and still there."""
    if not len(opt_out):
        return []
    authors, is_there = read_authors(store, city), pc.field("state") == "active"
    batches = store.tables.batches(city, "posts", ["post_key", "user_key"], where=is_there)
    rows = ((row["post_key"], row["user_key"]) for batch in batches for row in batch.to_pylist())
    return [key for key, owner in rows if opt_out.covers_row(city, key, owner, *authors.get(key, ()))]


def opted_out_since(store: Store, city: str, opt_out: OptOut) -> set[str]:
    """The keys of all posts that were ever taken here and are on the list, though no table may hold them any more."""
    known = read_authors(store, city) if len(opt_out) else {}
    return {key for key, authors in known.items() if opt_out.covers_row(city, key, *authors)}


def released_and_opted_out(store: Store, city: str, opt_out: OptOut) -> set[str]:
    """The keys of posts in a city's releases that are on the list, though they may have left the tables since."""
    if not len(opt_out):
        return set()
    authors = read_authors(store, city)
    rows = released_posts(store, city).items()
    return {key for key, owner in rows if opt_out.covers_row(city, key, owner, *authors.get(key, ()))}


def _held(store: Store, city: str, opt_out: OptOut) -> set[str]:
    """Posts of a city in its tables, in its releases, and in its journal alone."""
    authors = read_authors(store, city)
    in_journal = look_at_journal(store, city, lambda disk: dict(disk.execute(NOT_FLUSHED).fetchall())) or {}
    waiting = {key for key, owner in in_journal.items() if opt_out.covers_row(city, key, owner, *authors.get(key, ()))}
    return waiting.union(opted_out_posts(store, city, opt_out), released_and_opted_out(store, city, opt_out))

"""Leaving: who is on the opt-out list is not collected any more, and what was collected goes with the next build.

Reads  posts of every city
Writes the opt-out list
"""

from collections.abc import Iterable

import pyarrow.compute as pc

from pipeline.collect.opt_out import OptOut, add_opt_outs
from pipeline.store import Store


def leave(store: Store, entries: Iterable[str]) -> dict[str, int]:
    """Put accounts and posts on the list; how many posts of theirs each city still holds, until its next build.

    Raises:
        StageError: an entry is neither an account nor a post; nothing is added.
    """
    opt_out = add_opt_outs(store, entries)
    return {city: len(keys) for city in store.cities() if (keys := opted_out_posts(store, city, opt_out))}


def opted_out_posts(store: Store, city: str, opt_out: OptOut) -> list[str]:
    """The keys of a city's posts that are on the list and still there."""
    if not len(opt_out):
        return []
    is_there = pc.field("state") == "active"
    batches = store.tables.batches(city, "posts", ["post_key", "user_key"], where=is_there)
    rows = (row for batch in batches for row in batch.to_pylist())
    return [row["post_key"] for row in rows if opt_out.covers_row(city, row["post_key"], row["user_key"])]

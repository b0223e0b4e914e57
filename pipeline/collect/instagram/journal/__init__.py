"""The journal of live collection, a SQLite file for each city: what was asked, what came, and what the tables lack.

Reads and writes crawl/<city>.sqlite, always on a local disk.
Law: a page's posts, its cursor and its outcome are one transaction, so a crash anywhere costs one page at most; a post
has one row for ever, by its key. It holds pseudonyms in place of ids of people, posts and media. Two things can hold
such ids and stay only as long as they are needed, and are overwritten then: the address of a picture until it is there
or given up, and the cursor of a walk until it ends.
"""

from pipeline.collect.instagram.journal.journal import Journal
from pipeline.collect.instagram.journal.records import (
    NewPost,
    PageOutcome,
    State,
    StoredPost,
    Unseen,
    Walk,
    is_due,
    is_said_again,
)

__all__ = ["Journal", "NewPost", "PageOutcome", "State", "StoredPost", "Unseen", "Walk", "is_due", "is_said_again"]

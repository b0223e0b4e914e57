"""The collector's journal of one city: what was asked, what it answered, and the posts that are not in `posts` yet.

Reads and writes crawl/<city>.sqlite, always on a local disk.
Law: a page's posts, its cursor and its outcome are one transaction, so a crash anywhere costs one page at most; a post
has one row for ever, by its key. It holds pseudonyms in place of ids of people, posts and media. Two things can hold
such ids and stay only as long as they are needed, and are overwritten then: the address of a picture until it is there
or given up, and the cursor of a walk until it ends.
"""

from pipeline.collect.instagram.journal.batches import Batches
from pipeline.collect.instagram.journal.records import (
    NewPost,
    State,
    StoredPost,
    Taken,
    Unseen,
    Walk,
    is_due,
    is_said_again,
)
from pipeline.collect.instagram.journal.searches import Searches
from pipeline.collect.instagram.journal.walks import Walks

__all__ = ["Journal", "NewPost", "State", "StoredPost", "Taken", "Unseen", "Walk", "is_due", "is_said_again"]


class Journal(Searches, Walks, Batches):
    """One city's journal."""

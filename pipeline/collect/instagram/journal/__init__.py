"""The collector's journal of one city: what was asked, what it answered, and the posts that are not in `posts` yet.

Reads and writes crawl/<city>.sqlite, always on a local disk.
Law: a page's posts, its cursor and its outcome are one transaction, so a crash anywhere costs one page at most; a post
has one row for ever, by its key. It holds pseudonyms only: no id of a person, post or media. The address of a picture,
which can hold one, stays until the picture is there or given up, and is overwritten then.
"""

from pipeline.collect.instagram.journal.batches import Batches
from pipeline.collect.instagram.journal.records import NewPost, State, StoredPost, Walk
from pipeline.collect.instagram.journal.searches import Searches
from pipeline.collect.instagram.journal.walks import Walks

__all__ = ["Journal", "NewPost", "State", "StoredPost", "Walk"]


class Journal(Searches, Walks, Batches):
    """One city's journal."""

"""The journal as its users hold it: posts, walks, searches, images and batches over one open file."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.collect.instagram.journal.batches import Batches
from pipeline.collect.instagram.journal.disk import Disk
from pipeline.collect.instagram.journal.images import Images
from pipeline.collect.instagram.journal.posts import Posts
from pipeline.collect.instagram.journal.searches import Searches
from pipeline.collect.instagram.journal.walks import Walks


class Journal:
    """One city's journal. writer: its name in the tables, the same over all runs."""

    def __init__(self, path: Path) -> None:
        self.disk = Disk(path)
        self.writer = f"crawl-{self.disk.meta('writer', uuid.uuid4().hex)}"
        self.posts = Posts(self.disk)
        self.walks = Walks(self.disk, self.posts)
        self.searches = Searches(self.disk)
        self.images = Images(self.disk)
        self.batches = Batches(self.disk)

    def close(self) -> None:
        """Close the file; nothing overwritten stays in it."""
        self.disk.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written inside."""
        with self.disk.transaction():
            yield

    @property
    def num_changes(self) -> int:
        """Grows with every change that a stage behind must know of."""
        return int(self.disk.meta("changes", "0"))

    def note(self, name: str) -> str:
        """A note of the collector's, "" where there is none."""
        row = self.disk.execute("SELECT value FROM meta WHERE name = ?", (f"note/{name}",)).fetchone()
        return str(row[0]) if row else ""

    def set_note(self, name: str, value: str) -> None:
        """Keep a note over runs."""
        self.disk.set_meta(f"note/{name}", value)

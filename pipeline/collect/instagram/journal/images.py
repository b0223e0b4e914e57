"""The journal's pictures: the rows of fetched ones until the tables hold them, then their digests alone."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.collect.instagram.journal.disk import Disk


class Images:
    """The pictures that were fetched, by digest."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def note(self, row: Mapping[str, Any]) -> None:
        """A picture that was fetched, whatever its outcome."""
        self._disk.execute("INSERT OR IGNORE INTO images VALUES (?, ?, NULL)", (row["digest"], json.dumps(dict(row))))

    def forget(self, digests: Iterable[str]) -> None:
        """Pictures that are removed; they are noted anew when they come again."""
        with self._disk.transaction():
            self._disk.executemany("DELETE FROM images WHERE digest = ?", ((digest,) for digest in digests))

    def note_known(self, digests: Iterable[str]) -> None:
        """Pictures that the table holds already; what it has lost is noted anew when it comes."""
        with self._disk.transaction():
            self._disk.execute("DELETE FROM images WHERE row IS NULL")
            self._disk.executemany("INSERT OR IGNORE INTO images VALUES (?, NULL, 0)", ((one,) for one in digests))

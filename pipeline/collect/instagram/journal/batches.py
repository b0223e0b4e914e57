"""The journal's batches: changed posts and pictures on their way to the tables, whole and once."""

import json
from typing import Any

from pipeline.collect.instagram.journal.disk import Disk


class Batches:
    """What the tables do not have yet, batch by batch."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def num_changed(self) -> int:
        """Posts that the tables do not have yet as they are."""
        return int(self._disk.execute("SELECT COUNT(*) FROM posts WHERE is_changed").fetchone()[0])

    def next(self, limit: int) -> int | None:
        """The number of the batch to carry to the tables; None where nothing has changed. Its posts stay the same
        until it is closed, also over a crash.
        """
        number = int(self._disk.meta("batch", "0"))
        if self._disk.meta("is_batch_open", "0") == "1":
            return number
        number += 1
        with self._disk.transaction():
            taken = self._disk.execute(
                "UPDATE posts SET batch = ? WHERE post_key IN (SELECT post_key FROM posts WHERE is_changed LIMIT ?)",
                (number, limit),
            ).rowcount
            images = self._disk.execute("UPDATE images SET batch = ? WHERE batch IS NULL", (number,)).rowcount
            if not taken and not images:
                return None
            self._disk.set_meta("batch", str(number))
            self._disk.set_meta("is_batch_open", "1")
        return number

    def posts(self, number: int, *, is_in_tables: bool) -> list[dict[str, Any]]:
        """The posts of a batch that the tables hold already, or do not: state, reason, not_before, row."""
        rows = self._disk.execute(
            "SELECT * FROM posts WHERE batch = ? AND is_changed AND (is_in_tables <> 0) = ? ORDER BY post_key",
            (number, is_in_tables),
        )
        return [{**dict(row), "row": json.loads(row["row"]) if row["row"] else None} for row in rows]

    def images(self, number: int) -> list[dict[str, Any]]:
        """The pictures of a batch."""
        rows = self._disk.execute(
            "SELECT row FROM images WHERE batch = ? AND row IS NOT NULL ORDER BY digest", (number,)
        )
        return [json.loads(row) for (row,) in rows]

    def close(self, number: int) -> None:
        """The batch is in the tables: its texts leave the journal, except those that wait for a picture."""
        with self._disk.transaction():
            self._disk.execute(
                "UPDATE posts SET is_changed = 0, batch = NULL, "
                "is_in_tables = CASE WHEN state = 'dropped' THEN 2 ELSE 1 END, "
                "row = CASE WHEN state = 'deferred' THEN row END WHERE batch = ?",
                (number,),
            )
            self._disk.execute("UPDATE images SET row = NULL WHERE batch = ?", (number,))
            self._disk.set_meta("is_batch_open", "0")

"""Workers for the engine; in a module of their own because worker processes import them."""

import os
import time
from pathlib import Path
from typing import Any


class Sizes:
    """Returns the size of a picture times a factor; breaks off at a digest on demand."""

    def __init__(self, factor: int, stop_at: str = "") -> None:
        self.factor = factor
        self.stop_at = stop_at

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One result per row, None for a picture that is gone."""
        if self.stop_at in {row["digest"] for row in rows}:
            raise ValueError(f"told to stop at {self.stop_at}")
        return [
            {"digest": row["digest"], "size": None if row["data"] is None else self.factor * len(row["data"])}
            for row in rows
        ]


class Slow(Sizes):
    """Writes its process's id to a file when it is at work, and takes its time."""

    def __init__(self, written_at: Path) -> None:
        super().__init__(1)
        self.written_at = written_at

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same, later."""
        beside = self.written_at.with_suffix(".new")
        beside.write_text(str(os.getpid()))
        beside.replace(self.written_at)
        time.sleep(0.7)
        return super().__call__(rows)

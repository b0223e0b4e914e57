"""Running other tools for comparison: long-lived processes in an environment of their own, timed round by round.

A peer is a script of bench/ that runs in .venv-bench (requirements-bench.lock, made by `make bench`). It makes itself
ready, says {"ready": ...}, then answers each line {"num": n} with {"seconds": s}: how long n of its items took.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-bench" / "bin" / "python"


class Peer:
    """A peer at work in a process of its own; use it as a context."""

    def __init__(self, script: str, *arguments: str, environment: Mapping[str, str], python: Path = PYTHON) -> None:
        if not python.is_file():
            raise SystemExit(f"there is no {python}: run this with `make bench NAME=...`, which makes it")
        self._process = subprocess.Popen(
            [python, ROOT / "bench" / script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
        )
        self.about = str(self._answer()["ready"])

    def seconds(self, num: int) -> float:
        """How long the next `num` items take."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"num": num}) + "\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with status {self._process.wait()}; its own words stand above")
        answer: dict[str, Any] = json.loads(line)
        return answer

"""Conversion of a file that nobody vouches for, in a process of its own with little more memory than the file has.

A few kilobytes can describe gigabytes: numbers packed small, one storage under many names, a million empty lists. The
readers refuse what they know of; whatever else there is ends with this process, which writes `target` as its last act.
"""

import json
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StageError
from pipeline.own_process import command, environment
from pipeline.progress import format_bytes
from pipeline.weights.converting import convert

SPARE_BYTES = 512 * 1024**2
"""beyond what the process has when it begins; the small networks need a fifth of it"""
BYTES_PER_BYTE = 8
"""of the file: numbers of half precision are read, widened, copied and written, which is 7"""
SPARE_S = 60
BYTES_PER_S = 4 * 1024**2
"""A few hundred bytes can be work without end for whoever reads them: hashing a tuple of tuples doubles with each."""


def convert_apart(source: Path, architecture: str, target: Path) -> Path:
    """As `convert`, apart.

    Raises:
        ValueError: as `convert`, or it took more memory or time than a file of weights of its size does.
    """
    program = command(__name__, str(source), architecture, str(target))
    done = subprocess.run(program, env=environment(OMP_NUM_THREADS="1"), capture_output=True, text=True, check=False)  # noqa: S603
    try:
        outcome = json.loads(done.stdout)
    except ValueError:
        raise ValueError(_what_was_lost(source, done)) from None
    if "converted" in outcome:
        return Path(outcome["converted"])
    raise (StageError if outcome["is_of_stage"] else ValueError)(outcome["error"])


def _what_was_lost(source: Path, done: "subprocess.CompletedProcess[str]") -> str:
    ended_by = signal.Signals(-done.returncode).name if done.returncode < 0 else f"status {done.returncode}"
    last = (done.stderr.strip().splitlines() or [ended_by])[-1]
    return (
        f"{source.name} is not read as weights: the process that read it was lost ({last}). It may have "
        f"{format_bytes(_memory_bytes(source))} of memory and {_cpu_s(source)} s, which is more than weights of "
        f"{format_bytes(source.stat().st_size)} need. Nothing of it is kept; take the published file"
    )


def main(source: str, architecture: str, target: str) -> None:
    """The process: convert, and write a line of JSON on what came of it."""
    import torch  # noqa: F401 (before the limit, which is on top of what it needs)

    import models.vision.architectures  # noqa: F401

    _limit(Path(source))
    try:
        outcome: dict[str, object] = {"converted": str(convert(Path(source), architecture, Path(target)))}
    except ValueError as error:
        outcome = {"error": str(error), "is_of_stage": isinstance(error, StageError)}
    except OSError as error:
        outcome = {"error": f"{source} cannot be converted: {error.strerror or error}", "is_of_stage": True}
    print(json.dumps(outcome))


def _limit(source: Path) -> None:
    """From here on this process gets so much memory more, and so much time."""
    now = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    memory = now + _memory_bytes(source)
    with suppress(OSError, ValueError):  # the system allows less
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (_cpu_s(source), _cpu_s(source)))


def _memory_bytes(source: Path) -> int:
    return SPARE_BYTES + BYTES_PER_BYTE * source.stat().st_size


def _cpu_s(source: Path) -> int:
    return SPARE_S + source.stat().st_size // BYTES_PER_S


if __name__ == "__main__":
    main(*sys.argv[1:])

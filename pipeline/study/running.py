"""Many cells side by side: a process each for a few at a time, the longest first.

Law: a cell that cannot be computed is reported with its reason and the others go on; what is done when a run is broken
stays done. A worker process that is killed takes no other cell with it, and none outlives the run.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.cities import City
from pipeline.store import Store
from pipeline.study.cells import Cell
from pipeline.study.work import CellRunner, Machine

log = logging.getLogger("mrlf")

MAX_PROCESSES = 8
KILLED = "its process was killed, most often for want of memory: run the study again with fewer processes"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

SECONDS = {
    "mrlf": 60.0,
    "deepgeo": 90.0,
    "loctwi": 90.0,
    "logistic_all": 1.0,
    "logistic_tuned": 8.0,
    "logistic_text": 1.0,
    "logistic_characters": 0.7,
    "logistic_hashtags": 1.0,
    "logistic_image": 0.3,
    "tagvisor": 0.8,
}
"""For 1,000 training posts at the small preset on one core of a 2026 server. Only the ratios matter: a run learns the
pace of its machine from the cells it has done."""
IMAGE_HEAD = 2.5
FINE_TUNED = 3000.0
BEST = 5.0
"""times as long as MRLF alone"""

_make_runner: Callable[[], CellRunner] | None = None
"""In a worker: reads its data when it is first asked, and once."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A cell to compute: its digest and the seconds it should take, by which the longest come first."""

    cell: Cell
    digest: str
    seconds: float


def run_jobs(store: Store, city: City, jobs: Sequence[Job], machine: Machine, num_processes: int) -> dict[str, str]:
    """Compute the cells; digest -> reason of those that could not be."""
    if not jobs:
        return {}
    with tqdm(total=len(jobs), desc=f"{city.key} study", unit="cell", disable=None) as bar:
        run = Run(city.key, jobs, min(num_processes, len(jobs)), bar)
        while run.waiting:
            try:
                with _threads(machine), _pool(store, city, machine, run.num_processes) as pool:
                    run.all_in(pool)
            except BrokenProcessPool:
                run.give_up_running()
    return run.failed


class Run:
    """The cells that wait, those at work, and why some failed. At most one cell waits in each process.

    Nothing says which process ended by itself, and its pool ends the others: the cells that were at work then begin
    again one by one before the rest, and only one that is alone when it happens again is given up.
    """

    def __init__(self, city: str, jobs: Sequence[Job], num_processes: int, bar: "tqdm[Any]") -> None:
        self.waiting = sorted(jobs, key=lambda job: (-job.seconds, job.digest))
        self.failed: dict[str, str] = {}
        self.num_processes = num_processes
        self._num_alone = 0
        self._city, self._bar, self._clock = city, bar, _Clock(jobs, num_processes)
        self._running: dict[Future[str | float], Job] = {}

    def all_in(self, pool: ProcessPoolExecutor) -> None:
        """Compute what waits. Raises BrokenProcessPool where a process ended by itself."""
        while self.waiting or self._running:
            while self.waiting and len(self._running) < (1 if self._num_alone else self.num_processes):
                job = self.waiting[0]
                self._running[pool.submit(_compute, job.cell, job.digest)] = job
                self.waiting.pop(0)
            for done in wait(self._running, return_when=FIRST_COMPLETED).done:
                result = done.result()  # raises where a process ended: the cell is still among those at work
                self._report(self._running.pop(done), result)
                self._num_alone = max(0, self._num_alone - 1)

    def give_up_running(self) -> None:
        """Of what was at work when a process ended by itself: lost where it was alone, else it begins again."""
        at_work = list(self._running.values())
        self._running.clear()
        if len(at_work) == 1:
            self._report(at_work[0], KILLED)
            self._num_alone = max(0, self._num_alone - 1)
        elif at_work:
            log.warning("%s study: a process was killed; %d cells begin again, alone", self._city, len(at_work))
            self.waiting, self._num_alone = [*at_work, *self.waiting], len(at_work)

    def _report(self, job: Job, result: str | float) -> None:
        """Note and log a cell that is done: the seconds it took, or why it could not be computed."""
        self._bar.update()
        if isinstance(result, str):
            self.failed[job.digest] = result
            log.warning("%s study: %s: %s (%s)", self._city, job.cell.describe(), result, self._clock.done(job, 0.0))
        else:
            how_far = self._clock.done(job, result)
            log.info("%s study: %s: %.1f s (%s)", self._city, job.cell.describe(), result, how_far)


def expected_seconds(cell: Cell, num_train: int) -> float:
    """How long a cell should take, roughly: by this the longest begin first and a run estimates what is left."""
    thousands = num_train / 1000
    if cell.candidate.startswith("finetuned_"):
        return FINE_TUNED * thousands
    if cell.candidate.startswith("image_"):
        return IMAGE_HEAD * thousands
    factor = BEST if cell.settings.get("preset") == "best" else 1.0
    modalities = cell.settings.get("modalities", ["text", "hashtags", "image"])
    if "text" not in modalities and "hashtags" not in modalities:
        return IMAGE_HEAD * thousands
    return (
        SECONDS.get(cell.candidate, 0.1) * factor * (0.6 if len(set(modalities) - {"image"}) == 1 else 1) * thousands
    )


def default_processes(device: str) -> int:
    """As many as the processor has cores, up to a limit; one where a GPU does the work."""
    return 1 if device.startswith("cuda") else max(1, min(MAX_PROCESSES, len(os.sched_getaffinity(0))))


class _Clock:
    """How long the rest will take, learnt from what the cells so far took."""

    def __init__(self, jobs: Sequence[Job], num_processes: int) -> None:
        self._num_processes, self._total = num_processes, len(jobs)
        self._expected = {job.digest: job.seconds for job in jobs}
        self._of_done = self._taken = 0.0

    def done(self, job: Job, seconds: float) -> str:
        """Note a cell that is done: how far the run is, in words."""
        expected = self._expected.pop(job.digest)
        if seconds:  # a cell that failed says nothing of the pace
            self._of_done, self._taken = self._of_done + expected, self._taken + seconds
        pace = self._taken / self._of_done if self._of_done else 1.0
        rest = list(self._expected.values())
        minutes = pace * max(sum(rest) / self._num_processes, *rest, 0.0) / 60
        number = self._total - len(self._expected)
        return (
            f"cell {number} of {self._total}, {'done' if number == self._total else f'about {minutes:.1f} min left'}"
        )


@contextmanager
def _threads(machine: Machine) -> Iterator[None]:
    """Processes that are started inside have so many threads: their libraries read it when they are loaded."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    if machine.num_threads is not None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(machine.num_threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _pool(store: Store, city: City, machine: Machine, num_processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        num_processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(store.root, city.model_dump(), machine),
    )


def _begin(root: Path, city: Mapping[str, object], machine: Machine) -> None:
    """Make this process ready: where its data is, and its end when the run's own process is gone."""
    global _make_runner
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all; the run's own process says the words
    logging.getLogger("mrlf").setLevel(logging.WARNING)
    _make_runner = cache(partial(CellRunner, Store(root), City.model_validate(city), machine))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    wait_for([parent.sentinel])
    os._exit(1)


def _compute(cell: Cell, digest: str) -> str | float:
    """The seconds it took, or why it could not be computed."""
    assert _make_runner is not None, "a worker begins before it computes"
    try:
        return _make_runner().compute(cell, digest)
    except (ValueError, OSError, RuntimeError, ArithmeticError, MemoryError) as error:
        log.debug("%s", error, exc_info=True)
        return str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"

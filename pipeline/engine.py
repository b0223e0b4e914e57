"""The data-parallel engine: pictures in, results out, committed every so many rows.

The native runner needs nothing to start; `DAFT_RUNNER=ray` (with RAY_ADDRESS) runs the same code on a cluster.
Law: a fault of one picture is a result with a reason; a blob that is gone arrives as None. The end of the stream
proves nothing: what came is compared with what was asked for. A worker whose run was killed ends with the batch it is
at, and leaves no result of it in the machine's memory.
"""

import logging
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import pyarrow as pa
from tqdm import tqdm

from pipeline.errors import IncompleteError
from pipeline.progress import LOG_EVERY_S

FAULT = "fault"
"""The field of a result in which a worker says that it failed."""

log = logging.getLogger("mrlf")


class PictureWorker(Protocol):
    """The work on a batch of pictures; made once per worker process, on the machine where it runs."""

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One result per row; a row holds the columns asked for and `data`: the picture's bytes, None if gone."""
        ...


@dataclass(frozen=True, kw_only=True)
class PictureJob:
    """What to run on which pictures.

    rows: a column `address` (path of the blob) and whatever else the worker wants to see.
    result: the fields of the dicts that the worker returns.
    make_worker: makes the worker; it and its arguments travel to the `num_workers` processes that run it, so they
        must be importable there.
    num_gpus: what a cluster keeps for each worker; it lends none to those that do not ask. One machine alone
        ignores it.
    """

    rows: pa.Table
    result: pa.Schema
    make_worker: Callable[[], PictureWorker]
    batch_size: int = 16
    num_workers: int = 1
    num_gpus: int = 0
    commit_every: int = 256
    title: str = "pictures"


class WorkerProcess:
    """A worker in the process that it has for itself, which `run`, the process of its run, started.

    is_deaf: its run is told to ignore Ctrl-C.
    It can be told to stop at any time. The interpreter is not to end while a result is handed over: that would stay in
    the machine's memory.
    """

    def __init__(self, make_worker: Callable[[], PictureWorker], run: int, *, is_deaf: bool) -> None:
        self._make_worker, self._run = make_worker, run
        self._work: PictureWorker | None = None
        self._is_at_work = self._is_stopped = False
        self._is_own = os.getppid() == run  # a cluster's workers are ended by the cluster
        if self._is_own:
            from pipeline.engine_workers import release_at_exit

            release_at_exit()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):  # those of a terminal reach workers as well
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._stop)
            signal.signal(signal.SIGINT, signal.SIG_IGN if is_deaf else self._stop)

    def _stop(self, *_: object) -> None:
        """End at once where there is no result, else when the next one is there."""
        if self._is_at_work:
            os._exit(1)
        self._is_stopped = True

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The worker's results, or in each of them what it raised."""
        self._is_at_work = True
        try:
            self._work = self._work or self._make_worker()
            results = self._work(rows)
        except Exception as error:  # the engine loses it where the process ends with it
            results = [{FAULT: packed(error)}] * len(rows)
        if self._is_own and (self._is_stopped or os.getppid() != self._run):
            os._exit(1)  # nobody is there to take them
        self._is_at_work = False
        return results


def blob_addresses(paths: Sequence[Path]) -> list[str]:
    """Addresses as the engine reads them: it takes them as they stand, so nothing in them is percent-encoded."""
    return [f"file://{path.absolute()}" for path in paths]


def run_pictures(job: PictureJob, commit: Callable[[pa.Table], None]) -> int:
    """Run the job, hand every `commit_every` results to `commit` as they come, return their number.

    Raises:
        IncompleteError: the engine ended before all were there; those that were are committed.
        StageError: a worker died.
        OSError: a worker cannot write.
    """
    waiting: list[pa.Table] = []
    num_waiting = num_done = num_first = 0
    started = told_at = time.monotonic()
    bar = tqdm(total=job.rows.num_rows, desc=job.title, unit="picture", disable=None)
    with bar, closing(_stream(job)) as stream:
        for results in stream:
            waiting.append(results)
            num_waiting += results.num_rows
            num_done += results.num_rows
            if not num_first:  # the networks are loaded before these: they tell nothing of the pace
                num_first, started = num_done, time.monotonic()
            bar.update(results.num_rows)
            is_full = num_waiting >= job.commit_every
            if is_full:
                commit(pa.concat_tables(waiting))
                waiting, num_waiting = [], 0
            if is_full or (bar.disable and time.monotonic() - told_at >= LOG_EVERY_S):
                told_at = time.monotonic()
                pace = (told_at - started) / (num_done - num_first) if num_done > num_first else None
                log.info("%s: %s", job.title, _how_far(num_done, job.rows.num_rows, pace))
        if waiting:
            commit(pa.concat_tables(waiting))
    if num_done != job.rows.num_rows:  # the engine ends in peace where something ends it
        raise IncompleteError(
            f"{job.title} was interrupted after {num_done:,} of {job.rows.num_rows:,} pictures", reason="interrupted"
        )
    return num_done


def _how_far(num_done: int, num_all: int, pace: float | None) -> str:
    """How many of the pictures are done, and how long the others take at this pace in seconds a picture."""
    rest = "" if pace is None else f", about {pace * (num_all - num_done) / 60:.1f} min left"
    return f"{num_done} of {num_all}{rest}"


def _stream(job: PictureJob) -> Generator[pa.Table]:
    if not job.rows.num_rows:
        return
    import daft
    from daft import DataType, col

    from pipeline.engine_workers import ended_workers, quieten_engine

    quieten_engine()
    names = [name for name in job.rows.column_names if name != "address"]
    run, is_deaf = os.getpid(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    kind = DataType.from_arrow_type(pa.struct([*job.result, pa.field(FAULT, pa.binary())]))

    # so many processes, each working on its batches one after the other: what a worker holds is its own
    @daft.cls(max_concurrency=job.num_workers, gpus=job.num_gpus)
    class Worker:
        def __init__(self) -> None:
            self.work = WorkerProcess(job.make_worker, run, is_deaf=is_deaf)

        @daft.method.batch(return_dtype=kind, batch_size=min(job.batch_size, job.commit_every))
        def run(self, data: Any, *columns: Any) -> Any:
            values = zip(data.to_pylist(), *(column.to_pylist() for column in columns), strict=True)
            return self.work([dict(zip(["data", *names], row, strict=True)) for row in values])

    frame = daft.from_arrow(job.rows)
    frame = frame.with_column("data", col("address").download(on_error="null"))
    frame = frame.select(Worker().run(col("data"), *[col(name) for name in names]).alias("result"))
    with ended_workers(cast(Generator[Any], frame.to_arrow_iter())) as batches:
        for batch in batches:
            *columns, faults = batch.column("result").flatten()
            for fault in faults.drop_null():
                raise unpacked(fault.as_py())
            yield pa.Table.from_arrays(columns, names=job.result.names).cast(job.result)


def packed(error: Exception) -> bytes:
    """An error of a worker for its run, with the worker's traceback as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(data := pickle.dumps(error))  # noqa: S301 (our own)
    except (pickle.PickleError, AttributeError, TypeError, ValueError):  # it cannot be copied: its words go
        data = pickle.dumps(RuntimeError(repr(error)))
    return data


def unpacked(data: bytes) -> Exception:
    """The error that `packed` made these bytes of."""
    error: Exception = pickle.loads(data)  # noqa: S301 (our own)
    return error

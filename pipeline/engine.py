"""The data-parallel engine: pictures in, results out, committed every so many rows.

The native runner needs nothing to start; `DAFT_RUNNER=ray` (with RAY_ADDRESS) runs the same code on a cluster.
Law: a fault of one picture is a result with a reason; a blob that is gone arrives as None. A worker whose run was
killed ends with the batch it is at, and leaves no result of it in the machine's memory.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from tqdm import tqdm

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


def blob_addresses(paths: Sequence[Path]) -> list[str]:
    """Addresses as the engine reads them: it takes them as they stand, so nothing in them is percent-encoded."""
    return [f"file://{path.absolute()}" for path in paths]


def run_pictures(job: PictureJob, commit: Callable[[pa.Table], None]) -> int:
    """Run the job, hand every `commit_every` results to `commit` as they come, return their number."""
    waiting: list[pa.Table] = []
    num_waiting = num_done = 0
    with tqdm(total=job.rows.num_rows, desc=job.title, unit="picture", disable=None) as bar:
        for results in _stream(job):
            waiting.append(results)
            num_waiting += results.num_rows
            num_done += results.num_rows
            bar.update(results.num_rows)
            if num_waiting >= job.commit_every:
                commit(pa.concat_tables(waiting))
                waiting, num_waiting = [], 0
                log.info("%s: %d of %d", job.title, num_done, job.rows.num_rows)
        if waiting:
            commit(pa.concat_tables(waiting))
    return num_done


def _stream(job: PictureJob) -> Iterator[pa.Table]:
    if not job.rows.num_rows:
        return
    import daft
    from daft import DataType, col

    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")  # one bar is enough: ours counts what is committed
    names = [name for name in job.rows.column_names if name != "address"]
    run = os.getpid()
    kind = DataType.from_arrow_type(pa.struct(list(job.result)))

    # so many processes, each working on its batches one after the other: what a worker holds is its own
    @daft.cls(max_concurrency=job.num_workers, gpus=job.num_gpus)
    class Worker:
        def __init__(self) -> None:
            self.work = job.make_worker()
            self.is_of_run = os.getppid() == run

        @daft.method.batch(return_dtype=kind, batch_size=min(job.batch_size, job.commit_every))
        def run(self, data: Any, *columns: Any) -> Any:
            values = zip(data.to_pylist(), *(column.to_pylist() for column in columns), strict=True)
            results = self.work([dict(zip(["data", *names], row, strict=True)) for row in values])
            if self.is_of_run and os.getppid() != run:
                os._exit(1)  # nobody is there to take them: they would stay in the machine's shared memory
            return results

    frame = daft.from_arrow(job.rows)
    frame = frame.with_column("data", col("address").download(on_error="null"))
    frame = frame.select(Worker().run(col("data"), *[col(name) for name in names]).alias("result"))
    for batch in frame.to_arrow_iter():
        column = batch.column("result").cast(pa.struct(list(job.result)))
        yield pa.Table.from_arrays(column.flatten(), schema=job.result)

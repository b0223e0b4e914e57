"""The engine without a second process: workers are made, called and kept in the process of the test.

A worker process imports torch and loads its network anew each time, which takes seconds. What the engine itself
promises is tested in `test_engine.py`, and each stage runs once in true processes where its run is killed.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.engine import PictureJob, PictureWorker


@contextmanager
def in_this_process() -> Iterator[None]:
    """Whatever is computed inside is computed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.engine._stream", _results)
        yield


def _results(job: PictureJob) -> Iterator[pa.Table]:
    rows = job.rows.to_pylist()
    size = min(job.batch_size, job.commit_every)
    for start in range(0, len(rows), size):
        work = _made(pickle.dumps(job.make_worker))  # as it travels to a worker process
        found = work([_with_data(row) for row in rows[start : start + size]])
        yield pa.Table.from_pylist(found, schema=job.result)


@lru_cache(maxsize=3)
def _made(make_worker: bytes) -> PictureWorker:
    worker: PictureWorker = pickle.loads(make_worker)()  # noqa: S301 (our own)
    return worker


def _with_data(row: dict) -> dict:
    path = Path(row["address"].removeprefix("file://"))
    rest = {name: value for name, value in row.items() if name != "address"}
    return {**rest, "data": path.read_bytes() if path.is_file() else None}

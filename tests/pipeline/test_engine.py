"""The engine: what is missing is done once, results are committed in parts, a fault of one picture is a result."""

import os
import secrets
import signal
import sys
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.engine import (
    PictureJob,
    blob_addresses,
    run_pictures,
)
from pipeline.errors import IncompleteError, StageError
from pipeline.store import Store
from tests.fakes.workers import Sizes, Slow

RESULT = pa.schema([("digest", pa.string()), ("size", pa.int64())])


def job(store, pictures: list[bytes], **changes) -> PictureJob:
    digests = [store.blobs.put("original", data) for data in pictures]
    rows = pa.table(
        {"digest": digests, "address": blob_addresses([store.blobs.path("original", digest) for digest in digests])}
    )
    return PictureJob(**{"rows": rows, "result": RESULT, "make_worker": partial(Sizes, 2), "batch_size": 4, **changes})


PICTURES = [b"x" * size for size in range(1, 31)]


@pytest.mark.slow
def test_every_picture_gets_one_result(store):
    parts: list[pa.Table] = []
    assert run_pictures(job(store, PICTURES), parts.append) == 30
    assert sorted(pa.concat_tables(parts)["size"].to_pylist()) == [2 * size for size in range(1, 31)]


@pytest.mark.slow
def test_results_are_committed_in_parts(store):
    parts: list[pa.Table] = []
    run_pictures(job(store, PICTURES, commit_every=8), parts.append)
    assert [part.num_rows for part in parts] == [8, 8, 8, 6]


@pytest.mark.slow
def test_a_run_that_breaks_off_keeps_what_was_committed(store):
    parts: list[pa.Table] = []
    last = store.blobs.put("original", PICTURES[-1])
    with pytest.raises(ValueError, match="told to stop"):
        run_pictures(job(store, PICTURES, commit_every=4, make_worker=partial(Sizes, 1, last)), parts.append)
    assert 0 < sum(part.num_rows for part in parts) < 30


@pytest.mark.slow
def test_a_blob_that_is_gone_arrives_as_none(store):
    work = job(store, PICTURES)
    store.blobs.remove("original", work.rows["digest"][0].as_py())
    parts: list[pa.Table] = []
    run_pictures(work, parts.append)
    assert pa.concat_tables(parts)["size"].null_count == 1


@pytest.mark.slow
def test_a_blob_is_found_in_a_folder_of_any_name(tmp_path):
    store = Store(tmp_path / "My Data, Zürich 100% [1]")
    parts: list[pa.Table] = []
    run_pictures(job(store, PICTURES[:2]), parts.append)
    assert sorted(pa.concat_tables(parts)["size"].to_pylist()) == [2, 4]


MEMORY = Path("/dev/shm")  # noqa: S108


def bytes_of(path: Path) -> bytes:
    """What is in a file; nothing where it is gone or another user's."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.fault("M19")
def test_a_stream_that_ends_early_is_incomplete_and_what_came_is_committed(store, monkeypatch):
    parts: list[pa.Table] = []
    came = pa.table({"digest": ["a"], "size": pa.array([1], pa.int64())})
    monkeypatch.setattr("pipeline.engine._stream", lambda job: (came for _ in range(3)))
    with pytest.raises(IncompleteError, match="interrupted after 3 of 30 pictures"):
        run_pictures(job(store, PICTURES), parts.append)
    assert sum(part.num_rows for part in parts) == 3


@pytest.mark.slow
@pytest.mark.fault("M20")
def test_workers_that_die_before_they_begin_end_the_run(store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StageError, match="a worker process ended, as happens when"):
        run_pictures(job(store, PICTURES), lambda rows: pytest.fail("nothing was done"))


def run_and_tell(root: Path, told_at: Path, ended_at: Path, is_deaf: bool) -> None:
    """A run of many batches, which can be hit meanwhile; how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_deaf else signal.default_int_handler)
    try:
        run_pictures(job(Store(root), PICTURES, make_worker=partial(Slow, told_at)), lambda rows: None)
        ended_at.write_text("whole")
    except BaseException as error:
        ended_at.write_text(f"{type(error).__name__}: {error}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "number", "is_deaf", "end"),
    [
        pytest.param("run", signal.SIGINT, False, "KeyboardInterrupt", id="Ctrl-C", marks=pytest.mark.fault("M20")),
        pytest.param("run", signal.SIGHUP, False, "SystemExit: 129", id="SIGHUP", marks=pytest.mark.fault("M20")),
        pytest.param(
            "run", signal.SIGINT, True, "IncompleteError", id="ignored SIGINT", marks=pytest.mark.fault("M19")
        ),
        pytest.param(
            "worker", signal.SIGKILL, False, "killed by SIGKILL", id="worker", marks=pytest.mark.fault("M20")
        ),
    ],
)
def test_a_run_that_is_hit_ends_in_words_and_leaves_no_process_socket_or_picture(
    store, tmp_path, monkeypatch, who, number, is_deaf, end
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    told_at, ended_at, before = tmp_path / "at_work", tmp_path / "ended", set(MEMORY.glob("psm_*"))
    run = get_context("spawn").Process(target=run_and_tell, args=(store.root, told_at, ended_at, is_deaf))
    run.start()
    while not told_at.exists():
        assert run.is_alive()
        time.sleep(0.01)
    worker = int(told_at.read_text())
    os.kill(run.pid if who == "run" else worker, number)
    run.join()
    assert run.exitcode == 0, "and not by SIGABRT"
    assert end in ended_at.read_text()
    assert not Path(f"/proc/{worker}").exists()
    assert not list((tmp_path / "t").iterdir())
    assert not [path for path in set(MEMORY.glob("psm_*")) - before if PICTURES[-1] in bytes_of(path)]


def test_nothing_to_do_starts_nothing(store):
    assert run_pictures(job(store, []), lambda rows: pytest.fail("nothing to commit")) == 0


def run_slowly(root: Path, told_at: Path) -> None:
    """A run that can be killed while its worker is at work."""
    work = job(Store(root), [told_at.name.encode()], make_worker=partial(Slow, told_at))
    run_pictures(work, lambda rows: None)


@pytest.mark.slow
@pytest.mark.fault("S15")
def test_a_worker_whose_run_is_killed_leaves_no_result_in_shared_memory(store, tmp_path):
    told_at = tmp_path / secrets.token_hex(16)
    digest = store.blobs.put("original", told_at.name.encode())
    run = get_context("spawn").Process(target=run_slowly, args=(store.root, told_at))
    run.start()
    while not told_at.exists():
        assert run.is_alive()
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    worker = Path("/proc") / told_at.read_text()
    end = time.monotonic() + 20
    while worker.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not worker.exists()
    assert not [path for path in MEMORY.glob("psm_*") if digest.encode() in bytes_of(path)]


def run_and_take_nothing(root: Path, told_at: Path) -> None:
    """A run that holds the interpreter from its first commit on: the next result waits for it for ever."""

    def hold(rows: pa.Table) -> None:
        sys.setswitchinterval(1000)
        told_at.with_suffix(".held").touch()
        while True:
            pass

    work = job(Store(root), PICTURES, make_worker=partial(Slow, told_at), commit_every=4)
    run_pictures(work, hold)


@pytest.mark.slow
@pytest.mark.fault("M20")
def test_a_result_that_waits_for_a_run_that_is_killed_goes_with_its_worker(store, tmp_path):
    told_at, before = tmp_path / "at_work", set(MEMORY.glob("psm_*"))
    digests = [store.blobs.put("original", data).encode() for data in PICTURES]
    run = get_context("spawn").Process(target=run_and_take_nothing, args=(store.root, told_at))
    run.start()
    while not told_at.with_suffix(".held").exists():
        assert run.is_alive()
        time.sleep(0.01)
    worker = Path("/proc") / told_at.read_text()
    time.sleep(1)
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    end = time.monotonic() + 20
    while worker.exists() and time.monotonic() < end:
        time.sleep(0.02)
    left = [path for path in set(MEMORY.glob("psm_*")) - before if any(one in bytes_of(path) for one in digests)]
    assert not left

"""Cells side by side: one that fails or is killed takes no other with it, and no worker outlives its run."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline.store import Store
from pipeline.study.cells import Cell, read_cell
from pipeline.study.running import KILLED, Job, run_jobs
from pipeline.study.work import CellRunner, Machine
from tests.pipeline.study.study_town import CITY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
]  # a town is built first: three networks are loaded, each in a process

MACHINE = Machine(device="cpu", num_threads=1)
ENDLESS = {"max_epochs": 10_000, "early_stop_patience": 10_000}


def jobs(store: Store, *candidates: str, **settings: object) -> list[Job]:
    runner = CellRunner(store, CITY, MACHINE)
    cells = [
        Cell(candidate=name, variant="release", split="user", seed=0, settings=dict(settings)) for name in candidates
    ]
    return [Job(cell=cell, digest=runner.digest(cell), seconds=1.0) for cell in cells]


def stands(store: Store, job: Job) -> bool:
    return read_cell(CellRunner(store, CITY, MACHINE).folder(job.digest)) is not None


def test_a_cell_that_cannot_be_computed_and_one_whose_worker_is_killed_cost_no_other(town):
    good = jobs(town, "majority", "nearest_centre", "logistic_hashtags")
    (bad,) = jobs(town, "tagvisor", num_leaves=3)
    (long,) = jobs(town, "mrlf", **ENDLESS)
    long = Job(cell=long.cell, digest=long.digest, seconds=9.0)  # it comes first
    killer = subprocess.Popen([sys.executable, "-c", KILLER, str(os.getpid()), str(town.root)])
    failed = run_jobs(town, CITY, [*good, bad, long], MACHINE, 1)
    assert killer.wait(240) == 0
    assert failed.keys() == {bad.digest, long.digest}
    assert failed[long.digest] == KILLED
    assert "num_leaves" in failed[bad.digest]
    assert all(stands(town, job) for job in good)
    assert not stands(town, bad) and not stands(town, long)


KILLER = textwrap.dedent("""
    import os, signal, sys, time
    from pathlib import Path
    parent, root = int(sys.argv[1]), Path(sys.argv[2])
    def children(pid):
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(path.parent.name))
        return found
    while not list((root / "study").rglob("checkpoint/*")):  # the long cell is at work
        time.sleep(0.05)
    for pid in children(parent):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"spawn_main" in command and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
""")

RUN = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pipeline.store import Store
    from pipeline.study.running import run_jobs
    from tests.pipeline.study.test_study_running import CITY, ENDLESS, MACHINE, jobs
    if __name__ == "__main__":
        store = Store(Path(sys.argv[1]))
        run_jobs(store, CITY, [*jobs(store, "mrlf", **ENDLESS), *jobs(store, "loctwi", **ENDLESS)], MACHINE, 2)
""")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")
def test_cells_are_computed_side_by_side_and_no_worker_outlives_a_run_that_is_killed(town, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    root = Path(__file__).parent.parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen([sys.executable, str(script), str(town.root)], env=environment, cwd=tmp_path)
    wait_until(lambda: len(list((town.root / "study").glob("demo/cells/*/checkpoint"))) == 2)  # both are at work
    workers = [pid for pid in pids() if parent_of(pid) == run.pid]
    assert len(workers) >= 2
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not set(workers) & set(pids()))


def wait_until(is_so, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


def pids() -> list[int]:
    """Processes that are not zombies."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if state_of(int(path.name)) not in ("Z", "")]


def state_of(pid: int) -> str:
    return (_stat(pid) or ["", "0"])[0]


def parent_of(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None

"""Dead runs: what is killed is reported and frees its place, what lives is left alone."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets import sweep as sweeping
from assets.sweep import MESSAGE, alive_folder, say_alive, sweep, sweep_dead_runs
from tests.assets.helpers import ROOT, dagster
from tests.assets.warm import Command

SLEEP = ["asset", "materialize", "--select", "sleeper"]


@dg.op
def nothing() -> None:
    """An op of a run that is only spoken of."""


@dg.job
def spoken_of() -> None:
    """A job of which runs stand in the books."""
    nothing()


@pytest.fixture
def instance():
    """A Dagster with its books on disk."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def run_of(instance):
    """Put a run into the books; its lock file is held by nobody."""

    def make(status: dg.DagsterRunStatus) -> str:
        run = instance.create_run_for_job(spoken_of, status=status)
        alive_folder(instance).mkdir(exist_ok=True)
        (alive_folder(instance) / run.run_id).touch()
        return run.run_id

    return make


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the books say of a run."""
    return instance.get_run_by_id(run_id).status.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(dg.DagsterRunStatus.STARTED, "FAILURE", id="started"),
        pytest.param(dg.DagsterRunStatus.STARTING, "FAILURE", id="starting"),
        pytest.param(dg.DagsterRunStatus.CANCELING, "CANCELED", id="about to be cancelled"),
    ],
)
def test_a_run_whose_lock_is_free_is_over(instance, run_of, before, after):
    run_id = run_of(before)
    assert sweep(instance) == [run_id]
    assert status(instance, run_id) == after
    assert MESSAGE in [entry.dagster_event.message for entry in instance.all_logs(run_id)]
    assert not (alive_folder(instance) / run_id).exists()


@pytest.mark.parametrize("finished", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
def test_a_run_that_ended_is_only_tidied_away(instance, run_of, finished):
    run_id = run_of(finished)
    assert sweep(instance) == []
    assert status(instance, run_id) == finished.value
    assert list(alive_folder(instance).iterdir()) == []


def test_a_run_without_a_lock_file_is_left_alone(instance):
    run = instance.create_run_for_job(spoken_of, status=dg.DagsterRunStatus.STARTED)
    assert sweep(instance) == []
    assert status(instance, run.run_id) == "STARTED"


@pytest.mark.slow
def test_places_and_waiting_claims_of_a_dead_run_are_free(instance, run_of):
    log = instance.event_log_storage
    log.set_concurrency_slots("gpu", 1)
    dead, waiting = run_of(dg.DagsterRunStatus.STARTED), run_of(dg.DagsterRunStatus.STARTED)
    assert log.claim_concurrency_slot("gpu", dead, "nothing").is_claimed
    assert not log.claim_concurrency_slot("gpu", waiting, "nothing").is_claimed
    assert sorted(sweep(instance)) == sorted([dead, waiting])
    info = log.get_concurrency_info("gpu")
    assert (info.active_slot_count, info.pending_step_count) == (0, 0)


def test_a_run_that_lives_is_left_alone_by_its_own_process_and_by_others(instance, monkeypatch):
    run = instance.create_run_for_job(spoken_of, status=dg.DagsterRunStatus.STARTED)
    monkeypatch.setattr(sweeping, "_held", {})
    say_alive(instance, run.run_id)
    assert sweep(instance) == []
    assert _is_locked_for_others(alive_folder(instance) / run.run_id)
    assert status(instance, run.run_id) == "STARTED"


def _is_locked_for_others(path: Path) -> bool:
    code = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'r+b'), {fcntl.LOCK_EX | fcntl.LOCK_NB})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0


@pytest.mark.slow
def test_the_sensor_says_what_it_found(instance, run_of):
    run_id = run_of(dg.DagsterRunStatus.STARTED)
    context = dg.build_sensor_context(instance)
    assert sweep_dead_runs(context).skip_message == f"reported 1 dead runs: {run_id}"
    assert sweep_dead_runs(context).skip_message == "no dead run"


@pytest.fixture
def sleeper(tmp_path, dagster_home):
    """The environment of runs that sleep; returns it and the folder in which they say what they do."""
    folder = tmp_path / "sleeper"
    folder.mkdir()
    dagster_home["SLEEPER_FOLDER"] = str(folder)
    dagster_home["DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME"] = "tests.assets.sleeper"
    with dg.DagsterInstance.from_config(dagster_home["DAGSTER_HOME"]) as instance:
        assert instance.get_runs() == []  # the books are there before two runs open them at once
    return dagster_home, folder


def start(environment: dict[str, str], folder: Path, seconds: float) -> Command:
    """A run that sleeps in its step."""
    (folder / "seconds").write_text(str(seconds))
    return Command(["dagster", *SLEEP], environment, ROOT)


def wait_for(path: Path) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.fault("D5")
def test_two_runs_killed_in_their_step_do_not_block_the_next(sleeper):
    environment, folder = sleeper
    for number in range(2):
        with start(environment, folder, seconds=600) as run:
            wait_for(folder / f"began-{number}")
            os.kill(int((folder / f"began-{number}").read_text()), signal.SIGKILL)
            assert run.wait(30) == -signal.SIGKILL
    (folder / "seconds").write_text("0")
    began = time.monotonic()
    last = dagster(environment, *SLEEP)  # the variable of the environment names the definitions
    assert (last.returncode, (folder / "ended-2").exists()) == (0, True), last.stderr
    assert time.monotonic() - began < 30
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        assert sorted(run.status.value for run in instance.get_runs()) == ["FAILURE", "FAILURE", "SUCCESS"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc")
def test_a_run_that_waits_for_its_place_costs_nothing_and_hears_ctrl_c(sleeper):
    environment, folder = sleeper
    with start(environment, folder, seconds=600):
        wait_for(folder / "began-0")
        with start(environment, folder, seconds=600) as waiting:
            alive = Path(environment["DAGSTER_HOME"]) / "alive"
            while len(list(alive.iterdir())) < 2:
                time.sleep(0.05)
            time.sleep(0.5)
            before = _cpu_seconds(waiting.process.pid)
            time.sleep(2)
            used = _cpu_seconds(waiting.process.pid) - before
            os.kill(waiting.process.pid, signal.SIGINT)
            waiting.wait(30)
    assert used < 0.5
    assert not (folder / "began-1").exists()


def _cpu_seconds(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

"""Dead runs: a run whose process was killed is reported failed and gives back its places in the pools.

Every run's process holds a lock of the operating system on `<Dagster's home>/alive/<run id>` from before its first
step until it ends, however it ends. A file that nobody holds is a run that is over: if Dagster still believes in it,
it was killed.

Covered: SIGKILL, out of memory, a machine that went down; at the start of every run, every half minute where
Dagster's daemon runs, and by `python -m assets.sweep`.
Not covered: a run killed before it took its lock, and executors that run steps in processes of their own
(`run_monitoring` in dagster.yaml stands behind both).
"""

import fcntl
from pathlib import Path
from typing import IO

import dagster as dg

MESSAGE = (
    "The process of this run was killed, or ran out of memory, or its machine went down. What its stages had "
    "committed is kept: run it again and it goes on from there."
)

_held: dict[str, IO[bytes]] = {}  # open, and so locked, as long as this process lives


def alive_folder(instance: dg.DagsterInstance) -> Path:
    """Where the lock files of an instance lie."""
    return Path(instance.root_directory) / "alive"


def say_alive(instance: dg.DagsterInstance, run_id: str) -> None:
    """Hold the lock of a run until this process ends.

    It is not let go when the run ends: its last event is written after its resources are torn down, and between the
    two the run would look dead.
    """
    if run_id in _held:
        return
    folder = alive_folder(instance)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{run_id}"
    handle = beside.open("wb")
    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    beside.rename(folder / run_id)  # it gets its name when it is locked, so that nobody sees it free
    _held[run_id] = handle


def sweep(instance: dg.DagsterInstance) -> list[str]:
    """Report every dead run and free its places in the pools; the ids of those that Dagster believed alive."""
    folder = alive_folder(instance)
    files = [path for path in folder.glob("[!.]*") if path.name not in _held] if folder.is_dir() else []
    return [path.name for path in files if _bury(instance, path)]


def _bury(instance: dg.DagsterInstance, path: Path) -> bool:
    """Whether the run of this lock file was dead and Dagster did not know.

    `lockf` and not `flock`: a child that outlives the killed run does not inherit the lock.
    """
    try:
        with path.open("r+b") as handle:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            was_believed_in = _report(instance, path.name)
            instance.event_log_storage.free_concurrency_slots_for_run(path.name)
            path.unlink(missing_ok=True)
            return was_believed_in
    except (BlockingIOError, FileNotFoundError):  # alive, or another sweep was here first
        return False


def _report(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)  # asked for only now: nobody can change it any more
    if run is None or run.is_finished:
        return False
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, MESSAGE)
    else:
        instance.report_run_failed(run, MESSAGE)
    return True


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def sweep_dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Sweep where no run starts: two dead runs fill the queue, and what waits in it could never begin."""
    swept = sweep(context.instance)
    return dg.SkipReason(f"reported {len(swept)} dead runs: {', '.join(swept)}" if swept else "no dead run")


def main() -> None:
    """Sweep the instance at DAGSTER_HOME."""
    with dg.DagsterInstance.get() as instance:
        for run_id in sweep(instance):
            print(f"run {run_id} was dead: reported failed, its places in the pools are free")


if __name__ == "__main__":
    main()

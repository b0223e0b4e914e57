"""Definitions for the tests of dead runs: one asset that holds the gpu pool and sleeps as long as a file says."""

import os
import time
from pathlib import Path

import dagster as dg

from assets.resources import StoreResource
from assets.sweep import sweep_dead_runs
from assets.waiting import wait_patiently


@dg.asset(pool="gpu")
def sleeper(store: StoreResource) -> None:
    """Says that it began, sleeps, and says that it ended."""
    folder = Path(os.environ["SLEEPER_FOLDER"])
    number = len(list(folder.glob("began-*")))
    (folder / f"began-{number}").write_text(str(os.getpid()))
    time.sleep(float((folder / "seconds").read_text()))
    (folder / f"ended-{number}").touch()


@dg.definitions
def defs() -> dg.Definitions:
    """What assets.definitions has, with this one asset."""
    wait_patiently()
    return dg.Definitions(
        assets=[sleeper],
        sensors=[sweep_dead_runs],
        resources={"store": StoreResource()},
        executor=dg.in_process_executor,
    )

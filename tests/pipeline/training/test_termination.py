"""Being asked to end: the laws send signals to their own process, so they are run in one that did nothing before.

In a worker with a thousand other tests behind it the first SIGTERM ended the worker in three of five whole runs,
whatever handler was set; what those tests had left there is not known.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.fault("T5")
@pytest.mark.parametrize("laws", ["pipeline/training/laws_of_termination.py", "assets/laws_of_terminated_runs.py"])
def test_the_laws_of_being_asked_to_end_hold(laws):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{laws}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout

"""`dagster asset materialize --select ...` as a user types it after `source .venv/bin/activate`."""

import pytest

from tests.assets.helpers import dagster

TRAIN = ("asset", "materialize", "--select", "train_mrlf")


@pytest.mark.slow
def test_training_without_a_data_set_says_what_to_do_and_shows_no_traceback(dagster_home):
    completed = dagster(dagster_home, *TRAIN)
    assert completed.returncode == 1
    assert 'dagster asset materialize --select "+evaluate_mrlf" --partition demo' in completed.stderr
    assert "Stack Trace" not in completed.stderr and "Traceback" not in completed.stderr


@pytest.mark.slow
@pytest.mark.fault("D20")
def test_a_mistake_in_the_command_is_one_line(dagster_home):
    completed = dagster(dagster_home, *TRAIN, "--partition", "demo")
    assert completed.returncode == 1
    assert "Traceback" not in completed.stderr
    assert "`mrlf run demo --only train_mrlf`" in completed.stderr.splitlines()[-1]

"""`dagster asset materialize --select ...` as a user types it after `source .venv/bin/activate`."""

import pytest

from tests.assets.helpers import dagster

TRAIN = ("asset", "materialize", "--select", "train_mrlf")


@pytest.mark.slow
def test_training_without_a_data_set_says_what_to_do_and_shows_no_traceback(dagster_home):
    told = dagster(dagster_home, *TRAIN)
    assert told.returncode == 1
    assert 'dagster asset materialize --select "+evaluate_mrlf" --partition demo' in told.stderr
    assert "Stack Trace" not in told.stderr and "Traceback" not in told.stderr


@pytest.mark.slow
def test_the_variable_of_the_environment_names_the_definitions(dagster_home, tmp_path):
    (tmp_path / "seconds").write_text("0")
    environment = {
        **dagster_home,
        "SLEEPER_FOLDER": str(tmp_path),
        "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME": "tests.assets.sleeper",
    }
    told = dagster(environment, "asset", "materialize", "--select", "sleeper")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "ended-0").exists()

"""`dagster asset materialize --select ...` as a user types it after `source .venv/bin/activate`."""

import dagster as dg
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
@pytest.mark.fault("D16")
@pytest.mark.parametrize(
    ("words", "trained"),
    [
        pytest.param((), {"demo", "melbourne"}, id="every city that has a data set"),
        pytest.param(("--partition", "melbourne"), {"melbourne"}, id="the one that is named"),
    ],
)
def test_training_needs_no_partition_and_takes_one(dagster_home, cities, tmp_path, words, trained):
    module = {"DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME": "tests.assets.fake_training"}
    files = {"MRLF_CITIES": str(tmp_path / "cities.yaml"), "RELEASED": "demo melbourne"}
    completed = dagster({**dagster_home, **module, **files}, *TRAIN, *words)
    assert completed.returncode == 0, completed.stderr
    with dg.DagsterInstance.from_config(dagster_home["DAGSTER_HOME"]) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("train_mrlf")) == trained

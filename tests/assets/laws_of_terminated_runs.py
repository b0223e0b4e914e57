"""A training in Dagster that is asked to end puts its state away first; `test_termination.py` runs this by itself."""

import signal

import dagster as dg
import pytest

from assets.training.train_mrlf import train_mrlf
from pipeline.errors import IncompleteError
from pipeline.training.termination import asked_to_end
from tests.assets.helpers import materialize


@pytest.mark.fault("T5")
@pytest.mark.parametrize(
    ("number", "was_asked_in_dagster", "ends"),
    [
        pytest.param(signal.SIGINT, True, dg.DagsterRunStatus.CANCELED, id="terminate in the UI"),
        pytest.param(signal.SIGTERM, False, dg.DagsterRunStatus.FAILURE, id="the container ends"),
    ],
)
def test_a_run_that_is_terminated_puts_its_state_away_first(store, stage, number, was_asked_in_dagster, ends):
    done = []
    with dg.DagsterInstance.ephemeral() as instance:

        def work(on_epoch):
            (run,) = instance.get_runs()
            if was_asked_in_dagster:
                instance.report_run_canceling(run)
            with asked_to_end("demo train_mrlf") as should_stop:
                signal.raise_signal(number)
                assert should_stop()
                done.append("state is kept")
                raise IncompleteError("stopped", reason="terminated")

        stage(work)
        assert not materialize(store, train_mrlf, city=None, instance=instance).success
        (run,) = instance.get_runs()
        assert (run.status, done) == (ends, ["state is kept"])
    assert store.stage_record("demo", "train_mrlf") is None

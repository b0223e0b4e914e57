"""A training in Dagster: each epoch can be seen while the run goes on, and "terminate" waits for the state."""

import signal

import dagster as dg
import pytest

from assets.training import train_mrlf as training
from assets.training.train_mrlf import train_mrlf
from models.settings.train_config import Epoch
from pipeline.errors import IncompleteError
from pipeline.stage import Outcome, run_stage
from pipeline.stages import STAGES, Stage
from pipeline.training.termination import asked_to_end
from tests.assets.helpers import materialize

ACCURACY = "demo: validation_accuracy"


def epoch(number):
    return Epoch(
        epoch=number,
        train_loss=2.0 / number,
        validation_loss=2.5 / number,
        validation_accuracy=number / 10,
        learning_rate=0.001,
        seconds=1.5,
    )


@pytest.fixture
def stage(cities, monkeypatch):
    """Put `work(on_epoch)` in the place of the training."""

    def install(work):
        def build(store, city, settings, *, on_epoch):
            return run_stage(
                store,
                city,
                "train_mrlf",
                code_version="1",
                settings=settings,
                inputs={},
                work=lambda: work(on_epoch) or Outcome(),
            )

        real = STAGES["train_mrlf"]
        fake = Stage(name=real.name, room=real.room, settings=real.settings, build=build)
        monkeypatch.setitem(STAGES, "train_mrlf", fake)
        monkeypatch.setattr(training, "released_cities", lambda store: ["demo"])
        monkeypatch.setattr(training, "training_curve_png", lambda store, city: b"png")

    return install


def observed(instance, name=ACCURACY):
    """The values of a figure in the observations of the asset, the oldest first."""
    found = instance.fetch_observations(dg.AssetKey("train_mrlf"), limit=100).records
    return [record.asset_observation.metadata[name].value for record in reversed(found)]


def test_every_epoch_can_be_seen_before_the_next_one_is_done(store, stage):
    seen = []
    with dg.DagsterInstance.ephemeral() as instance:

        def work(on_epoch):
            for number in (1, 2, 3):
                on_epoch("demo", epoch(number))
                seen.append(observed(instance))

        stage(work)
        assert materialize(store, train_mrlf, city=None, instance=instance).success
        assert seen == [[0.1], [0.1, 0.2], [0.1, 0.2, 0.3]]
        assert observed(instance, "demo: epoch") == [1, 2, 3]
        assert observed(instance, "demo: train_loss") == [2.0, 1.0, pytest.approx(2 / 3)]
        kinds = {
            type(value)
            for record in instance.fetch_observations(dg.AssetKey("train_mrlf"), limit=1).records
            for value in record.asset_observation.metadata.values()
        }
        assert kinds == {dg.FloatMetadataValue, dg.IntMetadataValue}, "numbers are drawn, text is not"


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

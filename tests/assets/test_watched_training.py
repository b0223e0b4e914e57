"""A training in Dagster: each epoch can be seen while the run goes on."""

import dagster as dg
import pytest

from assets.training.train_mrlf import train_mrlf
from models.settings.train_config import Epoch
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

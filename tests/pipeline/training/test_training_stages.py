"""Features and training as stages: computed once, resumed after a kill, and refused in words where they cannot be."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.config import MrlfConfig
from models.fitted import Fitted
from models.train_config import TrainConfig
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.stage import StageError
from pipeline.store import Store
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features, read_features
from pipeline.training.samples import city_samples
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf, latest_run
from tests.fakes.city import CITY, fill_city

FEATURES = ImageFeaturesSettings(weights="builtin", image_size=32)
TRAINING = TrainMrlfSettings(
    max_epochs=3, num_filters=8, num_heads=2, char_dim=8, word_dim=8, image_fc_dim=8, ffn_dim=8, min_word_count=1
)


def release(store: Store, **how) -> None:
    """A small city as far as its release."""
    fill_city(store, **how)
    build_portrait_masks(
        store, CITY, PortraitMasksSettings(weights="builtin", find_profiles=False, find_bodies=False, num_workers=1)
    )
    build_clean_images(store, CITY, CleanImagesSettings(weights="builtin", num_workers=1))
    build_dataset(store, CITY, DatasetSettings(min_posts_per_poi=5))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Store:
    """A small city with features and a model."""
    store = Store(tmp_path_factory.mktemp("trained"))
    release(store)
    build_image_features(store, CITY, FEATURES)
    build_train_mrlf(store, CITY, TRAINING)
    return store


def test_every_choice_of_the_network_and_of_training_is_a_setting():
    fields = {field.name for kind in (MrlfConfig, TrainConfig) for field in dataclasses.fields(kind)}
    assert set(TrainMrlfSettings.model_fields) == fields | {"preset"}


def test_settings_override_the_preset_and_auto_goes_by_the_number_of_posts():
    network, training = TRAINING.configs(num_train_posts=100)
    given = TRAINING.model_dump(exclude_none=True, exclude={"preset", "max_epochs"})
    assert network == dataclasses.replace(MrlfConfig.small(), **given)
    assert training.max_epochs == 3
    assert TrainMrlfSettings().configs(5000)[0] == MrlfConfig.paper()
    assert TrainMrlfSettings(preset="small").configs(5000)[0] == MrlfConfig.small()


def test_features_are_float16_vectors_of_a_network_that_is_not_called_pretrained(trained):
    posts = latest_release(trained, "demo").posts
    vectors = read_features(trained, "demo", posts["clean_digest"].to_pylist(), "vgg19_fixed_seed")
    assert vectors.shape == (posts.num_rows, 512)
    assert np.isfinite(vectors).all()
    assert "never learned" in trained.stage_record("demo", "image_features").notes[0]


@pytest.mark.parametrize(
    "how",
    [{}, {"commit_every": 100}, {"batch_size": 3}, {"runtime": "torch"}, {"device": "cpu"}],
    ids=str,
)
def test_features_are_computed_once_whatever_computes_them(trained, how):
    assert build_image_features(trained, CITY, FEATURES.model_copy(update=how)).is_reused


def test_a_run_is_complete_and_can_be_loaded(trained):
    run = latest_run(trained, "demo")
    run.verify()
    assert set(run.files) == {
        "model.safetensors", "config.json", "vocab.json", "labels.json", "metrics.json", "history.parquet",
        "predictions.parquet",
    }  # fmt: skip
    samples = city_samples(trained, "demo", latest_release(trained, "demo"), "vgg19_fixed_seed")
    proba = Fitted.load(run.folder).predict_proba(samples.splits["test"])
    predictions = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    told = np.stack(predictions[predictions["split"] == "test"]["probabilities"])
    assert np.allclose(proba, told)
    right = (predictions["label"] == predictions["predicted"])[predictions["split"] == "test"].mean()
    assert json.loads((run.folder / "metrics.json").read_text())["test"]["accuracy"] == pytest.approx(right)


def test_an_unchanged_run_is_reused_and_another_seed_is_another_run(trained):
    assert build_train_mrlf(trained, CITY, TRAINING).is_reused
    first = latest_run(trained, "demo").folder
    build_train_mrlf(trained, CITY, TRAINING.model_copy(update={"seed": 1}))
    assert latest_run(trained, "demo").folder != first
    assert first.is_dir()


@pytest.mark.fault("T7")
def test_a_killed_training_goes_on_and_ends_with_equal_weights(trained, tmp_path):
    """SIGKILL after the second of three epochs; the rerun does the third only and the model is the unbroken one's."""
    store = Store(tmp_path)
    release(store)
    build_image_features(store, CITY, FEATURES)
    child = textwrap.dedent(f"""
        import os, pathlib, signal
        from pipeline.store import Store
        from pipeline.training import train_mrlf
        from tests.fakes.city import CITY
        from tests.pipeline.training.test_training_stages import TRAINING
        def die_after_two(bar, city, max_epochs, epoch):
            if epoch.epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        train_mrlf._tell = die_after_two
        train_mrlf.build_train_mrlf(Store(pathlib.Path({str(store.root)!r})), CITY, TRAINING)
    """)
    ended = subprocess.run([sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert ended.returncode == -signal.SIGKILL
    with pytest.raises(StageError, match="no model of demo"):
        latest_run(store, "demo")
    build_train_mrlf(store, CITY, TRAINING)
    build_train_mrlf(trained, CITY, TRAINING)
    ours, theirs = latest_run(store, "demo"), latest_run(trained, "demo")
    assert ours.folder.name == theirs.folder.name
    for name in ("model.safetensors", "vocab.json", "predictions.parquet", "metrics.json"):
        assert ours.files[name] == theirs.files[name], name


@pytest.mark.fault("P10")
def test_a_city_of_one_class_is_refused_in_words(store):
    release(store, num_pois=1)
    build_image_features(store, CITY, FEATURES)
    with pytest.raises(StageError, match="one class only, Place 0"):
        build_train_mrlf(store, CITY, TRAINING)


def test_features_that_were_never_built_are_told(store):
    release(store)
    with pytest.raises(StageError, match="build image_features first"):
        build_train_mrlf(store, CITY, TRAINING)

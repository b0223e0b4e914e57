"""Features and training as stages: computed once, resumed after a kill, and refused in words where they cannot be."""

import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.trained import load_model
from pipeline.errors import StageError
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features, read_features
from pipeline.training.progress import Progress
from pipeline.training.samples import city_samples
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf, latest_run
from tests.fakes.city import CITY, fill_city

pytestmark = pytest.mark.slow

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
def with_features(tmp_path_factory) -> Store:
    """A small city with features and no model."""
    store = Store(tmp_path_factory.mktemp("with_features"))
    release(store)
    build_image_features(store, CITY, FEATURES)
    return store


@pytest.fixture(scope="module")
def trained(with_features, tmp_path_factory) -> Store:
    """The same with a model."""
    store = Store(shutil.copytree(with_features.root, tmp_path_factory.mktemp("trained") / "store"))
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": math.inf},
        {"weight_decay": math.nan},
        {"clip": math.inf},
        {"device": "toaster"},
        {"device": "cuda:"},
        {"seed": 2**64},
        {"num_threads": 10**6},
        {"preset": "best", "modalities": ["image"]},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_refused_before_anything_is_read(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainMrlfSettings(**wrong)


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
        "model.safetensors",
        "config.json",
        "vocab.json",
        "labels.json",
        "metrics.json",
        "history.parquet",
        "predictions.parquet",
    }
    samples = city_samples(trained, "demo", latest_release(trained, "demo"), "vgg19_fixed_seed")
    proba = load_model(run.folder).predict_proba(samples.splits["test"])
    predictions = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    told = np.stack(predictions[predictions["split"] == "test"]["probabilities"])
    assert np.allclose(proba, told)
    right = (predictions["label"] == predictions["predicted"])[predictions["split"] == "test"].mean()
    assert json.loads((run.folder / "metrics.json").read_text())["test"]["accuracy"] == pytest.approx(right)


def test_the_kept_epoch_is_chosen_by_the_validation_posts(trained):
    run = latest_run(trained, "demo")
    predictions = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    loss = {
        split: -np.mean([np.log(row.probabilities[row.label]) for row in rows.itertuples()])
        for split, rows in predictions.groupby("split")
    }
    epochs = pq.read_table(run.folder / "history.parquet").to_pylist()
    lowest = min(epoch["validation_loss"] for epoch in epochs)
    assert (
        epochs[run.about["best_epoch"] - 1]["validation_loss"] == lowest == pytest.approx(loss["validation"], rel=1e-4)
    )
    assert lowest != pytest.approx(loss["test"], rel=1e-4)


def test_an_unchanged_run_is_reused_and_another_seed_is_another_run(trained):
    assert build_train_mrlf(trained, CITY, TRAINING).is_reused
    first = latest_run(trained, "demo").folder
    build_train_mrlf(trained, CITY, TRAINING.model_copy(update={"seed": 1}))
    assert latest_run(trained, "demo").folder != first
    assert first.is_dir()


@pytest.mark.fault("T6")
def test_a_damaged_model_is_made_again_from_its_checkpoint(trained, tmp_path, caplog):
    store = Store(shutil.copytree(trained.root, tmp_path / "store"))
    build_train_mrlf(store, CITY, TRAINING)
    weights = latest_run(store, "demo").folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    report = build_train_mrlf(store, CITY, TRAINING)
    assert not report.is_reused and "the model of this run is made again" in caplog.text
    assert_same_run(store, trained)


@pytest.mark.fault("T5")
def test_a_disk_that_is_full_at_the_end_names_the_folder_and_costs_no_epoch(trained, tmp_path):
    store = Store(shutil.copytree(trained.root, tmp_path / "store"))
    build_train_mrlf(store, CITY, TRAINING)
    folder = latest_run(store, "demo").folder
    (folder / "manifest.json").unlink()
    (folder / "predictions.parquet").unlink()
    (folder / "predictions.parquet").symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"{folder}.*No space left"):
        build_train_mrlf(store, CITY, TRAINING)
    (folder / "predictions.parquet").unlink(missing_ok=True)
    epochs = []
    build_train_mrlf(store, CITY, TRAINING, on_epoch=lambda city, epoch: epochs.append(epoch))
    assert not epochs
    assert_same_run(store, trained)


CHILD = """
    import os, pathlib, signal
    from pipeline.store import Store
    from pipeline.training import train_mrlf
    from pipeline.training.progress import Progress
    from tests.fakes.city import CITY
    from tests.pipeline.training.test_training_stages import TRAINING
    step = Progress.step
    def interrupted(self, epoch, number, num_steps):
        step(self, epoch, number, num_steps)
        if (epoch, number) == {at}:
            signal.raise_signal(signal.{name})
    Progress.step = interrupted
    train_mrlf.build_train_mrlf(Store(pathlib.Path({root!r})), CITY, TRAINING)
"""


def train_in_a_child(store, name, at):
    """Train in a process of its own that gets the signal `name` after a step (epoch, number)."""
    child = textwrap.dedent(CHILD).format(at=at, name=name, root=str(store.root))
    environment = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", child]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


@pytest.fixture
def untrained(with_features, tmp_path) -> Store:
    """A copy of the city with features and no model."""
    return Store(shutil.copytree(with_features.root, tmp_path / "store"))


def assert_same_run(store, trained):
    build_train_mrlf(trained, CITY, TRAINING)  # another test may have trained with another seed
    ours, theirs = latest_run(store, "demo"), latest_run(trained, "demo")
    assert ours.folder.name == theirs.folder.name
    for name in ("model.safetensors", "vocab.json", "predictions.parquet", "metrics.json"):
        assert ours.files[name] == theirs.files[name], name


@pytest.mark.fault("T7")
@pytest.mark.parametrize(("at", "epochs_left"), [((2, 1), [2, 3]), ((2, 2), [2, 3]), ((3, 1), [3])])
def test_a_killed_training_goes_on_from_its_epoch_and_ends_with_equal_weights(untrained, trained, at, epochs_left):
    assert train_in_a_child(untrained, "SIGKILL", at).returncode == -signal.SIGKILL
    with pytest.raises(StageError, match="no model of demo"):
        latest_run(untrained, "demo")
    seen = []
    build_train_mrlf(untrained, CITY, TRAINING, on_epoch=lambda city, epoch: seen.append((city, epoch.epoch)))
    assert seen == [("demo", epoch) for epoch in epochs_left]
    assert_same_run(untrained, trained)


@pytest.mark.fault("T5")
@pytest.mark.fault("T7")
def test_a_terminated_training_keeps_its_step_says_so_and_goes_on_from_there(untrained, trained, monkeypatch):
    ended = train_in_a_child(untrained, "SIGTERM", (2, 1))
    assert ended.returncode == 1
    told = ended.stderr.splitlines()[-1]
    assert told.endswith(
        "IncompleteError: demo train_mrlf was stopped in epoch 2 after step 1: what is there is kept; run it again"
    )
    steps = []
    monkeypatch.setattr(Progress, "step", lambda self, *step: steps.append(step))
    build_train_mrlf(untrained, CITY, TRAINING)
    assert steps[0][:2] == (2, 2)
    assert_same_run(untrained, trained)


@pytest.mark.fault("T5")
def test_ctrl_c_keeps_the_step_and_stays_ctrl_c(untrained, trained):
    ended = train_in_a_child(untrained, "SIGINT", (1, 1))
    assert ended.returncode != 0 and ended.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert "was stopped in epoch 1 after step 1" in ended.stderr
    build_train_mrlf(untrained, CITY, TRAINING)
    assert_same_run(untrained, trained)


@pytest.mark.fault("T4")
def test_a_training_that_breaks_down_is_told_as_the_users_matter(untrained):
    with pytest.raises(StageError, match="demo train_mrlf broke down: the loss is not finite in epoch 1, step"):
        build_train_mrlf(untrained, CITY, TRAINING.model_copy(update={"learning_rate": 1e36}))
    assert untrained.stage_record("demo", "train_mrlf") is None


@pytest.mark.fault("T11")
def test_a_model_that_learnt_nothing_is_called_so(untrained):
    settings = TRAINING.model_copy(update={"learning_rate": 1e-30, "max_epochs": 1})
    report = build_train_mrlf(untrained, CITY, settings)
    accuracy = float(report.record.about["validation_accuracy"])
    said = "the model is no better than chance on the validation posts: do not use it" in report.record.notes
    num_classes = len(latest_release(untrained, "demo").labels)
    assert said == (accuracy <= 1 / num_classes)


def test_the_best_preset_is_trained_kept_and_loaded_like_any_other(untrained):
    build_train_mrlf(untrained, CITY, TRAINING.model_copy(update={"preset": "best", "max_epochs": 1}))
    run = latest_run(untrained, "demo")
    run.verify()
    samples = city_samples(untrained, "demo", latest_release(untrained, "demo"), "vgg19_fixed_seed")
    predictions = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    told = np.stack(predictions[predictions["split"] == "test"]["probabilities"])
    assert np.allclose(load_model(run.folder).predict_proba(samples.splits["test"]), told)


@pytest.mark.fault("P10")
@pytest.mark.fault("T1")
def test_a_city_of_one_class_is_refused_in_words(store):
    release(store, num_pois=1)
    build_image_features(store, CITY, FEATURES)
    with pytest.raises(StageError, match="one class only, Place 0"):
        build_train_mrlf(store, CITY, TRAINING)


def test_features_that_were_never_built_are_told(store):
    release(store)
    with pytest.raises(StageError, match="build image_features first"):
        build_train_mrlf(store, CITY, TRAINING)

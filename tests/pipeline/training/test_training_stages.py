"""Features and training as stages: computed once, resumed after a kill, and refused in words where they cannot be."""

import dataclasses
import json
import math
import multiprocessing
import os
import pickle
import shutil
import signal
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.evaluation.metrics import score
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.trained import load_model
from pipeline.errors import StageError
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.store.files import IncompleteFolderError, seal
from pipeline.store.store import StageRecord
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features, read_features
from pipeline.training.run_files import is_whole
from pipeline.training.samples import city_samples
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf, latest_run
from pipeline.training.training_log import Progress
from tests.fakes.city import CITY, fill_released_city
from tests.fakes.engine import in_this_process
from tests.models.small_backbones import SMALL, small_backbones

pytestmark = pytest.mark.slow

FEATURES = ImageFeaturesSettings(weights="builtin", image_size=32)
TRAINING = TrainMrlfSettings(
    model="mrlf",
    batch_size=16,
    max_epochs=3,
    num_filters=8,
    num_heads=2,
    char_dim=8,
    word_dim=8,
    image_fc_dim=8,
    ffn_dim=8,
    min_word_count=1,
)


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Iterator[None]:
    """Of true size they are in `test_backbones`."""
    with small_backbones():
        yield


@pytest.fixture(scope="module")
def with_features(tmp_path_factory) -> Store:
    """A small city with features and no model."""
    store = Store(tmp_path_factory.mktemp("with_features"))
    fill_released_city(store, posts_per_poi=10)
    with in_this_process():
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
    assert set(TrainMrlfSettings.model_fields) == fields | {"model", "preset", "refit", "abstain"}
    assert list(TrainMrlfSettings.model_fields)[:7] == [
        "model",
        "preset",
        "refit",
        "abstain",
        "modalities",
        "characters",
        "words",
    ]
    assert all(field.description for field in TrainMrlfSettings.model_fields.values())
    assert pickle.loads(pickle.dumps(TRAINING)) == TRAINING  # noqa: S301


def test_settings_override_the_preset_and_auto_goes_by_the_number_of_posts():
    network, training = TRAINING.configs(num_train_posts=100)
    of_others = {"model", "preset", "refit", "abstain", "batch_size", "max_epochs"}
    given = TRAINING.model_dump(exclude_none=True, exclude=of_others)
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
        {"max_epochs": -3},
        {"batch_size": 0},
        {"label_smoothing": 2.0},
        {"char_filter_sizes": []},
        {"model": "best", "modalities": ["image"]},
        {"model": "linear", "max_epochs": 3},
        {"model": "linear", "preset": "small"},
        {"preset": "best"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_refused_before_anything_is_read(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainMrlfSettings(**wrong)


def test_features_are_float16_vectors_of_a_network_that_is_not_called_pretrained(trained):
    posts = latest_release(trained, "demo").posts
    vectors = read_features(trained, "demo", posts["clean_digest"].to_pylist(), "vgg19_fixed_seed")
    assert vectors.shape == (posts.num_rows, SMALL["vgg19"][1])
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
        "sureness.parquet",
    }
    samples = city_samples(trained, "demo", latest_release(trained, "demo"), "vgg19_fixed_seed")
    proba = load_model(run.folder).predict_proba(samples.splits["test"])
    predictions = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    stored = np.stack(predictions[predictions["split"] == "test"]["probabilities"])
    assert np.allclose(proba, stored)
    right = (predictions["label"] == predictions["predicted"])[predictions["split"] == "test"].mean()
    assert json.loads((run.folder / "metrics.json").read_text())["test"]["accuracy"] == pytest.approx(right)


def test_the_model_that_is_kept_learnt_from_the_validation_posts_too_and_their_figures_are_from_before(trained):
    run = latest_run(trained, CITY.key)
    samples = city_samples(trained, CITY.key, latest_release(trained, CITY.key), run.about["backbone"])
    rows = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    model, before = load_model(run.folder), load_model(run.folder / "checkpoint" / "best")
    for split, expected in (("test", model), ("validation", before)):
        stored = np.stack(rows[rows["split"] == split]["probabilities"])
        proba = expected.predict_proba(samples.splits[split])
        np.testing.assert_allclose(stored, proba, atol=1e-5)
        figures = score(proba, samples.splits[split].labels_N, samples.class_latitudes, samples.class_longitudes)
        assert run.about["scores"][split] == pytest.approx(dataclasses.asdict(figures), rel=1e-4)
    assert not np.allclose(model.predict_proba(samples.splits["test"]), before.predict_proba(samples.splits["test"]))


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
    assert build_train_mrlf(trained, CITY, TRAINING.model_copy(update={"abstain": 0.2})).is_reused, "no training"
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
    caplog.set_level("INFO")
    report = build_train_mrlf(store, CITY, TRAINING)
    assert caplog.text.count("Training goes on after epoch") == 2, "the choice, and once on validation posts too"
    assert not report.is_reused and "the model of this run is made again" in caplog.text
    assert_same_run(store, trained)


@pytest.mark.fault("T16")
@pytest.mark.parametrize("text", ["", "{", "[1]", '{"about": {}, "files": {}}', None], ids=str)
def test_a_damaged_manifest_of_a_run_is_told_and_its_model_is_made_again(store, caplog, text):
    folder = store.run_folder("mrlf", "demo", "r1")
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    seal(folder, {"run": "r1", "city": "demo"}, ["a.txt"])
    record = StageRecord(stage="train_mrlf", digest="d", outputs={}, versions={}, about={"run": "r1"})
    store.write_stage_record("demo", record)
    assert is_whole(folder) and latest_run(store, "demo").about["city"] == "demo"
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("demo", "demp") if text is None else text)
    with pytest.raises(IncompleteFolderError, match=r"manifest\.json is damaged .*`mrlf run demo` makes it again"):
        latest_run(store, "demo")
    assert not is_whole(folder)
    assert "the model of this run is made again" in caplog.text and not manifest.exists()


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


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    """Processes that begin with all that a training imports: forks of a server that has computed nothing yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "sklearn.model_selection", "torch._dynamo", "torch.utils.tensorboard"])
    yield context
    forkserver._forkserver._stop()


def train_and_interrupt(root, name, at, stderr, title):
    """Train; after the step (epoch, number) `at` of the training of this title the process gets the signal `name`."""
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup leaves it ignored
    step = Progress.step

    def interrupted(self, epoch, number, num_steps):
        step(self, epoch, number, num_steps)
        if (self.title, epoch, number) == (title, *at):
            signal.raise_signal(getattr(signal, name))

    Progress.step = interrupted
    build_train_mrlf(Store(root), CITY, TRAINING)


@pytest.fixture
def train_in_a_child(processes, untrained, tmp_path):
    """Train in a process of its own that gets the signal `name` after a step: its exit code and error output."""

    def train(name, at, title="demo train_mrlf"):
        of_child = (untrained.root, name, at, tmp_path / "stderr", title)
        child = processes.Process(target=train_and_interrupt, args=of_child)
        child.start()
        child.join()
        return child.exitcode, (tmp_path / "stderr").read_text().splitlines()

    return train


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
def test_a_killed_training_goes_on_from_its_epoch_and_ends_with_equal_weights(
    train_in_a_child, untrained, trained, at, epochs_left
):
    assert train_in_a_child("SIGKILL", at)[0] == -signal.SIGKILL
    with pytest.raises(StageError, match="no model of demo"):
        latest_run(untrained, "demo")
    seen = []
    build_train_mrlf(untrained, CITY, TRAINING, on_epoch=lambda city, epoch: seen.append((city, epoch.epoch)))
    assert seen == [("demo", epoch) for epoch in epochs_left]
    assert_same_run(untrained, trained)


@pytest.mark.fault("T5")
@pytest.mark.fault("T7")
def test_a_terminated_training_keeps_its_step_says_so_and_goes_on_from_there(
    train_in_a_child, untrained, trained, monkeypatch
):
    exit_code, stderr = train_in_a_child("SIGTERM", (2, 1))
    assert exit_code == 1
    assert stderr[-1].endswith(
        "IncompleteError: demo train_mrlf was stopped in epoch 2 after step 1: what is there is kept; run it again"
    )
    steps = []
    monkeypatch.setattr(Progress, "step", lambda self, *step: steps.append(step))
    build_train_mrlf(untrained, CITY, TRAINING)
    assert steps[0][:2] == (2, 2)
    assert_same_run(untrained, trained)


@pytest.mark.fault("T5")
@pytest.mark.fault("T7")
@pytest.mark.parametrize(("name", "exit_code", "next_step"), [("SIGKILL", -signal.SIGKILL, 1), ("SIGHUP", 1, 2)])
def test_the_training_on_validation_posts_too_goes_on_like_the_first(
    train_in_a_child, untrained, trained, monkeypatch, name, exit_code, next_step
):
    title = "demo train_mrlf, on validation posts too"
    assert train_in_a_child(name, (1, 1), title)[0] == exit_code
    steps = []
    monkeypatch.setattr(Progress, "step", lambda self, *step: steps.append((self.title, *step[:2])))
    build_train_mrlf(untrained, CITY, TRAINING)
    assert steps[0] == (title, 1, next_step)
    assert_same_run(untrained, trained)


@pytest.mark.fault("T5")
def test_ctrl_c_keeps_the_step_and_stays_ctrl_c(train_in_a_child, untrained, trained):
    exit_code, stderr = train_in_a_child("SIGINT", (1, 1))
    assert exit_code != 0 and stderr[-1] == "KeyboardInterrupt"
    assert any("was stopped in epoch 1 after step 1" in line for line in stderr)
    build_train_mrlf(untrained, CITY, TRAINING)
    assert_same_run(untrained, trained)


@pytest.mark.fault("T4")
def test_a_training_that_breaks_down_is_a_stage_error_and_no_traceback(untrained):
    with pytest.raises(StageError, match="demo train_mrlf broke down: the loss is not finite in epoch 1, step"):
        build_train_mrlf(untrained, CITY, TRAINING.model_copy(update={"learning_rate": 1e36}))
    assert untrained.stage_record("demo", "train_mrlf") is None


@pytest.mark.fault("T11")
def test_a_model_that_learnt_nothing_is_called_so(untrained):
    settings = TRAINING.model_copy(update={"learning_rate": 1e-30, "max_epochs": 1})
    report = build_train_mrlf(untrained, CITY, settings)
    accuracy = float(report.record.about["validation_accuracy"])
    is_noted = "the model is no better than chance on the validation posts: do not use it" in report.record.notes
    num_classes = len(latest_release(untrained, "demo").labels)
    assert is_noted == (accuracy <= 1 / num_classes)


def test_the_best_preset_is_trained_kept_and_loaded_like_any_other(untrained):
    build_train_mrlf(untrained, CITY, TRAINING.model_copy(update={"model": "best", "max_epochs": 1}))
    run = latest_run(untrained, "demo")
    run.verify()
    samples = city_samples(untrained, "demo", latest_release(untrained, "demo"), "vgg19_fixed_seed")
    predictions = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    stored = np.stack(predictions[predictions["split"] == "test"]["probabilities"])
    assert np.allclose(load_model(run.folder).predict_proba(samples.splits["test"]), stored)


@pytest.mark.fault("P10")
@pytest.mark.fault("T1")
def test_a_city_of_one_class_is_refused(store):
    fill_released_city(store, num_pois=1, posts_per_poi=10)
    with pytest.raises(StageError, match="one class only, Place 0"):
        build_train_mrlf(store, CITY, TRAINING)


def test_features_that_were_never_built_are_asked_for(store):
    fill_released_city(store, posts_per_poi=10)
    with pytest.raises(StageError, match="build image_features first"):
        build_train_mrlf(store, CITY, TRAINING)

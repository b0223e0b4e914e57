"""Start-up (fault N4): what does not belong together is refused before the first question, in words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.evaluation.metrics import useful_temperature
from pipeline.cities import CityError
from pipeline.errors import StageError
from pipeline.predict.loading import load_predictor
from pipeline.predict.predictor import PredictOptions, Predictor
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.store.files import IncompleteFolderError, seal, unseal
from pipeline.training.train_mrlf import build_train_mrlf, latest_run
from tests.pipeline.predict.conftest import CITY, TRAINING, write_cities

pytestmark = pytest.mark.slow


def test_what_belongs_together_loads_and_answers_as_in_training(copied):
    predictor = load_predictor(copied, "demo")
    assert isinstance(predictor, Predictor)
    run = latest_run(copied, "demo")
    result = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    validation = result[result["split"] == "validation"]
    proba, labels = np.stack(validation["probabilities"]), validation["label"].to_numpy()
    temperature = useful_temperature(proba, labels, list(validation["user_key"]))
    assert predictor.temperature == pytest.approx(temperature)
    posts = {post["post_key"]: post for post in latest_release(copied, "demo").posts.to_pylist()}
    assert predictor.known.hashtags == {tag for post in posts.values() for tag in post["hashtags"]}
    for row in result[result["split"] == "test"].itertuples():
        post = posts[row.post_key]
        words = " ".join([post["caption"], *(f"#{tag}" for tag in post["hashtags"])])
        question = predictor.read(copied.blobs.get("clean", post["clean_digest"]), words)
        now = predictor.model.predict_proba(predictor.samples([question]))[0]
        np.testing.assert_allclose(now, row.probabilities, atol=0.02)  # this city's captions were never cleaned
    [answer] = predictor.answer([question], [PredictOptions(top=1)])
    assert answer.city == "Demo & City"


def reseal(folder: Path, **about: object) -> None:
    """The manifest as if the files had been written so, with these facts changed."""
    manifest = unseal(folder)
    seal(folder, {**manifest.about, **about}, list(manifest.files))


def edit_labels(folder: Path, edit: Callable[[list], list]) -> None:
    """Other labels in a folder, with a manifest that agrees."""
    path = folder / "labels.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    reseal(folder)


def data_set(store: Store) -> Path:
    """The folder of the model's data set."""
    return store.dataset_folder("demo", latest_run(store, "demo").about["release"])


def swapped_labels(store: Store) -> None:
    edit_labels(latest_run(store, "demo").folder, lambda labels: [labels[1], labels[0], *labels[2:]])


def newer_coordinates(store: Store) -> None:
    edit_labels(data_set(store), lambda labels: [{**labels[0], "latitude": 5.0}, *labels[1:]])


def one_class_more(store: Store) -> None:
    for folder in (latest_run(store, "demo").folder, data_set(store)):
        edit_labels(folder, lambda labels: [*labels, {**labels[-1], "label": len(labels)}])


def other_numbers(store: Store) -> None:
    for folder in (latest_run(store, "demo").folder, data_set(store)):
        edit_labels(folder, lambda labels: [{**label, "label": label["label"] + 1} for label in labels])


def withdrawn_data_set(store: Store) -> None:
    (data_set(store) / "manifest.json").unlink()


def other_city(store: Store) -> None:
    reseal(latest_run(store, "demo").folder, city="rome")


def other_weights(store: Store) -> None:
    reseal(latest_run(store, "demo").folder, backbone_weights_sha256="f" * 64)


def published_weights(store: Store) -> None:
    reseal(latest_run(store, "demo").folder, backbone="vgg19")


def predictions_of_another_model(store: Store) -> None:
    path = latest_run(store, "demo").folder / "predictions.parquet"
    table = pq.read_table(path)
    short = pa.array([row[:-1] for row in table["probabilities"].to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("probabilities"), "probabilities", short), path)
    reseal(path.parent)


def model_of_another_seed(store: Store) -> None:
    """Whole and valid in itself, and not the model whose predictions lie beside it."""
    folder = latest_run(store, "demo").folder
    build_train_mrlf(store, CITY, TRAINING.model_copy(update={"seed": 5, "max_epochs": 1}))
    other = latest_run(store, "demo")
    assert other.folder != folder
    shutil.copy(folder / "predictions.parquet", other.folder / "predictions.parquet")
    reseal(other.folder)


def model_of_an_older_format(store: Store) -> None:
    path = latest_run(store, "demo").folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    reseal(path.parent)


@pytest.mark.fault("N4")
@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        pytest.param(swapped_labels, "labels beside the model", id="labels in another order"),
        pytest.param(newer_coordinates, "labels beside the model", id="labels of a newer data set"),
        pytest.param(one_class_more, "has 4 classes and its labels.json lists 5", id="another number of labels"),
        pytest.param(other_numbers, "classes and its labels.json", id="labels with other numbers"),
        pytest.param(withdrawn_data_set, "withdrawn or moved", id="the data set is gone"),
        pytest.param(other_city, "withdrawn or moved", id="a model of another city"),
        pytest.param(other_weights, "ffffffffffff", id="a picture network of other weights"),
        pytest.param(published_weights, "learnt from pictures as vgg19", id="a picture network of another name"),
        pytest.param(predictions_of_another_model, "not of this model", id="predictions of other classes"),
        pytest.param(model_of_an_older_format, "again: `mrlf run demo --to train_mrlf`", id="an older format"),
        pytest.param(model_of_another_seed, "answers otherwise", id="predictions of another model"),
    ],
)
def test_parts_of_different_versions_are_refused(copied, spoil, match):
    spoil(copied)
    with pytest.raises(StageError, match=match):
        load_predictor(copied, "demo")


@pytest.mark.fault("N4")
def test_labels_that_changed_on_the_disk_are_refused(copied):
    path = latest_run(copied, "demo").folder / "labels.json"
    path.write_text(path.read_text().replace("Harbour Market", "Market"))
    with pytest.raises(IncompleteFolderError, match="not what its manifest states"):
        load_predictor(copied, "demo")


@pytest.mark.fault("N4")
def test_pictures_shown_at_another_size_than_in_training_are_noticed(copied, tmp_path, monkeypatch):
    write_cities(tmp_path, monkeypatch, size=64)
    with pytest.raises(StageError, match="answers otherwise than when it was trained"):
        load_predictor(copied, "demo")


@pytest.mark.fault("N4")
@pytest.mark.parametrize(
    ("city", "error", "match"),
    [
        pytest.param("rome", CityError, "there is no city 'rome'", id="an unknown city"),
        pytest.param("bare", StageError, "no model of bare has been trained yet", id="a city without a model"),
    ],
)
def test_a_city_that_cannot_be_asked_about_is_told(copied, city, error, match):
    with pytest.raises(error, match=match):
        load_predictor(copied, city)


def test_without_pictures_it_is_said_that_nothing_was_proved(copied, caplog):
    shutil.rmtree(copied.root / "blobs" / "clean")
    load_predictor(copied, "demo")
    assert "not checked" in caplog.text

"""What `train_mrlf` trains and what answers, by the setting `model`."""

import importlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.linear.linear_model import LinearModel
from models.training.fitted import Fitted
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.store.files import Manifest
from pipeline.training.run_files import answering_folder, answers_of, read_model
from pipeline.training.samples import city_samples
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf, latest_run
from tests.pipeline.report.small_city import BACKBONE, make_city, write_data

pytestmark = [pytest.mark.fault("N6"), pytest.mark.slow]

CITY = make_city(is_synthetic=True)
LEARNS_NOTHING = {"max_epochs": 1, "learning_rate": 1e-30, "num_threads": 1, "num_filters": 8, "num_heads": 2}
LINEAR_FILES = {"linear.json", "terms.json", "wide.safetensors"}
BESIDE = {f"linear/{name}" for name in (*LINEAR_FILES, "predictions.parquet", "sureness.parquet")}
OF_ALL = {"labels.json", "metrics.json", "history.parquet", "predictions.parquet", "sureness.parquet"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A small city with features, of which a linear model learns and a network that does not train does not."""
    made = Store(tmp_path_factory.mktemp("models") / "data")
    write_data(made, CITY)
    return made


def stored_proba(folder: Path) -> np.ndarray:
    table = pq.read_table(folder / "predictions.parquet", filters=[("split", "=", "test")])
    return np.stack(table["probabilities"].to_pylist())


def trained(store: Store, **settings: object) -> tuple[Manifest, dict[str, str], list[str]]:
    """The run, and what the stage says of it."""
    record = build_train_mrlf(store, CITY, TrainMrlfSettings(**settings)).record
    return latest_run(store, "demo"), record.about, record.notes


def test_where_the_linear_model_is_better_it_answers_and_the_network_stays(store):
    run, about, notes = trained(store, **LEARNS_NOTHING)
    assert answers_of(run) == about["answers"] == "linear"
    assert set(run.files) == {"model.safetensors", "config.json", "vocab.json"} | OF_ALL | BESIDE
    assert isinstance(read_model(run), Fitted)
    model = read_model(run, answering_folder(run))
    assert isinstance(model, LinearModel)
    test = city_samples(store, "demo", latest_release(store, "demo"), BACKBONE).splits["test"]
    np.testing.assert_array_equal(model.predict_proba(test), stored_proba(answering_folder(run)))
    assert not np.array_equal(stored_proba(run.folder), stored_proba(answering_folder(run)))
    choice = json.loads((run.folder / "metrics.json").read_text())["choice"]
    assert choice == run.about["choice"] and choice["low"] > 0
    assert choice["why"] in notes and "use the linear model" in choice["why"]
    assert about["held_out_accuracy/linear"] == f"{choice['accuracy']['linear']:.4f}"
    assert about["held_out_accuracy/mrlf"] == f"{choice['accuracy']['mrlf']:.4f}"


def test_who_asks_for_mrlf_gets_it_whatever_is_better(store):
    run, about, notes = trained(store, model="mrlf", **LEARNS_NOTHING)
    assert answers_of(run) == about["answers"] == "mrlf"
    assert answering_folder(run) == run.folder and not BESIDE & set(run.files)
    assert not any("linear" in note for note in notes)


@pytest.mark.parametrize(
    ("settings", "num_fits"),
    [
        pytest.param({"model": "linear"}, 2, id="linear"),
        pytest.param({"model": "mrlf", **LEARNS_NOTHING}, 0, id="mrlf"),
    ],
)
def test_a_model_is_trained_anew_once(store, monkeypatch, settings, num_fits):
    fits, again = [], []
    for name, calls in (("models.linear.linear_model.fit_linear", fits), ("models.training.training.refit", again)):
        monkeypatch.setattr(name, count(name, calls))
    trained(store, seed=7, **settings)
    assert (len(fits), len(again)) == (num_fits, 1 if settings["model"] == "mrlf" else 0)


def count(name: str, calls: list[str]):
    """The function of this name, counted."""
    module, _, function = name.rpartition(".")
    original = getattr(importlib.import_module(module), function)

    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    return counted


def test_the_linear_model_alone_trains_no_network(store, monkeypatch):
    monkeypatch.setattr("models.training.training.fit", lambda *_, **__: pytest.fail("a network is trained"))
    run, about, _ = trained(store, model="linear")
    assert answers_of(run) == about["answers"] == "linear" and float(about["validation_accuracy"]) > 0.5
    assert set(run.files) == LINEAR_FILES | OF_ALL
    assert isinstance(read_model(run, answering_folder(run)), LinearModel)
    assert pq.read_table(run.folder / "history.parquet").num_rows == run.about["epochs"] == 0


@pytest.mark.parametrize("settings", [{"model": "linear"}, LEARNS_NOTHING], ids=["linear", "auto"])
def test_a_linear_answer_reads_no_more_than_the_settings_name(store, settings):
    run, _, _ = trained(store, modalities=["hashtags"], **settings)
    model = read_model(run, answering_folder(run))
    assert isinstance(model, LinearModel) and model.config.blocks == ["hashtags"]


def test_a_run_of_an_older_version_answers_with_what_was_trained(store):
    run, _, _ = trained(store, model="mrlf", **LEARNS_NOTHING)
    for preset, expected in (("auto", "mrlf"), ("small", "mrlf"), ("best", "best")):
        about = {name: fact for name, fact in run.about.items() if name != "choice"} | {"settings": {"preset": preset}}
        old = Manifest(folder=run.folder, files=run.files, about=about)
        assert answers_of(old) == expected and answering_folder(old) == run.folder

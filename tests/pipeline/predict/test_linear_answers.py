"""A city for which the linear model answers: named in every answer, with influences, and exported."""

import shutil

import numpy as np
import pytest

from models.linear.linear_model import LinearModel
from models.trained import load_model
from pipeline.cli.predict_text import answer_lines
from pipeline.predict.export import export_model
from pipeline.predict.loading import load_predictor
from pipeline.predict.predictor import PredictOptions, Predictor
from pipeline.store import Store
from pipeline.training.train_mrlf import build_train_mrlf, latest_run
from tests.pipeline.predict.conftest import CITY, SIZES, TRAINING, write_cities

pytestmark = [pytest.mark.fault("N6"), pytest.mark.slow]

LEARNS_NOTHING = {"model": "auto", "max_epochs": 1, "learning_rate": 1e-30}


@pytest.fixture(scope="module", params=["auto", "linear"])
def store(request, trained, tmp_path_factory) -> Store:
    """A city whose linear model answers: in the place of a network that learnt nothing, or alone."""
    folder = tmp_path_factory.mktemp(request.param)
    store = Store(shutil.copytree(trained, folder / "data", symlinks=True))
    alone = {"model": "linear", "max_epochs": None, "learning_rate": None, **dict.fromkeys(SIZES)}
    changes = LEARNS_NOTHING if request.param == "auto" else alone
    build_train_mrlf(store, CITY, TRAINING.model_copy(update=changes))
    return store


@pytest.fixture
def predictor(store, tmp_path, monkeypatch) -> Predictor:
    write_cities(tmp_path, monkeypatch, size=32)
    return load_predictor(store, "demo")


def test_answers_name_the_linear_model_and_say_what_decided(predictor):
    assert isinstance(predictor.model, LinearModel)
    assert predictor.facts.model == "linear" and predictor.facts.why_model
    question = predictor.read(None, "by place2 #tag2")
    fine, coarse = predictor.answer([question] * 2, [PredictOptions(why=True), PredictOptions(coarse=True)])
    assert fine.model == coarse.model == "linear"
    part = next(part for part in fine.why.words if part.text == "place2")
    assert part.influence > 0 and part.attention is None
    lines = "\n".join(answer_lines(fine))
    assert "answered by the linear model" in lines and "attention" not in lines


def test_its_figures_are_its_own(store, predictor):
    run = latest_run(store, "demo")
    scores = run.about.get("answering_scores", run.about["scores"])
    assert predictor.facts.test_accuracy == scores["test"]["accuracy"] > 0.5


def test_it_is_exported_as_it_answers(store, predictor, tmp_path):
    export_model(store, "demo", tmp_path / "files", "safetensors")
    asked = predictor.samples([predictor.read(None, "by place1"), predictor.read(None, "#tag0")])
    exported = load_model(tmp_path / "files")
    np.testing.assert_array_equal(exported.predict_proba(asked), predictor.model.predict_proba(asked))

"""The report says which model answers, and speaks of the linear model where no network was trained."""

import json
from pathlib import Path

import pytest
import yaml

from pipeline.cities import City
from pipeline.report import render
from pipeline.report.evaluate_mrlf import build_evaluate_mrlf
from pipeline.store import Store
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf
from tests.pipeline.report import small_city
from tests.pipeline.report.small_city import SETTINGS

pytestmark = [pytest.mark.fault("N6"), pytest.mark.slow]

CITY = small_city.make_city(is_synthetic=True)
LEARNS_NOTHING = {"max_epochs": 1, "learning_rate": 1e-30, "num_threads": 1, "num_filters": 8, "num_heads": 2}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A small city with features and without a model."""
    made = Store(tmp_path_factory.mktemp("answers") / "data")
    small_city.write_data(made, CITY)
    return made


@pytest.fixture(autouse=True)
def no_figures(monkeypatch) -> None:
    monkeypatch.setattr(render, "_figures", lambda report: dict.fromkeys(render.FIGURES, b"PNG"))


def files_of(store: Store, city: City = CITY, **settings: object) -> tuple[dict, dict[str, str], list[str]]:
    """The report as a record, its pages by name, and the notes of the stage."""
    build_train_mrlf(store, city, TrainMrlfSettings(**settings))
    notes = build_evaluate_mrlf(store, city, SETTINGS).record.notes
    folder: Path = store.report_folder(city.key)
    pages = {name: (folder / name).read_text() for name in ("report.md", "report.html", "model_card.md")}
    return json.loads((folder / "report.json").read_text()), pages, notes


@pytest.mark.fault("N11")
def test_the_figures_that_lead_are_those_of_the_linear_model_that_answers_and_mrlf_stands_beside_it(store):
    report, pages, notes = files_of(store, **LEARNS_NOTHING)
    assert report["answers"] == "linear"
    ours, mrlf, *others = report["models"]
    assert (ours["name"], mrlf["name"]) == ("linear", "mrlf") and mrlf["gain"]["value"] > 0
    assert "logistic_all" not in [model["name"] for model in others], "it would be the same model twice"
    run = store.run_folder("mrlf", CITY.key, store.stage_record(CITY.key, "train_mrlf").about["run"])
    scores = json.loads((run / "metrics.json").read_text())
    found = [ours["accuracy"]["value"], mrlf["accuracy"]["value"], ours["macro_f1"]]
    answering, trained = scores["answering_scores"]["test"], scores["test"]
    assert found == pytest.approx([answering["accuracy"], trained["accuracy"], answering["macro_f1"]])
    about = store.stage_record(CITY.key, "train_mrlf").about
    on_validation = [scores["answering_scores"]["validation"], scores["validation"]]
    told = [about["validation_accuracy"], about["validation_accuracy/mrlf"]]
    assert told == [f"{each['accuracy']:.4f}" for each in on_validation] and told[0] != told[1]
    about = store.stage_record(CITY.key, "evaluate_mrlf").about
    assert (about["accuracy"], about["accuracy/mrlf"]) == tuple(f"{value:.3f}" for value in found[:2])
    card = yaml.safe_load(pages["model_card.md"].split("---\n")[1])["model-index"][0]
    assert card["name"] == "linear-demo" and card["results"][0]["metrics"][0]["value"] == round(found[0], 4)
    assert all("The linear model predicts the right place" in page for page in (*pages.values(), report["headline"]))
    assert report["verdict"][0].startswith("Use the linear model, which answers for this city: on ")
    assert report["verdict"][0] in notes
    assert all("Use the linear model, which answers for this city" in page for page in pages.values())
    assert all("MRLF, trained beside it, is right for" in page for page in pages.values())
    assert "of MRLF, which does not answer" in pages["report.md"]
    assert "`mrlf serve` answer with the linear model." in pages["model_card.md"]
    assert "`terms.json` lists the words" in pages["model_card.md"]
    assert "# A linear model for Demo" in pages["model_card.md"] and "## Citation" in pages["model_card.md"]
    assert "The linear model compared with other models" in pages["report.md"]


def test_a_report_on_the_linear_model_alone_speaks_of_no_network(store):
    report, pages, _ = files_of(store, model="linear")
    assert (report["answers"], report["preset"]) == ("linear", "linear")
    names = [model["name"] for model in report["models"]]
    assert names[0] == "linear" and "logistic_all" not in names, "it would be the same model twice"
    assert "No network was trained" in pages["report.md"]
    card = pages["model_card.md"]
    assert "# A linear model for Demo" in card and "logistic regression over" in card
    assert "MRLF is the model of Dai" not in card and "## Citation" not in card
    assert "The linear model compared with other models" in pages["report.html"]


def test_who_asked_for_mrlf_reads_of_mrlf_alone(store):
    report, pages, _ = files_of(store, model="mrlf", **LEARNS_NOTHING)
    assert report["answers"] == "mrlf"
    assert "Use the linear model" not in "".join(pages.values())
    assert "answer with MRLF." in pages["model_card.md"] and "preset `small`" in pages["model_card.md"]

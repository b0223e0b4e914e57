"""The model card: read as a hub reads it, with the report's own figures, and named a reconstruction."""

import dataclasses
import json

import pytest
import yaml
from huggingface_hub import ModelCard

from pipeline.report.model_card import card_header
from pipeline.report.wording import percent

HOSTILE = "a: b\n---\n# <script>alert(1)</script> \"x\" 'y' {{ 7*7 }} [x](javascript:alert(1))"


@pytest.fixture
def card(reported) -> ModelCard:
    return ModelCard(reported.file("model_card.md").read_text())


def test_a_hub_reads_the_results_of_the_report(card, reported):
    told = json.loads(reported.file("report.json").read_text())["models"][0]
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results == {
        "accuracy": pytest.approx(told["accuracy"]["value"], abs=1e-4),
        "f1": pytest.approx(told["macro_f1"], abs=1e-4),
        "mean_error_km": pytest.approx(told["mean_km"]["value"], abs=1e-4),
        "median_error_km": pytest.approx(told["median_km"], abs=1e-4),
    }
    assert card.data.license == "unknown"
    assert "reconstruction" in card.data.tags
    assert percent(told["accuracy"]["value"]).replace("\u202f", " ") in card.text


def test_sections_that_a_reader_of_cards_looks_for(card):
    headings = [line[3:] for line in card.text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Model details",
        "Uses",
        "Bias, risks and limitations",
        "How to get started",
        "Training",
        "Evaluation",
        "Versions and settings",
        "Citation",
    ]
    assert "a reconstruction" in card.text.splitlines()[2] + card.text.splitlines()[1] + card.text.splitlines()[0]
    assert "No figure of the paper is claimed" in card.text
    assert "must not be used to find, follow or check on a person" in card.text
    assert "All posts of this city are invented." in card.text


@pytest.mark.fault("D10")
def test_a_hostile_name_of_a_city_stays_a_value_of_the_header(reported_record):
    header = card_header(dataclasses.replace(reported_record, city_name=HOSTILE))
    start, middle, end = header.partition("model-index")[0][:4], header, header[-4:]
    assert (start, end) == ("---\n", "---\n")
    loaded = yaml.safe_load(middle[4:-4])
    assert loaded["model-index"][0]["results"][0]["dataset"]["name"] == f"posts of {HOSTILE} (invented)"
    assert set(loaded) == {"language", "license", "library_name", "tags", "metrics", "model-index"}


def test_the_card_names_the_preset_that_auto_stood_for(reported):
    assert "preset `small`" in reported.file("model_card.md").read_text()


@pytest.mark.fault("D10")
def test_hostile_names_of_places_are_text_in_the_card(reported):
    text = reported.file("model_card.md").read_text()
    assert "<script" not in text.lower()
    assert "[x](javascript" not in text

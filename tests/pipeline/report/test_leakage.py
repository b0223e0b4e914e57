"""Leakage: told twice, with and without label words, for every model."""

import json

import pytest

from pipeline.report.evaluation import answers_of
from pipeline.report.leakage import measure_leakage, without_label_words
from tests.pipeline.report.measuring import Rule, bootstrap, make_samples

NAMES = ["Saltglass Bridge", "Hollowbell Museum", "Quillmoor Lookout", "Inkwren Gallery"]
LABELS = [{"label": row, "name": name, "category": "Landmark"} for row, name in enumerate(NAMES)]


class City:
    """As much of a release as leakage looks at."""

    labels, city_name = LABELS, "Demo City"


def names_it(text: str, tags: list[str], image: float | None) -> int:
    """Reads names off captions and tags, and the picture only where there is none."""
    for row, name in enumerate(NAMES):
        if name in text or name.split()[0].lower() in tags:
            return row
    return 3 - int(image or 0)


@pytest.fixture
def posts():
    truth = [0, 1, 2, 3] * 5
    captions = [f"at {NAMES[label]}" if row < 8 else "a day out" for row, label in enumerate(truth)]
    tags = [["inkwren"] if row == 11 else ["quillmoor"] if row == 12 else [] for row in range(20)]
    return make_samples(truth, captions, tags)


def measured(posts):
    model, masked = Rule(names_it), without_label_words(City, posts)
    answers = [answers_of(name, name, model.predict_proba(posts), model, posts, masked) for name in ("mrlf", "other")]
    return measure_leakage(City, posts, answers, bootstrap(posts))


@pytest.mark.fault("T3")
def test_posts_that_name_a_place_are_counted_by_whose_name_it_is(posts):
    leakage = measured(posts)
    assert leakage.num_own == 9, "eight captions and the tag of post 11"
    assert leakage.num_any == 10, "post 12 names another place"
    assert leakage.accuracy_own.value == 1.0
    assert leakage.accuracy_other.value == 0.0


@pytest.mark.fault("T3")
def test_accuracy_is_told_with_and_without_label_words_for_every_model(posts):
    for model in measured(posts).models:
        assert model.accuracy.value == pytest.approx(9 / 20)
        assert model.masked.value == 0.0
        assert model.fall.value == pytest.approx(9 / 20)
        assert model.fall.low <= model.fall.value <= model.fall.high


@pytest.mark.fault("T3")
def test_no_post_that_names_its_place_is_said_so():
    posts = make_samples([0, 1], ["sun", "sea"])
    leakage = measured(posts)
    assert (leakage.num_own, leakage.accuracy_own) == (0, None)
    assert leakage.accuracy_other is not None


@pytest.mark.fault("T3")
def test_the_report_has_both_figures_of_every_model_on_all_its_pages(reported):
    told = json.loads(reported.file("report.json").read_text())
    assert [model["name"] for model in told["leakage"]["models"]] == [model["name"] for model in told["models"]]
    for model, again in zip(told["leakage"]["models"], told["models"], strict=True):
        assert model["accuracy"] == again["accuracy"]
        assert model["fall"]["value"] == pytest.approx(model["accuracy"]["value"] - model["masked"]["value"])
    for name in ("report.html", "report.md", "model_card.md"):
        text = reported.file(name).read_text()
        assert "Label words are the names of the places" in text, name
    assert "label words taken out" in reported.file("report.html").read_text()

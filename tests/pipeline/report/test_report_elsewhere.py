"""Posts from elsewhere in a report: which there are, what is refused of them and of the test posts, and its words."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.ledger import write_ledger
from pipeline.release.read import latest_release
from pipeline.report import elsewhere
from pipeline.report.elsewhere import BELOW_FLOOR, Doubts, measure_elsewhere, posts_from_elsewhere
from pipeline.report.elsewhere_content import Source
from pipeline.report.elsewhere_sentences import coverage_note, elsewhere_line, elsewhere_note
from pipeline.report.estimate import Estimate
from pipeline.report.render import render
from tests.pipeline.report.measuring import bootstrap, make_samples, one_hot
from tests.pipeline.report.small_city import BACKBONE

pytestmark = pytest.mark.slow  # a city is built first

LABELS = [0, 1, 2, 3] * 10
TEST, FOREIGN = make_samples(LABELS), make_samples([0] * 12)
SURE, TORN = 0.9, 0.4
KNOWN = np.sort(-np.random.default_rng(0).uniform(0.3, 0.6, 39))


def measured(*, abstain: float = 0.05, known: np.ndarray = KNOWN, others: bool = True, words: str = "words"):
    """A model that is right and sure of all test posts but the first four, and torn over those from elsewhere."""
    proba = one_hot(LABELS, confidence=SURE)
    proba[:4] = one_hot([1, 2, 3, 0], confidence=TORN)
    model = SimpleNamespace(predict_proba=lambda posts: one_hot([0] * len(posts), confidence=TORN))
    doubts = Doubts(known={"text+hashtags+image": known}, words=frozenset({words}), abstain=abstain)
    return measure_elsewhere(model, proba, TEST, bootstrap(TEST), {BELOW_FLOOR: FOREIGN} if others else {}, doubts)


@pytest.mark.fault("N21")
def test_what_is_less_sure_than_the_known_posts_is_refused_and_the_rest_is_more_often_right():
    found = measured()
    (source,) = found.sources
    assert found.refused.value == pytest.approx(0.1) and found.answered.value == 1.0
    assert (source.refused.value, source.num_posts) == (1.0, 12)
    assert source.auroc.value == pytest.approx((36 + 4 / 2) / 40)
    assert source.auroc.low <= source.auroc.value <= source.auroc.high
    assert [each.num_posts for each in found.coverage] == [40, 36, 32, 28, 24, 20, 16, 12, 8, 4]
    assert [each.accuracy.value for each in found.coverage[:2]] == [0.9, 1.0]


@pytest.mark.fault("N21")
@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"abstain": 0.0}, id="switched off"),
        pytest.param({"known": KNOWN[:18]}, id="too few known posts"),
        pytest.param({"known": KNOWN[:0]}, id="a run of an older version"),
    ],
)
def test_without_a_limit_nothing_is_refused(given):
    found = measured(**given)
    assert found.refused.value == found.sources[0].refused.value == 0.0


@pytest.mark.fault("N21")
def test_as_in_a_prediction_posts_are_compared_with_those_that_show_as_much():
    assert measured(words="others").refused.value == 0.0, (
        "the text is of unknown words, and of such posts none is known"
    )


@pytest.mark.fault("N21")
def test_the_words_say_what_there_is_and_what_it_rests_on(reported_record):
    def words(**given: object) -> str:
        report = replace(reported_record, elsewhere=measured(**given))
        return f"{elsewhere_line(report)} {elsewhere_note(report)} {coverage_note(report)}".replace("\u202f", " ")

    assert "100.0 % of 12 posts of POIs below the floor (AUROC 0.95)" in words()
    assert "(39 validation posts)" in words() and "on the others the accuracy is 100.0 %" in words()
    assert "No more than 12 posts of POIs below the floor: the intervals are wide" in words()
    assert "(29 validation posts, so few that the limit is rough)" in words(known=KNOWN[:29])
    assert "18 validation posts are too few for a limit" in words(known=KNOWN[:18])
    assert "No post from elsewhere is here" in words(others=False)


@pytest.mark.fault("N21")
def test_every_form_of_the_report_shows_it(reported_record, no_figures):
    shown = replace(reported_record, elsewhere=measured())
    files = render(shown)
    for name in ("report.html", "report.md", "report.json"):
        assert b"POIs below the floor" in files[name], name
    lines = files["report.md"].decode().splitlines()
    head, row = (next(line for line in lines if line.startswith(start)) for start in ("| posts | number", "| of POIs"))
    assert row.replace("\\|", "").count("|") == head.count("|")
    assert b"should be refused" in files["model_card.md"]


@pytest.mark.fault("N22")
def test_posts_below_the_floor_and_of_other_data_sets_are_asked_about(own, monkeypatch):
    store, release = own.store, latest_release(own.store, "demo")
    posts = {row["post_key"]: row for row in store.tables.read("demo", "posts").to_pylist()}
    digest = posts["lost5"]["image_digests"][0]
    ok = {"digest": digest, "width": 64, "height": 48, "format": "JPEG", "num_bytes": 9, "outcome": "ok"}
    store.tables.replace("demo", "images", [ok])
    write_ledger(store, "demo", "curated_posts", {"lost5": "poi_below_floor", "lost6": "not_english"})
    assert list(posts_from_elsewhere(store, "demo", release, "vgg16")) == []
    monkeypatch.setattr(elsewhere, "_others", lambda store, city: ["demo"])
    assert list(posts_from_elsewhere(store, "demo", release, BACKBONE)) == [BELOW_FLOOR], "its places are known here"
    monkeypatch.setattr(elsewhere, "_others", lambda store, city: ["demo", "demo"])
    away = replace(release, labels=[place | {"latitude": place["latitude"] - 1} for place in release.labels])
    found = posts_from_elsewhere(store, "demo", away, BACKBONE)
    assert {title: len(samples) for title, samples in found.items()} == {
        BELOW_FLOOR: 1,
        "of Demo & City": release.manifest.about["splits"]["test"],
        "of Demo & City (demo)": release.manifest.about["splits"]["test"],
    }
    known = {tag for tags in release.posts["hashtags"].to_pylist() for tag in tags}
    assert found[BELOW_FLOOR].keys == ["lost5"] and known.issuperset(found[BELOW_FLOOR].hashtags[0])


@pytest.mark.fault("N22")
def test_another_data_set_that_cannot_be_read_hinders_nothing(own, monkeypatch):
    monkeypatch.setattr(elsewhere, "_others", lambda store, city: ["nowhere"])
    assert posts_from_elsewhere(own.store, "demo", latest_release(own.store, "demo"), BACKBONE) == {}


def test_a_source_stands_with_its_interval_in_the_table(reported_record, no_figures):
    figure = Estimate(value=0.5, low=0.25, high=0.75)
    source = Source(title="of <b>Else</b>", num_posts=1234, refused=figure, auroc=figure)
    page = render(replace(reported_record, elsewhere=replace(measured(), sources=[source])))["report.html"].decode()
    assert "of &lt;b&gt;Else" in page and "1,234" in page and "0.50<small>0.25 to 0.75" in page

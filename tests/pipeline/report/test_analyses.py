"""Errors, kinds of input, calibration, label words and drift, against loops and models with known answers."""

import datetime
import json
from itertools import permutations

import numpy as np
import pytest

from models.data.samples import showing
from models.evaluation.metrics import calibration_error, fit_temperature, haversine_km, with_temperature
from pipeline.report.analyses import (
    ALL,
    MIN_POSTS,
    category_mistakes,
    distances,
    measure_calibration,
    measure_drift,
    measure_leakage,
    modality_use,
    shapley_values,
    subsets,
    without_label_words,
)
from pipeline.report.content import PlaceResult
from pipeline.report.evaluation import Bootstrap, answers_of
from tests.pipeline.report.measuring import (
    LATITUDES,
    LONGITUDES,
    Rule,
    bootstrap,
    make_answers,
    make_city,
    make_samples,
)

pytestmark = pytest.mark.slow


def places(categories: list[str]) -> list[PlaceResult]:
    return [
        PlaceResult(
            number=row + 1,
            label=row,
            name=f"place {row}",
            category=category,
            latitude=1.0,
            longitude=2.0,
            num_posts=9,
            num_test=3,
            num_right=1,
            mistaken_for=None,
            num_mistaken=0,
        )
        for row, category in enumerate(categories)
    ]


def test_categories_sum_the_places_and_chance_is_what_any_wrong_place_gives():
    found = category_mistakes(places(["A", "A", "B"]), [[5, 2, 1], [0, 3, 1], [0, 2, 6]])
    assert found.names == ["A", "B"]
    assert found.confusion == [[10, 2], [2, 6]]
    assert found.num_wrong == 6
    assert found.share_within == pytest.approx(2 / 6)
    assert found.by_chance == pytest.approx((3 * 1 / 2 + 1 * 1 / 2 + 2 * 0) / 6)


def test_without_a_mistake_there_is_no_share():
    found = category_mistakes(places(["A", "B"]), [[5, 0], [0, 3]])
    assert (found.num_wrong, found.share_within, found.by_chance) == (0, None, None)


@pytest.mark.fault("I40")
@pytest.mark.parametrize(
    ("categories", "num_unknown", "within", "chance"),
    [
        pytest.param(["", "", ""], 5, None, None, id="none is known"),
        pytest.param(["A", "A", ""], 3, 1.0, 1.0, id="one is not known"),
        pytest.param(["A", "", ""], 5, None, None, id="one is known"),
    ],
)
def test_two_places_of_unknown_category_are_not_of_the_same(categories, num_unknown, within, chance):
    found = category_mistakes(places(categories), [[5, 2, 1], [0, 3, 1], [0, 1, 6]])
    assert (found.num_wrong, found.num_unknown) == (5, num_unknown)
    assert (found.share_within, found.by_chance) == (within, chance)


def test_curves_equal_loops_rise_and_hold_the_thresholds():
    labels = [0, 1, 2, 3] * 5
    predicted = [1, 1, 2, 0, *labels[4:]]
    answers = [make_answers("mrlf", predicted, labels), make_answers("majority", [0] * 20, labels)]
    answers.append(make_answers("logistic_all", labels, labels))
    found = distances(answers, make_city(make_samples(labels)))
    assert [curve.name for curve in found.curves] == ["mrlf", "logistic_all", "majority"], (
        "the best of the others first"
    )
    assert {0.5, 1.0, 5.0} <= set(found.limits_km)
    assert found.limits_km == sorted(found.limits_km)
    errors = [
        float(haversine_km(LATITUDES[one], LONGITUDES[one], LATITUDES[other], LONGITUDES[other]))
        for one, other in zip(predicted, labels, strict=True)
    ]
    expected = [sum(error <= km for error in errors) / 20 for km in found.limits_km]
    assert found.curves[0].shares == pytest.approx(expected)
    assert found.curves[0].shares[-1] == 1.0
    assert found.median_wrong_km == pytest.approx(np.median([error for error in errors if error > 0]))


def test_models_that_are_always_right_still_have_a_curve():
    labels = [0, 1]
    found = distances([make_answers("mrlf", labels, labels)], make_city(make_samples(labels)))
    assert set(found.curves[0].shares) == {1.0}
    assert found.median_wrong_km is None


LABELS = [0, 1, 2, 3] * 10
CAPTIONS = [f"word{label}" for label in LABELS]
TAGS = [[f"tag{label}"] for label in LABELS]
POSTS = make_samples(LABELS, CAPTIONS, TAGS)


def use_of(rule):
    model = Rule(rule)
    return modality_use(model.predict_proba, POSTS, model.predict_proba(POSTS), bootstrap(POSTS))


@pytest.mark.parametrize("shown", subsets(ALL), ids=lambda shown: "+".join(sorted(shown)) or "nothing")
def test_what_is_not_shown_is_empty_and_the_rest_is_untouched(shown):
    posts = showing(POSTS, shown)
    assert posts.captions == (CAPTIONS if "text" in shown else [""] * 40)
    assert posts.hashtags == (TAGS if "hashtags" in shown else [[]] * 40)
    assert posts.has_image_N.all() if "image" in shown else not posts.has_image_N.any()
    assert posts.image_ND.any() == ("image" in shown)
    assert posts.keys == POSTS.keys
    assert (posts.labels_N == POSTS.labels_N).all()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param("text", lambda text, tags, image: int(text[-1]) if text else 0, id="captions"),
        pytest.param("hashtags", lambda text, tags, image: int(tags[0][-1]) if tags else 0, id="hashtags"),
        pytest.param("image", lambda text, tags, image: int(image or 0), id="pictures"),
    ],
)
def test_a_model_of_one_input_leans_on_it_alone(name, rule):
    use = use_of(rule)
    assert use.everything.value == 1.0
    assert use.blind.value == 0.25, "it names the first place"
    for each in use.modalities:
        is_it = each.name == name
        assert each.fall.value == (0.75 if is_it else 0.0)
        assert each.alone.value == (1.0 if is_it else 0.25)
        assert each.share.value == pytest.approx(0.75 if is_it else 0.0)


def test_two_inputs_that_say_the_same_share_alike_and_neither_is_missed():
    use = use_of(lambda text, tags, image: int(text[-1]) if text else int(image or 0))
    text, hashtags, image = use.modalities
    assert (text.fall.value, image.fall.value) == (0.0, 0.0)
    assert text.share.value == pytest.approx(image.share.value) == pytest.approx(0.375)
    assert hashtags.share.value == 0.0


def test_shares_equal_the_mean_over_all_orders_and_sum_to_what_all_add():
    rng = np.random.default_rng(0)
    right = {shown: rng.integers(0, 2, 30).astype(float) for shown in subsets(ALL)}
    values = {name: shapley_values(right, name) for name in ALL}
    for name in ALL:
        steps = []
        for order in permutations(sorted(ALL)):
            before = frozenset(order[: order.index(name)])
            steps.append(right[before | {name}] - right[before])
        np.testing.assert_allclose(values[name], np.mean(steps, axis=0), atol=1e-12)
    np.testing.assert_allclose(sum(values.values()), right[ALL] - right[frozenset()], atol=1e-12)


def test_every_interval_holds_its_figure():
    for each in use_of(lambda text, tags, image: int(text[-1]) if text and image else 1).modalities:
        for estimate in (each.without, each.fall, each.alone, each.share):
            assert estimate.low <= estimate.value <= estimate.high


RNG = np.random.default_rng(0)
VALIDATION_PROBA, TEST_PROBA = RNG.dirichlet(np.ones(4), 120), RNG.dirichlet(np.ones(4), 200)
VALIDATION_LABELS = np.array([RNG.choice(4, p=row) for row in VALIDATION_PROBA])
VALIDATION_PROBA = with_temperature(VALIDATION_PROBA, 0.5)
TEST_LABELS = np.array([RNG.choice(4, p=row) for row in TEST_PROBA])


def calibrated(test_labels):
    """The calibration of a model that boasts; every post is of a user of its own."""
    users = [str(number) for number in range(120)]
    return measure_calibration(VALIDATION_PROBA, VALIDATION_LABELS, users, TEST_PROBA, test_labels)


def test_temperature_looks_at_no_test_post():
    one = calibrated(TEST_LABELS)
    other = calibrated(np.zeros(200, dtype=np.int64))
    assert one.temperature == other.temperature == fit_temperature(VALIDATION_PROBA, VALIDATION_LABELS) != 1
    assert one.error_before != other.error_before


def test_figures_are_those_of_the_metrics_and_groups_hold_every_post():
    found = calibrated(TEST_LABELS)
    cooled = with_temperature(TEST_PROBA, found.temperature)
    assert found.error_before == calibration_error(TEST_PROBA, TEST_LABELS)
    assert found.error_after == calibration_error(cooled, TEST_LABELS)
    assert found.accuracy == np.mean(TEST_PROBA.argmax(axis=1) == TEST_LABELS)
    for groups in (found.before, found.after):
        assert sum(each.num_posts for each in groups) == 200
        assert sum(each.num_posts * each.accuracy for each in groups) == pytest.approx(200 * found.accuracy)


@pytest.mark.fault("T11")
def test_no_validation_post_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="give the validation split some posts"):
        measure_calibration(VALIDATION_PROBA[:0], VALIDATION_LABELS[:0], [], TEST_PROBA, TEST_LABELS)


PLACE_NAMES = ["Saltglass Bridge", "Hollowbell Museum", "Quillmoor Lookout", "Inkwren Gallery"]
PLACE_LABELS = [{"label": row, "name": name, "category": "Landmark"} for row, name in enumerate(PLACE_NAMES)]


class City:
    """As much of a release as leakage looks at."""

    labels, city_name = PLACE_LABELS, "Demo City"


def names_it(text: str, tags: list[str], image: float | None) -> int:
    """Reads names off captions and tags, and the picture only where there is none."""
    for row, name in enumerate(PLACE_NAMES):
        if name in text or name.split()[0].lower() in tags:
            return row
    return 3 - int(image or 0)


@pytest.fixture
def posts():
    truth = [0, 1, 2, 3] * 5
    captions = [f"at {PLACE_NAMES[label]}" if row < 8 else "a day out" for row, label in enumerate(truth)]
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
def test_accuracy_verdict_with_and_without_label_words_for_every_model(posts):
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
    report = json.loads(reported.file("report.json").read_text())
    assert [model["name"] for model in report["leakage"]["models"]] == [model["name"] for model in report["models"]]
    for model, again in zip(report["leakage"]["models"], report["models"], strict=True):
        assert model["accuracy"] == again["accuracy"]
        assert model["fall"]["value"] == pytest.approx(model["accuracy"]["value"] - model["masked"]["value"])
    for name in ("report.html", "report.md", "model_card.md"):
        text = reported.file(name).read_text()
        assert "Label words are the names of the places" in text, name
    assert "label words removed" in reported.file("report.html").read_text()


def days_from(first: str, count: int, step: int = 1) -> list[str]:
    start = datetime.date.fromisoformat(first)
    return [(start + datetime.timedelta(days=step * number)).isoformat() for number in range(count)]


def drift_of(days: list[str], right: list[float] | np.ndarray, num_users: int = 25):
    groups = [f"user{row % num_users}" for row in range(len(days))]
    return measure_drift(days, np.array(right, dtype=np.float64), Bootstrap(groups=groups, num_resamples=200, seed=0))


@pytest.mark.parametrize(
    ("count", "step", "unit", "names"),
    [
        pytest.param(90, 1, "month", ["2024-01", "2024-02", "2024-03"], id="a post a day"),
        pytest.param(90, 4, "quarter", ["2024 Q1", "2024 Q2", "2024 Q3", "2024 Q4"], id="a post in four days"),
        pytest.param(60, 8, "half-year", ["2024 H1", "2024 H2", "2025 H1"], id="a post in eight days"),
        pytest.param(60, 16, "year", ["2024", "2025", "2026"], id="a post in sixteen days"),
        pytest.param(3, 1, "year", ["2024"], id="three posts"),
    ],
)
def test_spans_are_the_finest_that_have_enough_posts_on_average(count, step, unit, names):
    drift = drift_of(days_from("2024-01-01", count, step), [1.0] * count)
    assert drift.unit == unit
    assert [each.name for each in drift.bins] == names
    assert sum(each.num_posts for each in drift.bins) == count


def test_a_span_with_too_few_posts_has_its_count_and_no_interval():
    days = days_from("2024-01-01", 31) + days_from("2024-02-01", 29) + ["2024-03-01"] * (MIN_POSTS - 1)
    drift = drift_of(days, [1.0] * 40 + [0.0] * (len(days) - 40))
    january, february, march = drift.bins
    assert (january.num_posts, january.accuracy.value) == (31, 1.0)
    assert (february.num_right, february.accuracy.value) == (9, pytest.approx(9 / 29))
    assert (march.num_posts, march.accuracy) == (MIN_POSTS - 1, None)
    assert (drift.first_day, drift.last_day) == ("2024-01-01", "2024-03-01")


def test_order_of_the_posts_does_not_matter():
    days, rng = days_from("2024-01-01", 90), np.random.default_rng(0)
    right, order = rng.integers(0, 2, 90).astype(float), rng.permutation(90)
    groups = [f"user{row % 25}" for row in range(90)]
    one = measure_drift(days, right, Bootstrap(groups=groups, num_resamples=100, seed=0))
    other = measure_drift(
        [days[row] for row in order],
        right[order],
        Bootstrap(groups=[groups[row] for row in order], num_resamples=100, seed=0),
    )
    assert [(each.num_posts, each.num_right) for each in one.bins] == [
        (each.num_posts, each.num_right) for each in other.bins
    ]
    assert one.change.value == pytest.approx(other.change.value)


@pytest.mark.parametrize(
    ("early", "late", "verdict"),
    [
        pytest.param(0.9, 0.2, "worse", id="it gets worse"),
        pytest.param(0.2, 0.9, "better", id="it gets better"),
        pytest.param(0.7, 0.7, "same", id="it stays"),
    ],
)
def test_change_is_later_minus_earlier_with_an_interval(early, late, verdict):
    rng = np.random.default_rng(1)
    right = np.concatenate([rng.random(100) < early, rng.random(100) < late]).astype(float)
    change = drift_of(days_from("2024-01-01", 200), right).change
    assert change.value == pytest.approx(right[100:].mean() - right[:100].mean())
    assert {"worse": change.high < 0, "better": change.low > 0, "same": change.low <= 0 <= change.high}[verdict]


def test_too_few_posts_for_two_halves_give_no_change():
    assert drift_of(days_from("2024-01-01", 2 * MIN_POSTS - 1), [1.0] * (2 * MIN_POSTS - 1)).change is None
    assert drift_of(["2024-01-01"] * 100, [1.0] * 100).change is None


def test_a_single_user_with_posts_on_one_side_only_breaks_nothing():
    assert drift_of(days_from("2024-01-01", 100), [1.0] * 100, num_users=1).change.value == 0.0

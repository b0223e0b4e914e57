"""The summary of the report: a line claims a difference only where its interval leaves out zero."""

import dataclasses

import pytest

from pipeline.report.content import Estimate
from pipeline.report.measure_sentences import (
    brief,
    calibration_line,
    categories_note,
    distance_note,
    drift_line,
    leakage_line,
    leakage_note,
    mistakes_line,
    modalities_line,
)

pytestmark = pytest.mark.slow


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("first", "second", "start"),
    [
        pytest.param((0.2, 0.4), (0.0, 0.1), "The captions, clearly.", id="one leads"),
        pytest.param((0.2, 0.4), (0.1, 0.3), "The captions, but the intervals overlap.", id="intervals overlap"),
        pytest.param((-0.1, 0.2), (-0.1, 0.1), "None has a significant effect", id="none"),
    ],
)
def test_which_input_matters_most(reported_record, first, second, start):
    falls = [estimate(*first), estimate(*second), estimate(-0.1, 0.0)]
    use = reported_record.modalities
    changed = [dataclasses.replace(each, fall=fall) for each, fall in zip(use.modalities, falls, strict=True)]
    assert modalities_line(dataclasses.replace(use, modalities=changed)).startswith(start)


@pytest.mark.parametrize(
    ("low", "high", "start"),
    [
        (0.01, 0.1, "Better"),
        (-0.2, -0.01, "Worse"),
        (-0.1, 0.1, "No significant change"),
        (0.0, 0.1, "No significant"),
    ],
)
def test_drift_is_judged_by_its_interval(reported_record, low, high, start):
    assert drift_line(dataclasses.replace(reported_record.drift, change=estimate(low, high))).startswith(start)


def test_too_few_posts_for_a_drift_are_said_to_be_too_few(reported_record):
    assert "too few test posts to say" in drift_line(dataclasses.replace(reported_record.drift, change=None))


@pytest.mark.parametrize(
    ("confidence", "error", "start"),
    [
        pytest.param(
            0.9, 0.3, "No, the model is overconfident: mean confidence 90.0 %, accuracy 50.0 %.", id="overconfident"
        ),
        pytest.param(0.2, 0.3, "No, the model is underconfident", id="under"),
        pytest.param(0.9, 0.1, "No miscalibration found", id="within chance"),
    ],
)
def test_calibration_is_judged_beside_chance(reported_record, confidence, error, start):
    changed = dataclasses.replace(
        reported_record.calibration, mean_confidence=confidence, accuracy=0.5, error_before=error, honest_error=0.1
    )
    assert plain(calibration_line(changed)).startswith(start)


@pytest.mark.fault("T20")
def test_leakage_without_such_posts_and_with(reported_record):
    none = dataclasses.replace(reported_record.leakage, num_own=0)
    assert leakage_line(dataclasses.replace(reported_record, leakage=none)) == "No test post names its place."
    without = dataclasses.replace(none, num_any=2, accuracy_own=None, accuracy_other=estimate(0.4, 0.6))
    note = plain(leakage_note(dataclasses.replace(reported_record, leakage=without)))
    assert "accuracy is 50.0 % (40.0 to 60.0 %) on others. Below" in note
    note = leakage_note(dataclasses.replace(reported_record, leakage=dataclasses.replace(without, num_any=0)))
    assert "nothing to remove" in note and "Below" not in note
    some = dataclasses.replace(reported_record.leakage, num_own=reported_record.num_test_posts)
    assert plain(leakage_line(dataclasses.replace(reported_record, leakage=some))).startswith("100.0 % of test posts")


@pytest.mark.fault("T20")
def test_the_left_end_of_the_distances_is_the_accuracy_only_where_no_place_is_so_near(reported_record):
    ours, *others = reported_record.distances.curves
    accuracy = reported_record.models[0].accuracy.value
    for more, text in ((0.0, "the accuracy; the rise"), (0.2, "the accuracy and the wrong predictions within")):
        curve = dataclasses.replace(ours, shares=[accuracy + more, *ours.shares[1:]])
        changed = dataclasses.replace(reported_record.distances, curves=[curve, *others])
        assert text in distance_note(dataclasses.replace(reported_record, distances=changed))


def test_a_model_without_a_mistake_errs_nowhere(reported_record):
    right = dataclasses.replace(reported_record.categories, num_wrong=0, share_within=None, by_chance=None)
    assert mistakes_line(dataclasses.replace(reported_record, categories=right)) == "Nowhere in these posts."


@pytest.mark.fault("I40")
def test_a_share_of_the_same_category_is_given_of_known_categories_alone(reported_record):
    none_known = {"num_wrong": 5, "num_unknown": 5, "share_within": None, "by_chance": None}
    wrong = dataclasses.replace(reported_record.categories, **none_known)
    report = dataclasses.replace(reported_record, categories=wrong)
    assert "5 wrong predictions: the places' categories are not known" in plain(mistakes_line(report))
    assert "whose category is not known" in categories_note(report)
    some = dataclasses.replace(wrong, num_unknown=2, share_within=2 / 3, by_chance=0.5)
    report = dataclasses.replace(reported_record, categories=some)
    assert "66.7 % of those between places of known category" in plain(mistakes_line(report))
    assert "Of 3 wrong predictions, those at or for places of unknown category (2) left out," in plain(
        categories_note(report)
    )


def test_every_line_leads_to_a_section(reported_record):
    lines = brief(reported_record)
    assert [line.section for line in lines] == [
        *("modalities", "mistakes", "calibration", "elsewhere", "leakage", "drift")
    ]
    assert all(line.question.endswith("?") and line.answer.endswith(".") for line in lines)

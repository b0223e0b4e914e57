"""The summary of the report: a line claims a difference only where its interval leaves out zero."""

import dataclasses

import pytest

from pipeline.report.content import Estimate
from pipeline.report.measure_sentences import (
    brief,
    drift_line,
    honesty_line,
    leakage_line,
    mistakes_line,
    modalities_line,
)


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        pytest.param((0.2, 0.4), (0.0, 0.1), "Most of all the captions.", id="one leads"),
        pytest.param((0.2, 0.4), (0.1, 0.3), "About equally, led by the captions.", id="intervals overlap"),
        pytest.param((-0.1, 0.2), (-0.1, 0.1), "None on its own can be shown to", id="none"),
    ],
)
def test_which_input_decides(reported_record, first, second, told):
    falls = [estimate(*first), estimate(*second), estimate(-0.1, 0.0)]
    use = reported_record.modalities
    changed = [dataclasses.replace(each, fall=fall) for each, fall in zip(use.modalities, falls, strict=True)]
    assert modalities_line(dataclasses.replace(use, modalities=changed)).startswith(told)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(0.01, 0.1, "Better"), (-0.2, -0.01, "Worse"), (-0.1, 0.1, "No change can be told"), (0.0, 0.1, "No change")],
)
def test_drift_is_told_by_its_interval(reported_record, low, high, told):
    assert drift_line(dataclasses.replace(reported_record.drift, change=estimate(low, high))).startswith(told)


def test_too_few_posts_for_a_drift_are_said_to_be_too_few(reported_record):
    assert "too few to say" in drift_line(dataclasses.replace(reported_record.drift, change=None))


@pytest.mark.parametrize(
    ("confidence", "error", "told"),
    [
        pytest.param(0.9, 0.3, "It boasts: it says 90.0 % on average and is right in 50.0 %", id="boasts"),
        pytest.param(0.2, 0.3, "It is too modest", id="modest"),
        pytest.param(0.9, 0.1, "No dishonesty can be shown", id="within chance"),
    ],
)
def test_honesty_is_judged_beside_chance(reported_record, confidence, error, told):
    changed = dataclasses.replace(
        reported_record.calibration, mean_confidence=confidence, accuracy=0.5, error_before=error, honest_error=0.1
    )
    assert plain(honesty_line(changed)).startswith(told)


def test_leakage_without_such_posts_and_with(reported_record):
    none = dataclasses.replace(reported_record.leakage, num_own=0)
    assert leakage_line(dataclasses.replace(reported_record, leakage=none)) == "No test post names its place."
    some = dataclasses.replace(reported_record.leakage, num_own=reported_record.num_test_posts)
    assert plain(leakage_line(dataclasses.replace(reported_record, leakage=some))).startswith("100.0 % of test posts")


def test_a_model_without_a_mistake_errs_nowhere(reported_record):
    right = dataclasses.replace(reported_record.categories, num_wrong=0, share_within=None, by_chance=None)
    assert mistakes_line(dataclasses.replace(reported_record, categories=right)) == "Nowhere in these posts."


def test_every_line_leads_to_a_section(reported_record):
    lines = brief(reported_record)
    assert [line.section for line in lines] == ["modalities", "mistakes", "calibration", "leakage", "drift"]
    assert all(line.question.endswith("?") and line.answer.endswith(".") for line in lines)

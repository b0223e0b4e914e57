"""What the report says of its split: of other users where users are kept apart, of later posts where time is."""

import dataclasses

import pytest

from pipeline.report.measure_sentences import brief, drift_note
from pipeline.report.sentences import data_sentence, how_measured, table_note
from pipeline.report.wording import verdict, warnings


@pytest.fixture
def in_time(reported_record):
    return dataclasses.replace(reported_record, split="time", split_reason="the posts are of 1 user", unit="day")


def prose(report) -> str:
    return " ".join([*how_measured(report), data_sentence(report), table_note(report), drift_note(report)])


@pytest.mark.fault("T13")
def test_a_report_of_a_split_in_time_speaks_of_later_posts_and_of_no_other_users(in_time):
    said = prose(in_time)
    for wanted in (
        "split in time (the posts are of 1 user): train 2",
        "Posts of one day resemble each other",
        "draw whole days",
        "made after the training posts",
        "say nothing about other users",
    ):
        assert wanted in said
    assert brief(in_time)[-1].answer.startswith("All figures are those of later posts. Within these: ")
    for wrong in ("random among users", "All posts of one user", "whole users", "come from the same period"):
        assert wrong not in said


def test_a_report_of_a_split_by_user_speaks_of_users(reported_record):
    said = prose(reported_record)
    assert "draw whole users" in said and "random among users" in said and "All posts of one user" in said
    assert "split in time" not in said


@pytest.mark.fault("T13")
@pytest.mark.parametrize("unit", ["day", "month"])
def test_few_days_or_months_are_warned_of_by_their_name(reported_record, unit):
    models = reported_record.models
    assert any(f"9 {unit}s only" in said for said in warnings(models, num_places=4, num_groups=9, unit=unit))
    assert f"posts of more {unit}s" in verdict(models, num_groups=1, unit=unit)[-1]

"""Words follow from figures: who wins, and how numbers read."""

import dataclasses

import pytest

from pipeline.report.content import Estimate, ModelResult
from pipeline.report.wording import (
    certainty,
    headline,
    kilometres,
    kilometres_range,
    percent,
    percent_range,
    plain,
    points,
    points_range,
    verdict,
    warnings,
)


def model(name: str, low: float | None = None, high: float = 0.0) -> ModelResult:
    """A model over which MRLF's gain has this interval; MRLF itself without one."""
    some = Estimate(value=0.881, low=0.831, high=0.926)
    gain = Estimate(value=(low + high) / 2, low=low, high=high) if low is not None else None
    return ModelResult(
        name=name,
        title=name.replace("_", " ").title(),
        accuracy=some,
        top5=0.99,
        macro_f1=0.8,
        mean_km=Estimate(value=0.519, low=0.3, high=0.8),
        median_km=0.0,
        within_500_m=0.8,
        within_1_km=0.9,
        within_5_km=1.0,
        calibration_error=0.1,
        gain=gain,
    )


@pytest.mark.parametrize(
    ("low", "high", "start"),
    [
        pytest.param(0.01, 0.2, "MRLF is better than the linear.", id="interval above zero"),
        pytest.param(-0.2, -0.01, "MRLF is worse than the linear", id="interval below zero"),
        pytest.param(-0.1, 0.2, "MRLF ties with the linear", id="zero within"),
        pytest.param(0.0, 0.2, "MRLF ties with the linear", id="zero at the lower end"),
        pytest.param(-0.2, 0.0, "MRLF ties with the linear", id="zero at the upper end"),
    ],
)
def test_who_wins_follows_from_the_interval_of_the_difference(low, high, start):
    sentences = verdict([model("mrlf"), model("linear", low, high)])
    assert len(sentences) == 1
    assert sentences[0].startswith(start)


def test_every_model_is_named_once():
    models = [model("mrlf"), model("one", 0.1, 0.2), model("two", 0.1, 0.2), model("three", -0.1, 0.1)]
    sentences = " ".join(verdict(models))
    assert "better than the one and the two." in sentences
    assert "the three (difference 0.0 points, −10.0 to +10.0)" in sentences


@pytest.mark.parametrize(
    ("low", "high", "is_named"),
    [
        pytest.param(0.01, 0.2, False, id="beaten"),
        pytest.param(-0.1, 0.2, True, id="tie"),
        pytest.param(-0.2, -0.1, True, id="worse"),
    ],
)
def test_the_linear_model_that_is_not_beaten_is_named_first(low, high, is_named):
    sentences = verdict([model("mrlf"), model("logistic_text", 0.1, 0.2), model("logistic_all", low, high)])
    assert sentences[0].startswith("The linear model on all three inputs") == is_named
    assert ("is not beaten" in sentences[0]) == is_named


def test_the_model_best_is_named_as_ours():
    others = [model("logistic_all", 0.1, 0.2)]
    assert "model “best”, our own extension" in verdict([model("best"), *others])[0]
    assert not any("“best”" in sentence for sentence in verdict([model("mrlf"), *others]))


def test_posts_of_one_user_let_nobody_win():
    models = [model("mrlf"), model("majority", 0.3, 0.3), model("logistic_all", -0.1, -0.1)]
    (sentence,) = verdict(models, num_groups=1)
    assert "no model can be called better" in sentence


@pytest.mark.fault("T11")
@pytest.mark.parametrize(
    ("accuracy", "low", "high", "start"),
    [
        pytest.param(0.08, -0.2, -0.1, "no better than guessing: one of 12 places", id="worse than chance"),
        pytest.param(1 / 12, 0.0, 0.1, "no better than guessing", id="as good as chance"),
        pytest.param(0.3, -0.1, 0.1, "not significantly better than always predicting", id="ties with the majority"),
        pytest.param(0.3, -0.2, -0.1, "not significantly better than always predicting", id="below the majority"),
        pytest.param(0.3, 0.01, 0.1, None, id="better than the majority"),
    ],
)
def test_a_model_that_is_no_better_than_none_is_warned_of(accuracy, low, high, start):
    ours = dataclasses.replace(model("mrlf"), accuracy=Estimate(value=accuracy, low=0.0, high=0.4))
    found = warnings([ours, model("majority", low, high)], num_places=12, num_groups=99)
    assert len(found) == (start is not None)
    assert all(start in sentence and "Do not use it" in sentence for sentence in found)


def test_few_users_are_warned_of():
    models = [model("mrlf"), model("majority", 0.1, 0.2)]
    assert "9 users only" in warnings(models, num_places=12, num_groups=9)[0]
    assert warnings(models, num_places=12, num_groups=10) == []


def test_headline_has_the_figure_its_interval_and_the_distance():
    assert headline(model("mrlf"), num_places=12, num_posts=1200).replace("\u202f", " ").replace("\u00a0", " ") == (
        "MRLF predicts the right place, one of 12, for 88.1 % of 1,200 posts it has never seen (95 % interval 83.1 to "
        "92.6 %). "
        "On average its prediction is 0.52 km off."
    )


@pytest.mark.fault("T20")
@pytest.mark.fault("T13")
def test_the_headline_gives_no_interval_where_all_posts_are_of_one_group():
    sentence = headline(model("mrlf"), num_places=3, num_posts=20, num_groups=1, unit="day")
    assert "(no interval, since all are of one day)" in sentence and "95" not in sentence


def test_numbers_read_well():
    assert [percent(0.5), kilometres(1.005)] == ["50.0\u202f%", "1.00\u202fkm"]
    assert [certainty(0.5), certainty(0.99951)] == ["50.0\u202f%", "over 99.9\u202f%"]
    assert [points(0.0123), points(-0.0123), points(0.0), points(-0.0001)] == ["+1.2", "−1.2", "0.0", "0.0"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\tb\n c", "a b c", id="one line"),
        pytest.param("a\u202eb\u2066c\u200fd", "abcd", id="no override of direction"),
        pytest.param("a\0b\x1b[31mc", "ab[31mc", id="no controls"),
        pytest.param("e\u0301 مرحبا 👩‍👩‍👧", "e\u0301 مرحبا 👩‍👩‍👧", id="marks, other scripts and joined emoji stay"),
        pytest.param("x" * 300, "x" * 199 + "…", id="cut"),
    ],
)
def test_plain_text(text, shown):
    assert plain(text) == shown


@pytest.mark.fault("N11")
@pytest.mark.parametrize(
    ("name", "called"),
    [("mrlf", "MRLF"), ("best", "The ensemble of MRLF and linear models"), ("linear", "The linear model")],
)
def test_the_model_that_answers_is_the_one_of_the_headline(name, called):
    models = [model(name), model("majority", 0.1, 0.2)]
    assert headline(models[0], num_places=4, num_posts=9).startswith(f"{called} predicts the right place")
    assert f"{called} is better than the majority." in verdict(models)


@pytest.mark.fault("N11")
@pytest.mark.parametrize("num_groups", [1, 99])
def test_mrlf_that_does_not_answer_is_told_beside_and_is_no_simpler_model(num_groups):
    models = [model("linear"), model("mrlf", -0.1, 0.2), model("majority", 0.1, 0.2)]
    first, *others = verdict(models, num_groups=num_groups)
    assert first.startswith("MRLF, trained beside it, is right for 88.1") and "+5.0 points, −10.0 to +20.0" in first
    assert not any("mrlf" in sentence.lower() for sentence in others)


@pytest.mark.fault("N11")
@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        pytest.param(0.1, 0.2, "the linear model is better (difference +15.0 points, +10.0 to +20.0).", id="better"),
        pytest.param(-0.2, -0.1, "the linear model is worse (difference −15.0 points, −20.0 to −10.0).", id="worse"),
        pytest.param(0.0, 0.2, "no more than chance (difference +10.0 points, 0.0 to +20.0).", id="chance"),
        pytest.param(0.0, 0.0, "no difference.", id="the same"),
        pytest.param(0.1, 0.1, "difference +10.0 points, no interval.", id="one group"),
    ],
)
def test_the_model_that_answers_is_called_better_than_mrlf_only_where_the_interval_says_so(low, high, told):
    assert verdict([model("linear"), model("mrlf", low, high)])[0].endswith(f" of them: {told}")


@pytest.mark.fault("T17")
def test_a_figure_without_a_width_has_no_interval():
    sure, some = Estimate(value=1.0, low=1.0, high=1.0 + 1e-16), Estimate(value=0.9, low=0.8, high=1.0)
    for ranged in (percent_range, points_range, kilometres_range):
        assert ranged(sure) == "no interval" and "no interval" not in ranged(some)
    ours = dataclasses.replace(model("mrlf"), accuracy=sure)
    assert "(no interval, since every resample gives the same)" in headline(ours, num_places=4, num_posts=9)


@pytest.mark.fault("N6")
def test_a_report_on_the_linear_model_speaks_of_it():
    models = [model("linear"), model("majority", 0.3, 0.4), model("logistic_image", -0.1, 0.1)]
    words = [headline(models[0], num_places=4, num_posts=9), *verdict(models)]
    assert [sentence[:17] for sentence in words] == ["The linear model "] * 3
    assert not any("MRLF" in sentence for sentence in words)

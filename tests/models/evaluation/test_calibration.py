"""Temperature and reliability against other optimisers and loops: what is recovered, and what stays as it was."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax
from torch.nn.functional import cross_entropy

from models.evaluation.metrics import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibration_error,
    fit_temperature,
    honest_calibration_error,
    reliability,
    top_k_accuracy,
    useful_temperature,
    with_temperature,
)


def honest(num_samples: int, num_classes: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels drawn from them."""
    rng = np.random.default_rng(seed)
    proba = softmax(rng.normal(0, 2, (num_samples, num_classes)), axis=1)
    labels = np.array([rng.choice(num_classes, p=row) for row in proba])
    return proba, labels


@pytest.mark.parametrize("temperature", [0.3, 0.8, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_recovered(temperature):
    proba, labels = honest(8000)
    spoilt = with_temperature(proba, 1 / temperature)
    assert fit_temperature(spoilt, labels) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_minimum_that_another_optimiser_finds(seed):
    proba, labels = honest(150, seed=seed)
    proba = with_temperature(proba, 0.6)
    reference = minimize(
        lambda log_t: float(cross_entropy(torch.from_numpy(np.log(proba) / np.exp(log_t)), torch.from_numpy(labels))),
        x0=[0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12},
    )
    assert fit_temperature(proba, labels) == pytest.approx(float(np.exp(reference.x[0])), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 3.0, 20.0])
def test_no_answer_and_no_order_of_answers_changes(temperature):
    proba, labels = honest(300)
    changed = with_temperature(proba, temperature)
    np.testing.assert_allclose(changed.sum(axis=1), 1)
    assert (changed.argmax(axis=1) == proba.argmax(axis=1)).all()
    for k in range(1, 7):
        assert top_k_accuracy(changed, labels, k) == top_k_accuracy(proba, labels, k)


def test_temperature_1_changes_nothing():
    proba, _ = honest(50)
    np.testing.assert_allclose(with_temperature(proba, 1.0), proba, rtol=1e-12)


def test_calibration_gets_better_on_posts_that_the_fit_has_not_seen():
    proba, labels = honest(4000)
    boastful = with_temperature(proba, 0.4)
    temperature = fit_temperature(boastful[:2000], labels[:2000])
    before = calibration_error(boastful[2000:], labels[2000:])
    after = calibration_error(with_temperature(boastful[2000:], temperature), labels[2000:])
    assert after < before / 3


@pytest.mark.fault("T11")
def test_no_validation_samples_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"no validation samples .* give the validation split some posts"):
        fit_temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64))


def test_probabilities_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]))


@pytest.mark.fault("T11")
@pytest.mark.parametrize(
    ("proba", "labels", "temperature"),
    [
        pytest.param([[0.9, 0.1], [0.2, 0.8]], [0, 1], MIN_TEMPERATURE, id="right on all"),
        pytest.param([[0.9, 0.1], [0.2, 0.8]], [1, 0], MAX_TEMPERATURE, id="worse than chance"),
        pytest.param([[0.5, 0.5], [0.5, 0.5]], [0, 1], MAX_TEMPERATURE, id="knows nothing"),
        pytest.param([[1.0, 0.0], [1.0, 0.0]], [0, 1], MAX_TEMPERATURE, id="certain and wrong"),
    ],
)
def test_at_the_ends_of_the_range(proba, labels, temperature):
    proba = np.array(proba)
    assert fit_temperature(proba, np.array(labels)) == temperature
    assert np.isfinite(with_temperature(proba, temperature)).all()


@pytest.mark.fault("N6")
def test_a_post_of_a_place_that_the_model_rules_out_makes_no_answer_flat():
    proba, labels = honest(200)
    proba = with_temperature(proba, 0.5)
    with_another = np.pad(proba, ((0, 1), (0, 1)))
    with_another[-1] = with_another[0]
    found = useful_temperature(with_another, np.append(labels, 6), users(201))
    assert found == pytest.approx(fit_temperature(proba, labels)) and found > 1.5
    assert fit_temperature(with_another, np.append(labels, 6)) > 1.5 * found
    assert useful_temperature(np.eye(2)[[0, 0]], np.array([1, 1]), users(2)) == MAX_TEMPERATURE


def users(num_samples: int) -> list[str]:
    """Each of four samples."""
    return [str(number // 4) for number in range(num_samples)]


def test_a_temperature_is_kept_only_where_it_helps_users_whom_it_was_not_fitted_on():
    """Four of five calibrated models stay as they are, and all that boast are cooled as by a plain fit."""
    kept = []
    for seed in range(20):
        proba, labels = honest(60, seed=seed)
        kept.append(useful_temperature(proba, labels, users(60)))
        boasting = with_temperature(proba, 0.4)
        assert useful_temperature(boasting, labels, users(60)) == fit_temperature(boasting, labels) > 1
    assert np.mean(np.array(kept) == 1.0) >= 0.7


@pytest.mark.parametrize("num_samples", [6, 29])
def test_a_model_that_is_right_on_all_of_a_few_posts_is_not_made_sure_of_everything(num_samples):
    proba, _ = honest(num_samples)
    labels = proba.argmax(axis=1)
    assert fit_temperature(proba, labels) == MIN_TEMPERATURE
    found = useful_temperature(proba, labels, users(num_samples))
    confidence = with_temperature(proba, found).max(axis=1).mean()
    assert found < 1 and confidence == pytest.approx((num_samples + 1) / (num_samples + 2))
    sure = with_temperature(proba, 0.01)
    assert useful_temperature(sure, labels, users(num_samples)) == 1.0, "surer already than so few posts allow"


def test_a_temperature_that_only_one_user_wants_is_not_taken_for_the_others():
    proba, labels = honest(100)
    wrong, of_many = (labels[:40] + 1) % 6, ["one"] * 40 + [f"user {number}" for number in range(60)]
    labels[:40] = np.where(np.arange(40) % 4, proba[:40].argmin(axis=1), wrong)
    assert fit_temperature(proba, labels) > 2
    assert useful_temperature(proba, labels, of_many) == 1.0


@pytest.mark.parametrize("of_samples", [["a", "a"], ["a", "b"], ["a"]])
def test_samples_of_fewer_users_than_folds_are_held_out_one_by_one(of_samples):
    proba, labels = honest(len(of_samples))
    found = useful_temperature(proba, labels, of_samples)
    assert MIN_TEMPERATURE <= found <= MAX_TEMPERATURE
    assert len(of_samples) > 1 or found == 1.0 != fit_temperature(proba, labels), "no other says that it helps"


def test_reliability_equals_a_loop_over_groups_of_equal_size():
    proba, labels = honest(200)
    found = reliability(proba, labels, num_groups=8)
    rows = sorted(range(200), key=lambda row: proba[row].max())
    for number in range(8):
        inside = rows[25 * number : 25 * (number + 1)]
        assert found.num_samples_B[number] == 25
        assert found.confidence_B[number] == pytest.approx(np.mean([proba[row].max() for row in inside]))
        assert found.accuracy_B[number] == np.mean([proba[row].argmax() == labels[row] for row in inside])


@pytest.mark.parametrize(("num_samples", "sizes"), [(1, [1]), (3, [1, 1, 1]), (7, [2, 2, 1, 1, 1])])
def test_reliability_of_few_samples_has_no_empty_group(num_samples, sizes):
    assert reliability(*honest(num_samples), num_groups=5).num_samples_B.tolist() == sizes


def test_an_honest_model_shows_a_calibration_error_that_falls_with_the_number_of_samples():
    few, many = honest(60), honest(6000)
    found = [honest_calibration_error(proba) for proba, _ in (few, many)]
    assert found[0] > 3 * found[1] > 0
    drawn = [calibration_error(*honest(60, seed=seed)) for seed in range(60)]
    assert found[0] == pytest.approx(np.mean(drawn), rel=0.15)

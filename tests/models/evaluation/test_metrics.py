"""Metrics against scikit-learn and loops, on the globe's corners, and the bootstrap's coverage."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, top_k_accuracy_score

from models.evaluation.metrics import (
    EARTH_RADIUS_KM,
    accuracy,
    calibration_error,
    errors_km,
    grouped_bootstrap,
    haversine_km,
    macro_f1,
    score,
    share_interval,
    top_k_accuracy,
)

RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.ones(7), 200)
LABELS = RNG.integers(0, 7, 200)
EMPTY = np.array([], dtype=np.int64)


@pytest.mark.fault("T10")
@pytest.mark.parametrize("classes", [range(7), [0, 6], [3]], ids=["all", "two", "one"])
def test_macro_f1_equals_scikit_learn_also_with_classes_never_met(classes):
    labels, predicted = RNG.choice(classes, 50), RNG.integers(0, 6, 50)
    assert macro_f1(predicted, labels) == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))


@pytest.mark.parametrize("k", range(1, 7))
def test_top_k_equals_scikit_learn_where_nothing_ties(k):
    assert top_k_accuracy(PROBA, LABELS, k) == pytest.approx(top_k_accuracy_score(LABELS, PROBA, k=k))


@pytest.mark.fault("T10")
@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_top_k_with_ties_counts_the_lower_class_first_like_argmax(k):
    coarse = RNG.integers(0, 3, (200, 7)) / 10
    ranked = [sorted(range(7), key=lambda c, row=row: (-row[c], c))[:k] for row in coarse]
    expected = np.mean([label in best for label, best in zip(LABELS, ranked, strict=True)])
    assert top_k_accuracy(coarse, LABELS, k) == pytest.approx(expected)
    assert top_k_accuracy(coarse, LABELS, 1) == accuracy(coarse.argmax(axis=1), LABELS)


@pytest.mark.fault("T10")
def test_top_k_equals_a_stable_sort_of_float32_probabilities_and_k_beyond_the_classes_is_all():
    narrow = PROBA.astype(np.float32)
    order = np.argsort(-narrow, axis=1, kind="stable")
    assert top_k_accuracy(narrow, LABELS, 3) == np.mean((order[:, :3] == LABELS[:, None]).any(axis=1))
    assert top_k_accuracy(narrow, LABELS, 99) == 1.0


@pytest.mark.fault("T10")
def test_a_class_without_a_test_post_counts_where_it_is_predicted_and_else_not_at_all():
    labels, predicted = np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2])
    assert macro_f1(predicted, labels) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert macro_f1(np.array([0, 0, 2, 2]), labels) == 1.0
    proba = np.eye(5)[predicted]
    scores = score(proba, labels, np.zeros(5), np.zeros(5))
    assert (scores.accuracy, scores.macro_f1) == (0.75, pytest.approx(5 / 9))


@pytest.mark.fault("T10")
@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        pytest.param((0, 179.9), (0, -179.9), 22.24, id="across the date line"),
        pytest.param((90, 0), (90, 123), 0, id="the pole has one place"),
        pytest.param((90, 17), (-90, -60), math.pi * EARTH_RADIUS_KM, id="pole to pole"),
        pytest.param((35.3, 12.7), (-35.3, -167.3), math.pi * EARTH_RADIUS_KM, id="antipodes"),
        pytest.param((40.7, -74.0), (40.7, -74.0), 0, id="same place"),
        pytest.param((38.7, -9.1), (38.7 + 0.01 / 111.195, -9.1), 0.01, id="ten metres"),
    ],
)
def test_haversine_at_the_corners_of_the_globe(one, other, km):
    assert haversine_km(*one, *other) == pytest.approx(km, rel=2e-4, abs=1e-9)


@pytest.mark.fault("T10")
def test_haversine_of_antipodes_is_never_nan():
    lat, lng = RNG.uniform(-90, 90, 100_000), RNG.uniform(-180, 0, 100_000)
    assert np.isfinite(haversine_km(lat, lng, -lat, lng + 180)).all()


@pytest.mark.fault("T10")
def test_haversine_computes_in_float64_and_equals_the_chord_formula():
    lat, lng = RNG.uniform(-90, 90, (2, 500)), RNG.uniform(-180, 180, (2, 500))
    phi, lam = np.radians(lat), np.radians(lng)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
    chord = 2 * EARTH_RADIUS_KM * np.arcsin(np.clip(np.linalg.norm(points[0] - points[1], axis=1) / 2, 0, 1))
    found = haversine_km(lat[0], lng[0], lat[1], lng[1])
    np.testing.assert_allclose(found, chord, rtol=1e-6)
    assert found.dtype == np.float64
    assert haversine_km(*np.float32([1, 2, 3, 4])).dtype == np.float64


@pytest.mark.fault("T10")
def test_coordinates_in_float32_are_refused_since_they_make_ten_metres_something_else():
    lat = np.array([-33.8568, -33.8568])
    lng = np.array([151.2153, 151.2153 + 0.01 / 111.195 / np.cos(np.radians(33.8568))])
    one, other = np.array([0]), np.array([1])
    assert errors_km(one, other, lat, lng)[0] == pytest.approx(0.010, rel=1e-4)
    narrow = [array.astype(np.float32).astype(np.float64) for array in (lat, lng)]
    assert abs(errors_km(one, other, *narrow)[0] - 0.010) > 1e-4
    for pair in ((lat.astype(np.float32), lng), (lat, lng.astype(np.float32))):
        with pytest.raises(ValueError, match="float32, which moves places"):
            errors_km(one, other, *pair)


@pytest.mark.fault("T10")
def test_probabilities_in_float32_are_scored_as_their_float64_values():
    narrow = PROBA.astype(np.float32)
    places = RNG.uniform(38.6, 38.8, 7), RNG.uniform(-9.2, -9.0, 7)
    assert score(narrow, LABELS, *places) == score(narrow.astype(np.float64), LABELS, *places)


@pytest.mark.fault("T10")
def test_calibration_error_equals_a_loop_over_the_bins():
    confidence, right = PROBA.max(axis=1), PROBA.argmax(axis=1) == LABELS
    gaps = 0.0
    for number in range(15):
        inside = [row for row in range(200) if number / 15 <= confidence[row] < (number + 1) / 15]
        if inside:
            gaps += len(inside) / 200 * abs(np.mean(right[inside]) - np.mean(confidence[inside]))
    assert calibration_error(PROBA, LABELS) == pytest.approx(gaps)


@pytest.mark.fault("T10")
def test_scores_equal_their_loops():
    lat, lng = RNG.uniform(38.6, 38.8, 7), RNG.uniform(-9.2, -9.0, 7)
    scores = score(PROBA, LABELS, lat, lng)
    predicted = PROBA.argmax(axis=1)
    errors = [float(haversine_km(lat[p], lng[p], lat[t], lng[t])) for p, t in zip(predicted, LABELS, strict=True)]
    assert errors_km(predicted, LABELS, lat, lng).tolist() == errors
    assert scores.num_samples == 200
    assert scores.accuracy == np.mean(predicted == LABELS)
    assert scores.mean_error_km == pytest.approx(sum(errors) / 200)
    assert scores.median_error_km == pytest.approx(sorted(errors)[99] / 2 + sorted(errors)[100] / 2)
    assert scores.within_1_km == pytest.approx(sum(error <= 1 for error in errors) / 200)
    assert scores.within_500_m <= scores.within_1_km <= scores.within_5_km <= 1
    assert scores.accuracy <= scores.top_5_accuracy


@pytest.mark.fault("T10")
@pytest.mark.parametrize(
    ("km", "within"),
    [(0.49, (1, 1, 1)), (0.51, (0, 1, 1)), (0.99, (0, 1, 1)), (1.01, (0, 0, 1)), (4.99, (0, 0, 1)), (5.01, (0, 0, 0))],
)
def test_the_radii_are_half_a_km_one_and_five(km, within):
    lat = np.array([0.0, np.degrees(km / EARTH_RADIUS_KM)])
    scores = score(np.array([[0.9, 0.1]]), np.array([1]), lat, np.zeros(2))
    assert scores.mean_error_km == scores.median_error_km == pytest.approx(km)
    assert (scores.within_500_m, scores.within_1_km, scores.within_5_km) == within


def test_calibration_error_is_0_for_honest_and_large_for_boastful_confidence():
    labels = np.repeat([0, 1], [75, 25])
    assert calibration_error(np.tile([0.75, 0.25], (100, 1)), labels) == pytest.approx(0)
    assert calibration_error(np.tile([1.0, 0.0], (100, 1)), labels) == pytest.approx(0.25)


@pytest.mark.fault("T11")
@pytest.mark.parametrize(
    "figure",
    [
        lambda: accuracy(EMPTY, EMPTY),
        lambda: macro_f1(EMPTY, EMPTY),
        lambda: grouped_bootstrap(EMPTY, []),
        lambda: score(PROBA[:0], EMPTY, np.zeros(7), np.zeros(7)),
    ],
    ids=["accuracy", "macro_f1", "bootstrap", "score"],
)
def test_no_samples_are_refused(figure):
    with pytest.raises(ValueError, match="no samples"):
        figure()


def test_probabilities_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        score(np.full((200, 7), np.nan), LABELS, np.zeros(7), np.zeros(7))


@pytest.mark.fault("T10")
@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_a_place_without_coordinates_is_refused_and_not_scored_as_far_away(missing):
    for lat, lng in (([0, missing], [0, 0]), ([0, 0], [missing, 0])):
        with pytest.raises(ValueError, match="coordinates that are NaN or infinite"):
            errors_km(np.array([0]), np.array([1]), np.array(lat, dtype=float), np.array(lng, dtype=float))


def users_and_values(rng):
    """40 users with 1 to 9 posts each and a level of their own, around a true mean of 0."""
    sizes = rng.integers(1, 10, 40)
    users = np.repeat(np.arange(40), sizes)
    return users, rng.normal(0, 1, 40)[users] + rng.normal(0, 0.3, len(users))


def test_bootstrap_over_users_covers_the_truth_and_over_posts_does_not():
    hits = {"users": 0, "posts": 0}
    for trial in range(200):
        users, values = users_and_values(np.random.default_rng(trial))
        for name, groups in (("users", users), ("posts", np.arange(len(users)))):
            low, high = grouped_bootstrap(values, groups, num_resamples=300, seed=trial)
            hits[name] += low <= 0 <= high
    assert 0.88 <= hits["users"] / 200 <= 0.99
    assert hits["posts"] / 200 < 0.75


def test_bootstrap_of_a_function_agrees_with_that_of_a_mean():
    users, values = users_and_values(RNG)
    names = [f"user-{user}" for user in users]
    of_mean = grouped_bootstrap(values, names, num_resamples=2000, seed=1)
    of_function = grouped_bootstrap(lambda rows: float(values[rows].mean()), names, num_resamples=2000, seed=1)
    np.testing.assert_allclose(of_function, of_mean, atol=0.06)
    assert of_mean == grouped_bootstrap(values, names, num_resamples=2000, seed=1)


def test_bootstrap_in_parts_equals_bootstrap_in_one(monkeypatch):
    users, values = users_and_values(RNG)
    whole = grouped_bootstrap(values, users, num_resamples=101)
    monkeypatch.setattr("models.evaluation.metrics.MAX_RESAMPLE_CELLS", 10 * 40)
    np.testing.assert_allclose(grouped_bootstrap(values, users, num_resamples=101), whole)


@pytest.mark.fault("T21")
@pytest.mark.parametrize("num_users", [14, 30])
def test_the_interval_of_a_share_covers_the_truth_also_with_few_users_of_unequal_size(num_users):
    """Users differ (beta of mean .85, correlation .1 within a user), and so do their numbers of posts."""
    rng, covered, drawn = np.random.default_rng(num_users), [], []
    for _ in range(400):
        sizes = np.maximum(1, rng.lognormal(1.2, 0.8, num_users).round()).astype(int)
        right = (rng.random(sizes.sum()) < np.repeat(rng.beta(7.65, 1.35, num_users), sizes)).astype(float)
        users = np.repeat(np.arange(num_users), sizes)
        low, high = share_interval(right, users.tolist())
        covered.append(low <= 0.85 <= high)
        low, high = grouped_bootstrap(right, users, num_resamples=200)
        drawn.append(low <= 0.85 <= high)
    assert np.mean(covered) >= 0.94 > np.mean(drawn)


@pytest.mark.fault("T21")
def test_the_interval_of_a_share_has_a_width_where_all_are_right_and_none_for_one_user():
    users = [f"user {number // 5}" for number in range(97)]
    low, high = share_interval(np.ones(97), users)
    assert 0.7 < low < 0.9 and high == 1.0
    assert share_interval(np.zeros(97), users) == pytest.approx((0.0, 1 - low))
    assert share_interval(np.array([1.0, 0.0]), ["one", "one"]) == (0.5, 0.5)
    with pytest.raises(ValueError, match="no samples"):
        share_interval(np.ones(0), [])


def test_of_samples_that_are_each_a_group_it_is_about_wilsons_own():
    right = (np.arange(400) % 5 > 0).astype(float)
    low, high = share_interval(right, [str(number) for number in range(400)])
    square = 1.966**2 / 400
    half = math.sqrt(square * (0.16 + square / 4)) / (1 + square)
    assert (low, high) == pytest.approx(
        ((0.8 + square / 2) / (1 + square) - half, (0.8 + square / 2) / (1 + square) + half), abs=1e-3
    )


def test_bootstrap_of_a_single_group_has_no_width():
    low, high = grouped_bootstrap(np.array([1.0, 0.0, 0.0]), ["u", "u", "u"])
    assert low == high == pytest.approx(1 / 3)

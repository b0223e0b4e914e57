"""Where it errs, by category and distance, against loops."""

import numpy as np
import pytest

from models.evaluation.metrics import haversine_km
from pipeline.report.content import PlaceResult
from pipeline.report.mistaken import category_mistakes, distances
from tests.pipeline.report.measuring import LATITUDES, LONGITUDES, make_answers, make_city, make_samples


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


def test_curves_equal_loops_rise_and_hold_the_thresholds():
    labels = [0, 1, 2, 3] * 5
    told = [1, 1, 2, 0, *labels[4:]]
    answers = [make_answers("mrlf", told, labels), make_answers("majority", [0] * 20, labels)]
    answers.append(make_answers("logistic_all", labels, labels))
    found = distances(answers, make_city(make_samples(labels)))
    assert [curve.name for curve in found.curves] == ["mrlf", "logistic_all", "majority"], (
        "the best of the others first"
    )
    assert {0.5, 1.0, 5.0} <= set(found.limits_km)
    assert found.limits_km == sorted(found.limits_km)
    errors = [
        float(haversine_km(LATITUDES[one], LONGITUDES[one], LATITUDES[other], LONGITUDES[other]))
        for one, other in zip(told, labels, strict=True)
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

"""Where the model errs: by category and by distance."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.report.content import PlaceResult
from pipeline.report.evaluation import Answers
from pipeline.report.measures import CategoryMistakes, DistanceCurve, Distances

if TYPE_CHECKING:
    from pipeline.training.samples import CitySamples

NUM_LIMITS = 48
NEAREST_KM = 0.1
THRESHOLDS_KM = (0.5, 1.0, 5.0)


def category_mistakes(places: list[PlaceResult], confusion: list[list[int]]) -> CategoryMistakes:
    """The confusion of places summed over categories, in the order of the places."""
    names = list(dict.fromkeys(place.category for place in places))
    row_of = [names.index(place.category) for place in places]
    summed = [[0] * len(names) for _ in names]
    num_wrong, within, expected = 0, 0, 0.0
    for true, row in enumerate(confusion):
        siblings = row_of.count(row_of[true]) - 1
        for told, posts in enumerate(row):
            summed[row_of[true]][row_of[told]] += posts
            if true != told:
                num_wrong += posts
                within += posts * (row_of[true] == row_of[told])
                expected += posts * siblings / (len(places) - 1)
    return CategoryMistakes(
        names=names,
        confusion=summed,
        num_wrong=num_wrong,
        share_within=within / num_wrong if num_wrong else None,
        by_chance=expected / num_wrong if num_wrong else None,
    )


def distances(answers: list[Answers], samples: "CitySamples") -> Distances:
    """How far the answers lie from the truth, for MRLF, the best of the others and the most frequent place."""
    from models.evaluation.metrics import errors_km

    labels = samples.splits["test"].labels_N
    places = (samples.class_latitudes, samples.class_longitudes)
    shown = _shown(answers)
    errors = [errors_km(each.proba.argmax(axis=1), labels, *places) for each in shown]
    limits = _limits(np.concatenate(errors))
    wrong = errors[0][errors[0] > 0]
    return Distances(
        limits_km=limits,
        curves=[
            DistanceCurve(name=each.name, title=each.title, shares=[float(np.mean(error <= km)) for km in limits])
            for each, error in zip(shown, errors, strict=True)
        ],
        median_wrong_km=float(np.median(wrong)) if len(wrong) else None,
    )


def _shown(answers: list[Answers]) -> list[Answers]:
    ours, *others = answers
    best = max(others, key=lambda each: each.right.mean(), default=None)
    chosen = [each for each in others if each is best or each.name == "majority"]
    return [ours, *sorted(chosen, key=lambda each: each is not best)]


def _limits(errors: "np.ndarray[Any, Any]") -> list[float]:
    """Rising steps of equal ratio, from the smallest error (100 to 500 m) to the largest, with the thresholds."""
    wrong = errors[errors > 0]
    first = float(np.clip(wrong.min(), NEAREST_KM, THRESHOLDS_KM[0])) if len(wrong) else THRESHOLDS_KM[0]
    last = max(10.0, float(errors.max()))
    return sorted({*THRESHOLDS_KM, *(round(float(step), 4) for step in np.geomspace(first, last, NUM_LIMITS)), last})

"""What is measured beyond accuracy: errors, kinds of input, calibration, label words, drift over time.

Kinds of input. The trained model predicts again with each subset of the kinds hidden: the caption "", no hashtags, no
picture. From these eight accuracies follow the loss without one kind, what one kind is worth alone, and its Shapley
value (Shapley 1953; for models Lundberg and Lee 2017, arXiv 1705.07874): the mean over all orders of what a kind adds
to those before it. The values sum to the accuracy on all kinds minus that on none. This is not a model trained without
the kind, which would learn to do better; the study trains those.

Calibration. One temperature is fitted on the validation posts; the test posts only show what came of it.

Label words. Every accuracy is given twice, on the posts as they are and with the words of all places taken out. The
models are those trained on the posts as they are; trained without the words they would do better, see the study.

Drift. A span of time with fewer than `MIN_POSTS` test posts gets no interval. Where the split is by user, training
posts come from every span: this shows whether some time is harder, not how a model ages. Where it is in time, all test
posts are later than those of training.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.release.read import Release
from pipeline.report.content import (
    Calibration,
    CategoryMistakes,
    ConfidenceGroup,
    DistanceCurve,
    Distances,
    Drift,
    Estimate,
    Leakage,
    MaskedModel,
    Modality,
    ModalityUse,
    PlaceResult,
    TimeBin,
)
from pipeline.report.evaluation import Answers, Bootstrap, Floats, right_answers
from pipeline.training.label_words import mask_label_words, posts_that_name_their_place, posts_with_label_words

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.evaluation.metrics import Reliability
    from pipeline.training.samples import CitySamples

NUM_LIMITS = 48
NEAREST_KM = 0.1
THRESHOLDS_KM = (0.5, 1.0, 5.0)


def category_mistakes(places: list[PlaceResult], confusion: list[list[int]]) -> CategoryMistakes:
    """The confusion of places summed over categories, in the order of the places.

    Places of unknown category are of none: two of them are not of the same.
    """
    names = list(dict.fromkeys(place.category for place in places))
    row_of = [names.index(place.category) for place in places]
    summed = [[0] * len(names) for _ in names]
    is_known = [bool(place.category) for place in places]
    num_wrong, num_unknown, within, expected = 0, 0, 0, 0.0
    for true, row in enumerate(confusion):
        siblings = row_of.count(row_of[true]) - 1
        for predicted, posts in enumerate(row):
            summed[row_of[true]][row_of[predicted]] += posts
            if true == predicted:
                continue
            num_wrong += posts
            if is_known[true] and is_known[predicted]:
                within += posts * (row_of[true] == row_of[predicted])
                expected += posts * siblings / (sum(is_known) - 1)
            else:
                num_unknown += posts
    num_judged = num_wrong - num_unknown
    return CategoryMistakes(
        names=names,
        confusion=summed,
        num_wrong=num_wrong,
        share_within=within / num_judged if num_judged else None,
        by_chance=expected / num_judged if num_judged else None,
        num_unknown=num_unknown,
    )


def distances(answers: list[Answers], samples: "CitySamples") -> Distances:
    """How far predictions are from the true place, for MRLF, the best of the others and the most frequent place."""
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


Shown = frozenset[str]

MODALITIES = {"text": "captions", "hashtags": "hashtags", "image": "pictures"}
ALL: Shown = frozenset(MODALITIES)


def modality_use(
    predict: "Callable[[Samples], Floats]", samples: "Samples", all_shown: Floats, bootstrap: Bootstrap
) -> ModalityUse:
    """What each kind of input is worth to `predict`; `all_shown` is what it gives with nothing hidden."""
    from models.data.samples import showing

    right = {
        shown: right_answers(all_shown if shown == ALL else predict(showing(samples, shown)), samples.labels_N)
        for shown in subsets(ALL)
    }
    return ModalityUse(
        modalities=[
            Modality(
                name=name,
                title=title,
                without=bootstrap.of_share(right[ALL - {name}]),
                fall=bootstrap.of_mean(right[ALL] - right[ALL - {name}]),
                alone=bootstrap.of_share(right[frozenset({name})]),
                share=bootstrap.of_mean(shapley_values(right, name)),
            )
            for name, title in MODALITIES.items()
        ],
        everything=bootstrap.of_share(right[ALL]),
        blind=bootstrap.of_share(right[frozenset()]),
    )


def shapley_values(right: dict[Shown, Floats], name: str) -> Floats:
    """Per post (N,) what `name` adds, averaged over all orders in which the kinds of input can be shown."""
    others = max(right, key=len) - {name}
    num = len(others) + 1
    total = np.zeros_like(right[frozenset()])
    for before in subsets(others):
        weight = math.factorial(len(before)) * math.factorial(num - len(before) - 1) / math.factorial(num)
        total += weight * (right[before | {name}] - right[before])
    return total


def subsets(names: Shown) -> list[Shown]:
    """Every subset, the empty one first."""
    ordered = sorted(names)
    return [frozenset(chosen) for size in range(len(ordered) + 1) for chosen in combinations(ordered, size)]


POSTS_PER_GROUP, MIN_GROUPS, MAX_GROUPS = 16, 3, 15

Labels = np.ndarray[Any, np.dtype[np.int64]]


def measure_calibration(
    validation: Floats, validation_labels: Labels, validation_users: Sequence[str], test: Floats, test_labels: Labels
) -> Calibration:
    """Probabilities of the validation posts and of the test posts as the model gives them."""
    from models.evaluation.metrics import (
        accuracy,
        calibration_error,
        honest_calibration_error,
        reliability,
        useful_temperature,
        with_temperature,
    )

    temperature = useful_temperature(validation, validation_labels, validation_users)
    num_groups = min(MAX_GROUPS, max(MIN_GROUPS, len(test_labels) // POSTS_PER_GROUP))
    cooled = with_temperature(test, temperature)
    return Calibration(
        temperature=temperature,
        mean_confidence=float(test.max(axis=1).mean()),
        accuracy=accuracy(test.argmax(axis=1), test_labels),
        error_before=calibration_error(test, test_labels),
        error_after=calibration_error(cooled, test_labels),
        honest_error=honest_calibration_error(test),
        before=_groups(reliability(test, test_labels, num_groups=num_groups)),
        after=_groups(reliability(cooled, test_labels, num_groups=num_groups)),
    )


def _groups(found: "Reliability") -> list[ConfidenceGroup]:
    rows = zip(found.num_samples_B.tolist(), found.confidence_B.tolist(), found.accuracy_B.tolist(), strict=True)
    return [
        ConfidenceGroup(num_posts=num, confidence=confidence, accuracy=accuracy) for num, confidence, accuracy in rows
    ]


def without_label_words(release: Release, samples: "Samples") -> "Samples":
    """The posts without the words of any place of the release."""
    return mask_label_words(samples, release.labels, city_name=release.city_name)


def measure_leakage(release: Release, samples: "Samples", answers: list[Answers], bootstrap: Bootstrap) -> Leakage:
    """What label words are worth; `answers` holds those of MRLF first."""
    names_own = posts_that_name_their_place(samples, release.labels, city_name=release.city_name)
    names_any = posts_with_label_words(samples, release.labels, city_name=release.city_name)
    return Leakage(
        num_own=int(names_own.sum()),
        num_any=int(names_any.sum()),
        accuracy_own=bootstrap.of_some(answers[0].right, names_own),
        accuracy_other=bootstrap.of_some(answers[0].right, ~names_own),
        models=[_masked(each, bootstrap) for each in answers],
    )


def _masked(answers: Answers, bootstrap: Bootstrap) -> MaskedModel:
    return MaskedModel(
        name=answers.name,
        title=answers.title,
        accuracy=bootstrap.of_share(answers.right),
        masked=bootstrap.of_share(answers.masked_right),
        fall=bootstrap.of_mean(answers.right - answers.masked_right),
    )


MIN_POSTS = 20
_NAMES: dict[str, Callable[[str], str]] = {
    "month": lambda day: day[:7],
    "quarter": lambda day: f"{day[:4]} Q{(int(day[5:7]) + 2) // 3}",
    "half-year": lambda day: f"{day[:4]} H{(int(day[5:7]) + 5) // 6}",
    "year": lambda day: day[:4],
}


def measure_drift(days: list[str], right: Floats, bootstrap: Bootstrap) -> Drift:
    """Accuracy by the finest calendar unit that has `MIN_POSTS` test posts per span on average.

    `days`: the day (YYYY-MM-DD) of each test post.
    """
    unit = next((unit for unit in _NAMES if len(days) >= MIN_POSTS * len(set(map(_NAMES[unit], days)))), "year")
    return Drift(
        unit=unit,
        first_day=min(days),
        last_day=max(days),
        min_posts=MIN_POSTS,
        bins=_bins([_NAMES[unit](day) for day in days], right, bootstrap),
        change=_change(days, right, bootstrap),
    )


def _bins(names: list[str], right: Floats, bootstrap: Bootstrap) -> list[TimeBin]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows_of[name].append(row)
    bins = []
    for name, rows in sorted(rows_of.items()):
        chosen = np.zeros(len(names), dtype=bool)
        chosen[rows] = True
        bins.append(
            TimeBin(
                name=name,
                num_posts=len(rows),
                num_right=int(right[rows].sum()),
                accuracy=bootstrap.of_some(right, chosen) if len(rows) >= MIN_POSTS else None,
            )
        )
    return bins


def _change(days: list[str], right: Floats, bootstrap: Bootstrap) -> Estimate | None:
    """None where a half, cut at the middle day, has too few posts."""
    middle = sorted(days)[len(days) // 2]
    is_later = np.array([day >= middle for day in days])
    if min(is_later.sum(), (~is_later).sum()) < MIN_POSTS:
        return None
    return bootstrap.of_change(right, is_later)

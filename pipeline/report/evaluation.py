"""Trains the baselines and scores every model on the test posts, with grouped bootstrap intervals.

Posts of one user, or of one day of a user, resemble each other, so the bootstrap draws whole users, or whole days or
months where the data set is split in time. Differences are taken post by post first, so that both models are compared
on the same posts.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pipeline.release.split import split_posts
from pipeline.report.content import Estimate, ModelResult
from pipeline.report.wording import title_of

if TYPE_CHECKING:
    from models.baselines import Classifier
    from models.data.samples import Samples
    from pipeline.training.samples import CitySamples

Floats = np.ndarray[Any, np.dtype[np.float64]]

log = logging.getLogger("mrlf")

TUNED = "logistic_tuned"
BASELINES = (
    *("majority", "nearest_centre", "logistic_hashtags", "tagvisor", "logistic_text", "logistic_image"),
    *("logistic_all", TUNED),
)
"""Baselines that train in seconds; the study has those of the papers, which take longer."""


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How intervals are computed: `groups` holds the user of each test post, or its day or month.

    Shares have Wilson's interval, all else that of a bootstrap over groups.
    """

    groups: list[str]
    num_resamples: int
    seed: int

    def of_mean(self, values: Floats) -> Estimate:
        """The mean of `values`, one per test post, and its 95 % interval."""
        from models.evaluation.metrics import grouped_bootstrap

        low, high = grouped_bootstrap(values, self.groups, num_resamples=self.num_resamples, seed=self.seed)
        return Estimate(value=float(np.mean(values)), low=low, high=high)

    def of_difference(self, values: Floats) -> tuple[Estimate, float | None]:
        """The mean of differences, one per test post, with its interval, and the p-value of none."""
        from models.evaluation.comparisons import chance_of_none
        from models.evaluation.metrics import percentiles, resampled

        figures = resampled(values, self.groups, num_resamples=self.num_resamples, seed=self.seed)
        low, high = percentiles(figures)
        return Estimate(value=float(np.mean(values)), low=low, high=high), chance_of_none(figures)

    def of_share(self, right: Floats) -> Estimate:
        """The share of test posts that are right (1.0, else 0.0), and its 95 % interval."""
        return self._share(right, self.groups)

    def of_some(self, right: Floats, chosen: "np.ndarray[Any, Any]") -> Estimate | None:
        """The share over the chosen posts (bool per test post), None where there are none."""
        if not chosen.any():
            return None
        return self._share(right[chosen], [self.groups[row] for row in np.flatnonzero(chosen)])

    def of_change(self, values: Floats, is_later: "np.ndarray[Any, Any]") -> Estimate:
        """The mean over the later posts minus that over the others; a user may have posts on both sides."""
        from models.evaluation.metrics import grouped_bootstrap

        def change(rows: "np.ndarray[Any, Any]") -> float:
            later = is_later[rows]
            if later.all() or not later.any():  # few groups, all drawn from one side: there is nothing to compare
                return 0.0
            return float(values[rows[later]].mean() - values[rows[~later]].mean())

        low, high = grouped_bootstrap(change, self.groups, num_resamples=self.num_resamples, seed=self.seed)
        return Estimate(value=change(np.arange(len(values))), low=low, high=high)

    def _share(self, right: Floats, groups: list[str]) -> Estimate:
        from models.evaluation.metrics import share_interval

        low, high = share_interval(right, groups)
        return Estimate(value=float(np.mean(right)), low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one model predicts for the test posts, as they are and with label words removed."""

    name: str
    title: str
    proba: Floats
    right: Floats
    """1.0 where the first answer is right, else 0.0"""
    masked_right: Floats
    chosen: str = ""
    """what was chosen for it on validation posts, in words; "" for nothing that is told"""


def answers_of(
    name: str, title: str, proba: Floats, classifier: "Classifier", samples: "Samples", masked: "Samples"
) -> Answers:
    """The answers of a model whose probabilities on the unmasked posts are given."""
    return Answers(
        name=name,
        title=title,
        proba=proba,
        right=right_answers(proba, samples.labels_N),
        masked_right=right_answers(classifier.predict_proba(masked), samples.labels_N),
    )


def baseline_answers(
    city: str, samples: "CitySamples", masked: "Samples", leave_out: str | None = None, *, is_refit: bool
) -> Iterator[Answers]:
    """Each simpler model but `leave_out`, trained on the training posts, on the test posts and on `masked`.

    is_refit: whether they learn from the validation posts too, as the models beside them did.
    """
    from models.candidates import Setup, fit_candidate
    from models.data.samples import joined

    train, validation, test = (samples.splits[split] for split in ("train", "validation", "test"))
    train = joined([train, validation]) if is_refit else train
    setup = Setup(
        num_classes=samples.num_classes, class_lat_C=samples.class_latitudes, class_lng_C=samples.class_longitudes
    )
    names = [name for name in BASELINES if name != leave_out]
    for name in tqdm(names, desc=f"{city} baselines", unit="model", disable=None):
        log.info("%s evaluate_mrlf: training the baseline %s", city, name)
        fitted = fit_candidate(name, train, validation, setup)
        answers = answers_of(name, title_of(name), fitted.predict_proba(test), fitted, test, masked)
        yield replace(answers, chosen=_chosen(fitted)) if name == TUNED else answers


def _chosen(tuned: Any) -> str:
    """What the tuned linear model chose."""
    hashtags = "by idf" if "hashtags_idf" in tuned.config.blocks else "alike"
    return f"C = {tuned.config.inverse_regularisation:g}, hashtags weighted {hashtags}"


def split_at_random(samples: "CitySamples", *, is_refit: bool, seed: int = 0) -> Estimate:
    """The accuracy of the linear model on all three if posts, not users or days, had been drawn for the test.

    Such a split is what many papers report: it has the posts of one user, and of one outing, on both sides.
    """
    from models.baselines import BASELINES as FITTED
    from models.data.samples import joined
    from models.evaluation.metrics import share_interval

    posts = joined(list(samples.splits.values()))
    splits = np.array(split_posts(posts.labels_N.tolist(), np.arange(len(posts)), seed=seed))
    train, test = posts.take(splits != "test" if is_refit else splits == "train"), posts.take(splits == "test")
    proba = FITTED["logistic_all"].fit(train, samples.num_classes).predict_proba(test)
    right = right_answers(proba, test.labels_N)
    users = np.array([user for split in samples.splits for user in samples.users[split]])[splits == "test"]
    low, high = share_interval(right, users.tolist())
    return Estimate(value=float(right.mean()), low=low, high=high)


def right_answers(proba: Floats, labels: "np.ndarray[Any, Any]") -> Floats:
    """1.0 where the most probable place (of N, C) is the true one, else 0.0."""
    right: Floats = (proba.argmax(axis=1) == labels).astype(np.float64)
    return right


def results(answers: list[Answers], samples: "CitySamples", bootstrap: Bootstrap) -> list[ModelResult]:
    """The figures of each model; the first is the one that answers, the others get its gain over them."""
    from models.evaluation.comparisons import holm

    ours, *others = answers
    first = _result(ours, samples, bootstrap)
    gains = [bootstrap.of_difference(ours.right - other.right) for other in others]
    corrected = holm([p for _, p in gains])
    return [
        first,
        *(
            replace(_result(each, samples, bootstrap), gain=gain, p=p, p_holm=p_holm)
            for each, (gain, p), p_holm in zip(others, gains, corrected, strict=True)
        ),
    ]


def _result(answers: Answers, samples: "CitySamples", bootstrap: Bootstrap) -> ModelResult:
    from models.evaluation.metrics import errors_km, score

    labels = samples.splits["test"].labels_N
    places = (samples.class_latitudes, samples.class_longitudes)
    scores = score(answers.proba, labels, *places)
    return ModelResult(
        name=answers.name,
        title=answers.title,
        accuracy=bootstrap.of_share(answers.right),
        top5=scores.top_5_accuracy,
        macro_f1=scores.macro_f1,
        mean_km=bootstrap.of_mean(errors_km(answers.proba.argmax(axis=1), labels, *places)),
        median_km=scores.median_error_km,
        within_500_m=scores.within_500_m,
        within_1_km=scores.within_1_km,
        within_5_km=scores.within_5_km,
        calibration_error=scores.calibration_error,
        gain=None,
        chosen=answers.chosen,
    )

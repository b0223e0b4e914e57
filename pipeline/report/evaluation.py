"""MRLF and its baselines on the test posts of one release, with intervals grouped by user.

Posts of one user resemble each other, so whole users are drawn in the bootstrap; differences are taken post by post
before, so that both models meet the same posts.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pipeline.report.content import Estimate, ModelResult
from pipeline.report.wording import title_of

if TYPE_CHECKING:
    from pipeline.training.samples import CitySamples

Floats = np.ndarray[Any, np.dtype[np.float64]]

log = logging.getLogger("mrlf")

OURS = "mrlf"


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How the intervals are drawn: `groups` holds the user of each test post."""

    groups: list[str]
    num_resamples: int
    seed: int

    def of_mean(self, values: Floats) -> Estimate:
        """The mean of `values`, one per test post, and its 95 % interval."""
        from models.metrics import grouped_bootstrap

        low, high = grouped_bootstrap(values, self.groups, num_resamples=self.num_resamples, seed=self.seed)
        return Estimate(value=float(np.mean(values)), low=float(low), high=float(high))


def baseline_probabilities(city: str, samples: "CitySamples") -> Iterator[tuple[str, Floats]]:
    """Each baseline trained on the training posts: its name and probabilities (N, C) of the test posts."""
    from models.baselines import BASELINES

    for name, baseline in tqdm(BASELINES.items(), desc=f"{city} baselines", unit="model", disable=None):
        log.info("%s evaluate_mrlf: training the baseline %s", city, name)
        fitted = baseline.fit(samples.splits["train"], samples.num_classes)
        yield name, fitted.predict_proba(samples.splits["test"])


def compare(ours: Floats, samples: "CitySamples", bootstrap: Bootstrap, city: str) -> list[ModelResult]:
    """MRLF first, then every baseline, each with MRLF's gain over it."""
    labels = samples.splits["test"].labels_N
    is_right = _is_right(ours, labels)
    results = [_result(OURS, ours, samples, bootstrap, gain=None)]
    for name, proba in baseline_probabilities(city, samples):
        gain = bootstrap.of_mean(is_right - _is_right(proba, labels))
        results.append(_result(name, proba, samples, bootstrap, gain=gain))
    return results


def _is_right(proba: Floats, labels: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    """1.0 where the most probable place (of N, C) is the true one, else 0.0."""
    right: Floats = (proba.argmax(axis=1) == labels).astype(np.float64)
    return right


def _result(
    name: str, proba: Floats, samples: "CitySamples", bootstrap: Bootstrap, gain: Estimate | None
) -> ModelResult:
    from models.metrics import errors_km, score

    labels = samples.splits["test"].labels_N
    places = (samples.class_latitudes, samples.class_longitudes)
    scores = score(proba, labels, *places)
    return ModelResult(
        name=name,
        title=title_of(name),
        accuracy=bootstrap.of_mean(_is_right(proba, labels)),
        top5=scores.top_5_accuracy,
        macro_f1=scores.macro_f1,
        mean_km=bootstrap.of_mean(errors_km(proba.argmax(axis=1), labels, *places)),
        median_km=scores.median_error_km,
        within_1_km=scores.within_1_km,
        calibration_error=scores.calibration_error,
        gain=gain,
    )

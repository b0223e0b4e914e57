"""Whether a model's probabilities are honest, and the one temperature that makes them more so.

Temperature scaling (Guo et al. 2017, arXiv 1706.04599): p_T = softmax(z / T), T > 0 minimising the negative
log-likelihood of validation samples. It is the same for all classes, so no answer and no order of answers changes.
Logits are taken as z = log p, which softmax cannot tell from the network's own. In 1 / T the likelihood is convex:
the root of its slope is the minimum.
Shape letters: N samples, C classes, B groups of samples by confidence.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from models.evaluation.metrics import NUM_CALIBRATION_BINS

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
_SMALLEST = np.finfo(np.float64).tiny


def fit_temperature(proba_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """The temperature that fits these validation samples, within 0.05 to 20; above 1 where the model boasts.

    A model that is right on all of them would want 0, one that is worse than chance an infinite one: both get the end
    of the range.

    Raises:
        ValueError: there are no samples, or a probability is no number.
    """
    if len(labels_N) == 0:
        raise ValueError(
            "there are no validation samples to fit a temperature on; give the validation split some posts, "
            "or use the probabilities as they are"
        )
    if not np.isfinite(proba_NC).all():
        raise ValueError("probabilities of validation samples are NaN or infinite; look at the model before its score")
    logits_NC = _logits(proba_NC)
    own_N = np.take_along_axis(logits_NC, labels_N[:, None], axis=1)[:, 0]

    def slope(inverse: float) -> float:
        expected_N = (softmax(inverse * logits_NC, axis=1) * logits_NC).sum(axis=1)
        return float(np.mean(expected_N - own_N))

    lowest, highest = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    if slope(lowest) >= 0:
        return MAX_TEMPERATURE
    if slope(highest) <= 0:
        return MIN_TEMPERATURE
    return float(1 / brentq(slope, lowest, highest, xtol=1e-9))


def with_temperature(proba_NC: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, C), float64, at this temperature; a class of probability 0 keeps about 0."""
    return np.asarray(softmax(_logits(proba_NC) / temperature, axis=1))


def negative_log_likelihood(proba_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean of -log p of the true class."""
    return float(-np.take_along_axis(log_softmax(_logits(proba_NC), axis=1), labels_N[:, None], axis=1).mean())


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Samples in groups of equal size by confidence: how many, what the model claimed on average, what came true."""

    num_samples_B: np.ndarray
    confidence_B: np.ndarray
    accuracy_B: np.ndarray


def reliability(proba_NC: np.ndarray, labels_N: np.ndarray, *, num_groups: int) -> Reliability:
    """The reliability diagram, least sure first; fewer groups where there are fewer samples, of which one is needed.

    Equal sizes, not equal widths as the ECE has them: most samples of a good model are near 1, and a bin of two
    samples draws the eye for nothing.
    """
    order_N = np.argsort(proba_NC.max(axis=1), kind="stable")
    right_N = proba_NC.argmax(axis=1) == labels_N
    groups = np.array_split(order_N, min(num_groups, len(order_N)))
    return Reliability(
        num_samples_B=np.array([len(rows) for rows in groups]),
        confidence_B=np.array([proba_NC[rows].max(axis=1).mean() for rows in groups]),
        accuracy_B=np.array([right_N[rows].mean() for rows in groups]),
    )


def honest_calibration_error(proba_NC: np.ndarray, *, num_draws: int = 200, seed: int = 0) -> float:
    """The ECE that a perfectly honest model of these confidences would show on so few samples, by chance alone.

    The ECE is never below 0, so the fewer the samples, the larger it is; a figure near this one shows nothing.
    """
    confidence_N = proba_NC.max(axis=1)
    bin_N = np.minimum((confidence_N * NUM_CALIBRATION_BINS).astype(np.int64), NUM_CALIBRATION_BINS - 1)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(num_draws):
        right_N = rng.random(len(confidence_N)) < confidence_N
        gap_B = np.bincount(bin_N, weights=right_N - confidence_N, minlength=NUM_CALIBRATION_BINS)
        errors.append(np.abs(gap_B).sum() / len(confidence_N))
    return float(np.mean(errors))


def _logits(proba_NC: np.ndarray) -> np.ndarray:
    """log p in float64; a probability of 0 counts as the smallest number above it."""
    return np.asarray(np.log(np.maximum(np.asarray(proba_NC, dtype=np.float64), _SMALLEST)))

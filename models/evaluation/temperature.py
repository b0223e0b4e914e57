"""One temperature for all probabilities of a model, fitted on posts that it did not learn from, and kept if it helps.

Temperature scaling (Guo et al. 2017, arXiv 1706.04599): p_T = softmax(z / T), T > 0 minimising the negative
log-likelihood of validation samples. It is the same for all classes, so no answer and no order of answers changes.
Logits are taken as z = log p, which softmax cannot tell from the network's own. In 1 / T the likelihood is convex:
the root of its slope is the minimum.
Shape letters: N samples, C classes.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
NUM_FOLDS = 5
_SMALLEST = np.finfo(np.float64).tiny


def useful_temperature(proba_NC: np.ndarray, labels_N: np.ndarray, groups: Sequence[str]) -> float:
    """The temperature of these validation samples, or 1 where samples that it was not fitted on say it is no gain.

    A fit to few samples of a calibrated model makes it worse. So folds of whole groups (of samples where there are
    fewer groups than folds) are held out, each from a fit to the others: their log loss has to fall on average.
    Samples of classes that the model rules out are left aside where there are others: a linear model gives a class
    without a training post probability 0, and one such sample would make all answers flat. A model that is right on
    all of them, however few, would be sure of everything: its mean confidence is raised to (n + 1) / (n + 2) at most,
    Laplace's rule of succession for n right of n.

    Raises:
        ValueError: there are no samples, or a probability is no number.
    """
    is_known_N = np.take_along_axis(proba_NC, labels_N[:, None], axis=1)[:, 0] > 0
    rows = np.flatnonzero(is_known_N) if is_known_N.any() else np.arange(len(labels_N))
    proba_NC, labels_N = proba_NC[rows], labels_N[rows]
    temperature = fit_temperature(proba_NC, labels_N)
    if _gain(proba_NC, labels_N, [groups[int(row)] for row in rows]) <= 0:
        return 1.0
    is_right_on_all = (proba_NC.argmax(axis=1) == labels_N).all()
    return _as_sure_as_counted(proba_NC, temperature) if is_right_on_all else temperature


def _as_sure_as_counted(proba_NC: np.ndarray, temperature: float) -> float:
    """The temperature, or a higher one up to 1 at which the mean confidence in all these right answers is what their
    number allows.
    """
    allowed = (len(proba_NC) + 1) / (len(proba_NC) + 2)

    def excess(tried: float) -> float:
        return float(with_temperature(proba_NC, tried).max(axis=1).mean()) - allowed

    if excess(temperature) <= 0 or temperature >= 1:
        return temperature
    return 1.0 if excess(1.0) >= 0 else float(brentq(excess, temperature, 1.0, xtol=1e-9))


def _gain(proba_NC: np.ndarray, labels_N: np.ndarray, groups: Sequence[str]) -> float:
    """By how much the log loss of held-out samples falls on average."""
    names, number_N = np.unique(groups, return_inverse=True)
    if len(names) < NUM_FOLDS:
        names, number_N = np.arange(len(labels_N)), np.arange(len(labels_N))
    fold_of = np.random.default_rng(0).permutation(len(names)) % NUM_FOLDS
    gain = 0.0
    for fold in set(fold_of.tolist()):
        is_inside_N = fold_of[number_N] == fold
        if is_inside_N.all():
            return 0.0
        temperature = fit_temperature(proba_NC[~is_inside_N], labels_N[~is_inside_N])
        inside, labels = proba_NC[is_inside_N], labels_N[is_inside_N]
        gain += _log_loss(inside, labels) - _log_loss(with_temperature(inside, temperature), labels)
    return gain


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


def _log_loss(proba_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """The negative log-likelihood of the labels, summed over the samples."""
    return float(-np.take_along_axis(_logits(proba_NC), labels_N[:, None], axis=1).sum())


def _logits(proba_NC: np.ndarray) -> np.ndarray:
    """log p in float64; a probability of 0 counts as the smallest number above it."""
    return np.asarray(np.log(np.maximum(np.asarray(proba_NC, dtype=np.float64), _SMALLEST)))

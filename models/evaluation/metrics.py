"""How good predictions are: of the class, of the place on the globe, how sure the figure is, and how honest.

Coordinates are WGS84 degrees in float64 throughout (float32 turns 10.0 m into 9.5 m), distances are great-circle km.

Temperature scaling (Guo et al. 2017, arXiv 1706.04599): p_T = softmax(z / T), T > 0 minimising the negative
log-likelihood of validation samples. It is the same for all classes, so no answer and no order of answers changes.
Logits are taken as z = log p, which softmax cannot tell from the network's own. In 1 / T the likelihood is convex:
the root of its slope is the minimum.

Doubt: that a sample is of a known class is doubted where the model is less sure of it than of nearly all samples of
known classes that it has not learnt from. Where k of n of these are no surer, a further one of them is as doubtful
with a chance of (k + 1) / (n + 1) at most (conformal prediction, Vovk et al. 2005). No sample from elsewhere is used.
Shape letters: N samples, C classes, G groups, R resamples, B groups of samples by confidence, K known samples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax, xlogy
from scipy.stats import t as student

EARTH_RADIUS_KM = 6371.0088
"""IUGG mean radius"""
NUM_CALIBRATION_BINS = 15
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
NUM_TEMPERATURE_FOLDS = 5
_SMALLEST = np.finfo(np.float64).tiny
MAX_RESAMPLE_CELLS = 10_000_000
NO_WIDTH = 1e-12
"""what rounding alone puts between two equal figures"""


def accuracy(predicted_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Share of right predictions of at least one sample."""
    _require_samples(labels_N)
    return float(np.mean(predicted_N == labels_N))


def top_k_accuracy(proba_NC: np.ndarray, labels_N: np.ndarray, k: int) -> float:
    """Share of samples whose label is among the k most probable classes.

    Among equal probabilities the lower class comes first, as for argmax, so k = 1 is the accuracy of argmax.
    """
    _require_samples(labels_N)
    own_N1 = np.take_along_axis(proba_NC, labels_N[:, None], axis=1)
    is_lower_class_NC = np.arange(proba_NC.shape[1]) < labels_N[:, None]
    ahead_NC = (proba_NC > own_N1) | ((proba_NC == own_N1) & is_lower_class_NC)
    return float(np.mean(ahead_NC.sum(axis=1) < k))


def macro_f1(predicted_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean F1 over the classes that occur as a label or a prediction; a class never met in either is left out."""
    _require_samples(labels_N)
    num_classes = int(max(predicted_N.max(), labels_N.max())) + 1
    right_C = np.bincount(labels_N[predicted_N == labels_N], minlength=num_classes)
    met_C = np.bincount(labels_N, minlength=num_classes) + np.bincount(predicted_N, minlength=num_classes)
    return float(np.mean(2 * right_C[met_C > 0] / met_C[met_C > 0]))


def haversine_km(lat_1: np.ndarray, lng_1: np.ndarray, lat_2: np.ndarray, lng_2: np.ndarray) -> np.ndarray:
    """Great-circle distance on the sphere; the arguments broadcast.

    Rounding can push the root's argument just past 1 at antipodes: it is held in [0, 1].
    """
    phi_1, phi_2 = np.radians(np.float64(lat_1)), np.radians(np.float64(lat_2))
    half_dphi = (phi_2 - phi_1) / 2
    half_dlambda = np.radians(np.float64(lng_2) - np.float64(lng_1)) / 2
    h = np.sin(half_dphi) ** 2 + np.cos(phi_1) * np.cos(phi_2) * np.sin(half_dlambda) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))


def errors_km(predicted_N: np.ndarray, true_N: np.ndarray, lat_C: np.ndarray, lng_C: np.ndarray) -> np.ndarray:
    """Distance (N,) between the places of the predicted and of the true class; 0 where they are the same.

    Raises:
        ValueError: the coordinates are float32, which lost metres before they came here, or one is no number.
    """
    for coordinates_C in (lat_C, lng_C):
        if not np.isfinite(coordinates_C).all():
            raise ValueError("a place has coordinates that are NaN or infinite; look at labels.json of the data set")
        if coordinates_C.dtype.kind == "f" and coordinates_C.dtype.itemsize < 8:
            raise ValueError(
                f"coordinates came as {coordinates_C.dtype}, which moves places by up to a metre; read them as float64"
            )
    return haversine_km(lat_C[predicted_N], lng_C[predicted_N], lat_C[true_N], lng_C[true_N])


def calibration_error(proba_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over 15 equal bins of confidence."""
    _require_samples(labels_N)
    confidence_N, right_N = np.float64(proba_NC.max(axis=1)), proba_NC.argmax(axis=1) == labels_N
    bin_N = np.minimum((confidence_N * NUM_CALIBRATION_BINS).astype(np.int64), NUM_CALIBRATION_BINS - 1)
    gap_by_bin = np.bincount(bin_N, weights=right_N - confidence_N, minlength=NUM_CALIBRATION_BINS)
    return float(np.abs(gap_by_bin).sum() / len(labels_N))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All figures of one model on one split."""

    num_samples: int
    accuracy: float
    top_5_accuracy: float
    macro_f1: float
    mean_error_km: float
    """MRLF's "Mean"; in its tables the unit is missing, km fits"""
    median_error_km: float
    within_500_m: float
    within_1_km: float
    within_5_km: float
    calibration_error: float


def score(proba_NC: np.ndarray, labels_N: np.ndarray, class_lat_C: np.ndarray, class_lng_C: np.ndarray) -> Scores:
    """All figures for the probabilities (N, C) of at least one sample; the prediction is the argmax."""
    _require_samples(labels_N)
    if not np.isfinite(proba_NC).all():
        raise ValueError("probabilities are NaN or infinite; look at the model and its inputs before scoring it")
    predicted_N = proba_NC.argmax(axis=1)
    error_N = errors_km(predicted_N, labels_N, class_lat_C, class_lng_C)
    return Scores(
        num_samples=len(labels_N),
        accuracy=accuracy(predicted_N, labels_N),
        top_5_accuracy=top_k_accuracy(proba_NC, labels_N, 5),
        macro_f1=macro_f1(predicted_N, labels_N),
        mean_error_km=float(error_N.mean()),
        median_error_km=float(np.median(error_N)),
        within_500_m=float(np.mean(error_N <= 0.5)),
        within_1_km=float(np.mean(error_N <= 1.0)),
        within_5_km=float(np.mean(error_N <= 5.0)),
        calibration_error=calibration_error(proba_NC, labels_N),
    )


def grouped_bootstrap(
    values: np.ndarray | Callable[[np.ndarray], float],
    groups: Sequence[str] | np.ndarray,
    *,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval (low, high) of a mean per sample, or of any figure, over resamples of whole groups."""
    return percentiles(resampled(values, groups, num_resamples=num_resamples, seed=seed), level=level)


def resampled(
    values: np.ndarray | Callable[[np.ndarray], float],
    groups: Sequence[str] | np.ndarray,
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> np.ndarray:
    """The figure (R,) of each resample of whole groups.

    Posts of one user or day resemble each other, so groups are drawn with replacement, not posts. `values` holds one
    number per sample, whose mean is the figure, or is a function from the row numbers of a resample to the figure.
    """
    _require_samples(np.asarray(groups))
    group_N = np.unique(np.asarray(groups), return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    if callable(values):
        return _resampled_figures(values, group_N, num_resamples, rng)
    return _resampled_means(np.asarray(values, dtype=np.float64), group_N, num_resamples, rng)


def percentiles(figures_R: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the resamples, from low to high."""
    low, high = np.quantile(figures_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_interval(right_N: np.ndarray, groups: Sequence[str], *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval (low, high) of a share of samples, at the number of independent samples that they are worth.

    Samples of one group resemble each other. Their variance is that of leaving out a group at a time (jackknife), and
    p (1 - p) / variance the number of independent samples; it lies between the groups' effective number
    (sum n)^2 / sum n^2 (Kish 1965) and the number of samples. The quantile is Student's at the former, less one.
    A bootstrap over few groups is too narrow, and without any width where all samples are right. Of one group there
    is no interval: both ends are the share.
    """
    _require_samples(right_N)
    names, group_N = np.unique(np.asarray(groups), return_inverse=True)
    share, num_samples = float(np.mean(right_N)), len(right_N)
    if len(names) < 2:
        return share, share
    size_G, right_G = np.bincount(group_N), np.bincount(group_N, weights=right_N)
    without_G = (right_G.sum() - right_G) / (num_samples - size_G)
    variance = (len(names) - 1) / len(names) * float(((without_G - share) ** 2).sum())
    num_effective_groups = num_samples**2 / float((size_G**2).sum())
    worth = share * (1 - share) / variance if variance > 0 else 0.0
    worth = min(max(worth, num_effective_groups), num_samples)
    square = float(student.ppf((1 + level) / 2, max(num_effective_groups - 1, 1.0))) ** 2 / worth
    half = np.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    middle = (share + square / 2) / (1 + square)
    return max(0.0, min(share, float(middle - half))), min(1.0, max(share, float(middle + half)))


def _resampled_means(
    values_N: np.ndarray, group_N: np.ndarray, num_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    size_G, sum_G = np.bincount(group_N), np.bincount(group_N, weights=values_N)
    num_groups = len(size_G)
    means = []
    for start in range(0, num_resamples, rows := max(1, MAX_RESAMPLE_CELLS // num_groups)):
        shape = (min(rows, num_resamples - start), num_groups)
        drawn_RG = rng.integers(0, num_groups, shape)
        means.append(sum_G[drawn_RG].sum(axis=1) / size_G[drawn_RG].sum(axis=1))
    return np.concatenate(means)


def _resampled_figures(
    figure: Callable[[np.ndarray], float], group_N: np.ndarray, num_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    num_groups = int(group_N.max()) + 1
    rows_of_group = np.split(np.argsort(group_N, kind="stable"), np.cumsum(np.bincount(group_N))[:-1])
    draws = (rng.integers(0, num_groups, num_groups) for _ in range(num_resamples))
    return np.array([figure(np.concatenate([rows_of_group[group] for group in draw])) for draw in draws])


def _require_samples(per_sample: np.ndarray) -> None:
    if len(per_sample) == 0:
        raise ValueError("there are no samples to score; check that the split is not empty")


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
    if len(names) < NUM_TEMPERATURE_FOLDS:
        names, number_N = np.arange(len(labels_N)), np.arange(len(labels_N))
    fold_of = np.random.default_rng(0).permutation(len(names)) % NUM_TEMPERATURE_FOLDS
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


def sureness(proba_NC: np.ndarray) -> np.ndarray:
    """Negative entropy (N,) in nats: 0 where one class has it all, -log C where the model knows nothing."""
    proba_NC = np.asarray(proba_NC, dtype=np.float64)
    return np.asarray(xlogy(proba_NC, proba_NC).sum(axis=1))


def surer_than(sureness_N: np.ndarray, known_K: np.ndarray) -> np.ndarray:
    """The share (N,) of the known samples, itself counted among them, that a sample is surer than or as sure as."""
    no_surer_N = np.searchsorted(np.sort(known_K), sureness_N, side="right")
    return np.asarray((no_surer_N + 1) / (len(known_K) + 1))


def _log_loss(proba_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """The negative log-likelihood of the labels, summed over the samples."""
    return float(-np.take_along_axis(_logits(proba_NC), labels_N[:, None], axis=1).sum())


def _logits(proba_NC: np.ndarray) -> np.ndarray:
    """log p in float64; a probability of 0 counts as the smallest number above it."""
    return np.asarray(np.log(np.maximum(np.asarray(proba_NC, dtype=np.float64), _SMALLEST)))

"""The weights of several classifiers: a log-linear pool with one weight per classifier.

p(c) is proportional to prod_m p_m(c) ** w_m, w_m >= 0 (a logarithmic opinion pool, Genest and Zidek 1986), with w
minimising  sum of -log p(true class)  +  PULL * |w - w0|^2  over samples that no classifier was fitted on.
w0 is all on one classifier, the anchor: little data or useless companions leave it nearly alone. And a guard: weights
found on some folds are scored on the others; where they do not do at least as well there as the anchor alone, in
likelihood and in accuracy, the anchor stays alone.
Each classifier knows how often a class is, and weights that sum to more than 1 count that more than once: of rare
classes the pool knew less than a single model. So the log shares of the classes stand in the sum too, with a weight of
any sign.
Shape letters: M classifiers, N samples, C classes.
"""

from dataclasses import dataclass

import numpy as np

PULL = 10.0
"""in samples' log-likelihood; between 3 and 30 nothing changed"""


@dataclass(frozen=True, kw_only=True)
class LogLinearPool:
    """The weights, and what the guard saw on samples that they were not fitted on."""

    weights_M: np.ndarray
    prior_weight: float
    """of the log shares of the classes; 0.0 where these were not given"""
    anchor_accuracy: float
    pool_accuracy: float
    anchor_loss: float
    pool_loss: float
    is_pooled: bool
    """False where the guard left the anchor alone"""


def fit_pool(
    logits_MNC: np.ndarray,
    labels_N: np.ndarray,
    folds_N: np.ndarray,
    anchor: int = 0,
    prior_C: np.ndarray | None = None,
) -> LogLinearPool:
    """Weights for the classifiers' scores; `folds_N` numbers the parts that the guard uses. No sample: the anchor.

    prior_C: the log shares of the classes in training, to be weighed, too; the last of all that is weighed.
    """
    logs_MNC = log_softmax(logits_MNC)
    if prior_C is not None:
        logs_MNC = np.concatenate([logs_MNC, np.broadcast_to(prior_C, logs_MNC.shape[1:])[None]])
    num_pooled = len(logits_MNC)
    start_M = np.zeros(len(logs_MNC))
    start_M[anchor] = 1.0
    tried_NC = np.empty_like(logs_MNC[0])
    for fold in np.unique(folds_N):
        inside_N = folds_N == fold
        outside = (logs_MNC[:, ~inside_N], labels_N[~inside_N], start_M, num_pooled)
        weights_M = start_M if inside_N.all() else _fit(*outside)
        tried_NC[inside_N] = log_softmax(np.tensordot(weights_M, logs_MNC[:, inside_N], 1))
    anchor_accuracy, anchor_loss = _figures(logs_MNC[anchor], labels_N)
    pool_accuracy, pool_loss = _figures(tried_NC, labels_N)
    is_pooled = pool_loss < anchor_loss and pool_accuracy >= anchor_accuracy
    weights_M = _fit(logs_MNC, labels_N, start_M, num_pooled) if is_pooled else start_M
    return LogLinearPool(
        weights_M=weights_M[:num_pooled],
        prior_weight=float(weights_M[num_pooled:].sum()),
        anchor_accuracy=anchor_accuracy,
        pool_accuracy=pool_accuracy,
        anchor_loss=anchor_loss,
        pool_loss=pool_loss,
        is_pooled=is_pooled,
    )


def log_shares(labels_N: np.ndarray, num_classes: int) -> np.ndarray:
    """The log share (C,) of each class; one without a sample has that of the rarest."""
    counts_C = np.bincount(labels_N, minlength=num_classes)
    return np.asarray(np.log(np.maximum(counts_C, counts_C[counts_C > 0].min()) / len(labels_N)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log p along the last axis."""
    from scipy.special import log_softmax as scipy_log_softmax

    return np.asarray(scipy_log_softmax(logits, axis=-1))


def mean_loss(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean of -log p(true class)."""
    return _figures(log_softmax(logits_NC), labels_N)[1]


def _figures(logs_NC: np.ndarray, labels_N: np.ndarray) -> tuple[float, float]:
    if len(labels_N) == 0:
        return 0.0, 0.0
    own_N = logs_NC[np.arange(len(labels_N)), labels_N]
    return float(np.mean(logs_NC.argmax(axis=1) == labels_N)), float(-own_N.mean())


def _fit(logs_MNC: np.ndarray, labels_N: np.ndarray, start_M: np.ndarray, num_pooled: int) -> np.ndarray:
    """Weights of the first `num_pooled` are 0 or more, others of any sign."""
    from scipy.optimize import minimize

    own_MN = logs_MNC[:, np.arange(len(labels_N)), labels_N]

    def loss(weights_M: np.ndarray) -> tuple[float, np.ndarray]:
        pooled_NC = log_softmax(np.tensordot(weights_M, logs_MNC, 1))
        distance_M = weights_M - start_M
        value = -pooled_NC[np.arange(len(labels_N)), labels_N].sum() + PULL * (distance_M**2).sum()
        slope_M = (np.exp(pooled_NC) * logs_MNC).sum(axis=(1, 2)) - own_MN.sum(axis=1) + 2 * PULL * distance_M
        return float(value), slope_M

    bounds = [(0.0, None) if row < num_pooled else (None, None) for row in range(len(start_M))]
    found = minimize(loss, start_M, jac=True, bounds=bounds, method="L-BFGS-B")
    return np.asarray(found.x)

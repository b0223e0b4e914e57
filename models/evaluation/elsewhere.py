"""How well a model's sureness (`evaluation.metrics`) tells posts of known places from posts made elsewhere.

Shape letters: N samples, K samples of known places, E samples from elsewhere, Q shares.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata


def auroc(known_K: np.ndarray, elsewhere_E: np.ndarray) -> float:
    """The chance that of a known sample and one from elsewhere the known one is the surer, ties counting half."""
    if not len(known_K) or not len(elsewhere_E):
        raise ValueError("there are no samples on one of the sides: nothing can be told apart")
    rank_N = rankdata(np.concatenate([known_K, elsewhere_E]))
    least = len(known_K) * (len(known_K) + 1) / 2
    return float((rank_N[: len(known_K)].sum() - least) / (len(known_K) * len(elsewhere_E)))


def surest(sureness_N: np.ndarray, shares_Q: Sequence[float]) -> list[np.ndarray]:
    """For each share the rows of so many of the samples, at least one, of which the model is surest."""
    order_N = np.argsort(-sureness_N, kind="stable")
    return [order_N[: max(1, round(share * len(order_N)))] for share in shares_Q]

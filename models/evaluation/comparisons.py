"""Whether differences are more than chance: their p-values, and these corrected for how many there are."""

from collections.abc import Sequence

import numpy as np

from models.evaluation.metrics import NO_WIDTH


def chance_of_none(figures_R: np.ndarray) -> float | None:
    """The two-sided p-value of "no difference", from resamples of one: how rarely they are on the other side of zero.

    At least 2 / (R + 1): so many resamples show no rarer thing. None where all are equal, as those of one group.
    """
    if np.ptp(figures_R) <= NO_WIDTH:
        return None
    rarer = min(np.count_nonzero(figures_R <= 0), np.count_nonzero(figures_R >= 0))
    return min(1.0, 2 * (rarer + 1) / (len(figures_R) + 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values of a family of comparisons, corrected for their number (Holm 1979); None stays and counts none.

    With all corrected ones below .05 called differences, one or more is false with a chance of at most .05.
    """
    order = sorted((p, row) for row, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for place, (p, row) in enumerate(order):
        highest = corrected[row] = max(highest, min(1.0, (len(order) - place) * p))
    return corrected

"""What a portrait network says of one picture: a mask with the share it covers, or why there is none.

Law: a map with a number that is not finite never becomes a mask, neither an empty one nor a full one; a picture whose
portraits are not known is not a picture without portraits.
Shape letters: H height, W width.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOT_FINITE = "not_finite"


@dataclass(frozen=True)
class PortraitMask:
    """Either `mask`, bool (H, W), True = person, or the `reason` why there is none.

    ratio: the share of the picture that the mask covers, 0 to 1; not a number where there is no mask.
    """

    mask: NDArray[np.bool_] | None
    ratio: float
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.mask is None) == (self.reason is None):
            raise ValueError("a portrait mask is either there or has a reason why it is not")


def portrait_mask(
    probability_HW: NDArray[np.float32], size: tuple[int, int], threshold: float, min_ratio: float
) -> PortraitMask:
    """The pixels above `threshold`; where they are a smaller share than `min_ratio`, nobody is there: all False.

    Reason: `not_finite`, where a single probability is not finite.
    """
    if probability_HW.shape != size:
        raise ValueError(f"a map of size {probability_HW.shape} is no mask of a picture of size {size}")
    if not np.isfinite(probability_HW).all():
        return PortraitMask(None, math.nan, NOT_FINITE)
    mask_HW = probability_HW > threshold
    ratio = np.count_nonzero(mask_HW) / mask_HW.size
    if ratio < min_ratio:
        return PortraitMask(np.zeros(size, dtype=np.bool_), 0.0)
    return PortraitMask(mask_HW, ratio)

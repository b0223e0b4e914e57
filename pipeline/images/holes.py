"""Which parts of a picture LaMa is shown: a crop around each hole, with surroundings enough to fill it from.

Law: every hole lies in exactly one crop, with context of at least its own height above and below and its own width
left and right, as far as the picture reaches; crops neither overlap nor touch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.picture_bytes import Mask

MIN_SIDE_PX = 256
"""of a crop: the size at which LaMa was trained"""
STEP_PX = 64
"""sides grow to multiples of it where the picture allows: fewer different sizes, and more context does no harm"""


class Box(NamedTuple):
    """A rectangle in pixels; bottom and right are the first beyond it."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, order=True)
class Crop:
    """A part of a picture in pixels, and how large the network sees it."""

    top: int
    left: int
    height: int
    width: int
    seen_height: int
    seen_width: int

    @property
    def region(self) -> tuple[slice, slice]:
        """To cut it out of a picture or mask."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def cost(self) -> int:
        """Pixels that the network sees: its time grows with them."""
        return self.seen_height * self.seen_width

    @property
    def is_reduced(self) -> bool:
        """Whether the network sees it smaller than it is."""
        return (self.seen_height, self.seen_width) != (self.height, self.width)


def whole_frame(shape: tuple[int, int], max_side_px: int | None = None) -> Crop:
    """The whole picture as a crop; by default LaMa sees every pixel of it."""
    height, width = shape
    return Crop(0, 0, height, width, *_seen(height, width, max_side_px))


def crops_around_holes(mask: Mask, max_side_px: int | None = None) -> list[Crop]:
    """The crops of a mask, from top to bottom; the whole frame alone where crops would cost as much.

    A crop whose longer side is more than `max_side_px` is seen smaller.
    """
    height, width = mask.shape
    boxes = _merged(_with_context(_boxes(mask)), height, width)
    while True:
        grown = [_grown(box, height, width, max_side_px) for box in boxes]
        merged = _merged(grown, height, width)
        if len(merged) == len(boxes):
            break
        boxes = merged
    crops = [
        Crop(top, left, bottom - top, right - left, *_seen(bottom - top, right - left, max_side_px))
        for top, left, bottom, right in grown
    ]
    frame = whole_frame((height, width), max_side_px)
    return [frame] if sum(crop.cost for crop in crops) >= frame.cost else sorted(crops)


def _boxes(mask: Mask) -> list[Box]:
    """Around each connected part of the mask."""
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    # the first part is what is not masked
    return [Box(top, left, top + height, left + width) for left, top, width, height in stats[1:, :4].tolist()]


def _with_context(holes: list[Box]) -> list[Box]:
    return [
        Box(2 * top - bottom, 2 * left - right, 2 * bottom - top, 2 * right - left)
        for top, left, bottom, right in holes
    ]


def _merged(boxes: list[Box], height: int, width: int) -> list[Box]:
    """Boxes around those that overlap or touch, cut at the picture's borders."""
    canvas = np.zeros((height, width), dtype=np.bool_)
    for top, left, bottom, right in boxes:
        canvas[max(0, top) : bottom, max(0, left) : right] = True
    return _boxes(canvas)


def _grown(box: Box, height: int, width: int, max_side_px: int | None) -> Box:
    """A box with sides of good sizes, around the same middle, shifted into the picture."""
    tall, wide = box.bottom - box.top, box.right - box.left
    longer = max(tall, wide)
    good_tall = min(height, _good_size(tall, longer, max_side_px))
    good_wide = min(width, _good_size(wide, longer, max_side_px))
    top = min(max(0, box.top - (good_tall - tall) // 2), height - good_tall)
    left = min(max(0, box.left - (good_wide - wide) // 2), width - good_wide)
    return Box(top, left, top + good_tall, left + good_wide)


def _good_size(side: int, longer: int, max_side_px: int | None) -> int:
    """At least `side` pixels, of which the network sees a multiple of the step; the longer side stays in the limit."""
    seen_longer = min(longer, max_side_px or longer)
    seen = -(-side * seen_longer // longer)
    good = max(MIN_SIDE_PX, -(-seen // STEP_PX) * STEP_PX)
    return max(side, min(good, max_side_px or good) * longer // seen_longer)


def _seen(height: int, width: int, max_side_px: int | None) -> tuple[int, int]:
    longer = max(height, width)
    if max_side_px is None or longer <= max_side_px:
        return height, width
    return max(1, round(height * max_side_px / longer)), max(1, round(width * max_side_px / longer))

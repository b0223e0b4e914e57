"""The filling stage on LaMa, run by this program: crops around the holes, or the exact whole frame.

Law: outside the mask every pixel is the input's, in size and value; what a person covered is never shown to the
network, in a reduced crop neither.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.images.holes import Crop, crops_around_holes, whole_frame
from pipeline.picture_bytes import Mask, Picture

if TYPE_CHECKING:
    from models.vision.filling import LamaFill

Frame = Literal["crop", "full"]
MULTIPLE_PX, MIN_SIDE_PX = 8, 16
"""sides that LaMa takes"""
MAX_CROP_SIDE_PX = 768
"""LaMa was trained on crops of 256 pixels and fills large holes better from a smaller copy"""


@dataclass(frozen=True)
class _Hole:
    """One crop of one picture on its way through the network, padded to sides that it takes."""

    number: int
    crop: Crop
    picture: Picture
    mask: Mask


class LamaInpainter:
    """An `Inpainter` on `models.vision.filling.LamaFill`.

    frame: "crop" shows LaMa each hole with its surroundings, a crop with a side above `max_crop_side_px` (None: never)
    made smaller; "full" shows it the whole picture in full size, as simple-lama-inpainting does.
    """

    def __init__(
        self, fill: "LamaFill", *, frame: Frame = "crop", max_crop_side_px: int | None = MAX_CROP_SIDE_PX
    ) -> None:
        self.network = fill.network
        self.weights_sha256 = fill.weights_sha256
        self._fill = fill
        self._frame = frame
        self._max_crop_side_px = max_crop_side_px

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture | None]:
        """Filled pictures of the same sizes; None where LaMa's answer is not finite.

        Raises:
            ValueError: a mask is not of its picture's size.
        """
        filled: list[Picture | None] = [picture.copy() for picture in pictures]
        by_size: dict[tuple[int, ...], list[_Hole]] = defaultdict(list)
        for number, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
            for crop in self._crops(picture, mask):
                hole = _shown(number, crop, picture, mask)
                by_size[hole.mask.shape].append(hole)
        for holes in by_size.values():
            predicted = self._fill(np.stack([hole.picture for hole in holes]), np.stack([hole.mask for hole in holes]))
            for hole, prediction in zip(holes, predicted, strict=True):
                canvas = filled[hole.number]
                if prediction is None or canvas is None:
                    filled[hole.number] = None
                else:
                    _paste(canvas, masks[hole.number], hole, prediction)
        return filled

    def _crops(self, picture: Picture, mask: Mask) -> list[Crop]:
        check_sizes(picture, mask)
        if not mask.any():
            return []
        return [whole_frame(mask.shape)] if self._frame == "full" else crops_around_holes(mask, self._max_crop_side_px)


def check_sizes(picture: Picture, mask: Mask) -> None:
    """Refuse a mask that is not its picture's.

    Raises:
        ValueError: they differ in size.
    """
    if picture.shape[:2] != mask.shape:
        raise ValueError(f"picture of {picture.shape[:2]} pixels and mask of {mask.shape} do not fit together")


def _shown(number: int, crop: Crop, picture: Picture, mask: Mask) -> _Hole:
    """What the network sees of a crop; reduced, a pixel is hole where any part of it was."""
    import cv2

    part, hole = picture[crop.region], mask[crop.region]
    if crop.is_reduced:
        size = (crop.seen_width, crop.seen_height)
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
        hole = np.asarray(cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0)
    rows, columns = (_missing(side) for side in hole.shape)
    return _Hole(
        number,
        crop,
        np.pad(part, ((0, rows), (0, columns), (0, 0)), "symmetric"),
        np.pad(hole, ((0, rows), (0, columns)), "symmetric"),
    )


def _missing(side: int) -> int:
    return max(MIN_SIDE_PX, -(-side // MULTIPLE_PX) * MULTIPLE_PX) - side


def _paste(canvas: Picture, mask: Mask, hole: _Hole, prediction: Picture) -> None:
    """Put the prediction into the canvas, under the mask alone; enlarged together with the surroundings it was for."""
    import cv2

    crop = hole.crop
    if crop.is_reduced:
        prediction = np.where(hole.mask[..., None], prediction, hole.picture)
    prediction = prediction[: crop.seen_height, : crop.seen_width]
    if crop.is_reduced:
        size = (crop.width, crop.height)
        prediction = np.asarray(cv2.resize(prediction, size, interpolation=cv2.INTER_CUBIC))
    is_hole = mask[crop.region]
    canvas[crop.region][is_hole] = prediction[is_hole]

"""The built-in filling stage: OpenCV's inpainting after Telea 2004 (doi 10.1080/10867651.2004.10487596).

It smears the surroundings into the hole and invents nothing. The fallback where LaMa's weights are not at hand, and
never called LaMa.
"""

import numpy as np

from pipeline.images.decode import Mask, Picture


class BuiltinFill:
    """An `Inpainter` on `cv2.inpaint`."""

    network = "opencv_inpaint_telea"
    weights_sha256 = ""  # it has none

    def __init__(self, *, radius_px: float = 3.0) -> None:
        self._radius_px = radius_px

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture | None]:
        """Filled pictures; outside the masks every pixel is the input's."""
        return [self._fill(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]

    def _fill(self, picture: Picture, mask: Mask) -> Picture:
        import cv2

        if picture.shape[:2] != mask.shape:
            raise ValueError(f"picture of {picture.shape[:2]} pixels and mask of {mask.shape} do not fit together")
        filled = cv2.inpaint(picture, mask.astype(np.uint8), self._radius_px, cv2.INPAINT_TELEA)
        return np.where(mask[..., None], filled, picture)

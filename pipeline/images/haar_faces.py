"""Faces by the Haar cascades inside opencv-python (< 5): Viola and Jones 2001 (doi 10.1109/CVPR.2001.990517).

They know upright faces from the front and from the side, and no others. What the built-in portraits and the face gate
share; both say which sizes they look at.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.images.decode import Picture

FRONTAL = "haarcascade_frontalface_default.xml"
FRONTAL_ALT = "haarcascade_frontalface_alt.xml"  # slower; finds more, and less that is none (DECISIONS.md)
PROFILE = "haarcascade_profileface.xml"


class Box(NamedTuple):
    """A rectangle in pixels; it may reach over the picture's borders."""

    x: int
    y: int
    width: int
    height: int

    def scaled(self, factor: float) -> "Box":
        """The same rectangle in a picture `factor` times as large."""
        return Box(*(round(value * factor) for value in self))

    def moved(self, across: int, down: int) -> "Box":
        """The same rectangle so many pixels further right and down."""
        return Box(self.x + across, self.y + down, self.width, self.height)

    def mirrored(self, picture_width: int) -> "Box":
        """The same rectangle in the mirrored picture."""
        return Box(picture_width - self.x - self.width, self.y, self.width, self.height)


class HaarFaces:
    """The cascades, loaded once; one object serves one thread, and profiles cost two more passes."""

    def __init__(self, *, frontal: str = FRONTAL, find_profiles: bool = True) -> None:
        import cv2

        folder = Path(cv2.data.haarcascades)
        self.weights_sha256 = cascades_sha256(frontal)
        self._frontal = cv2.CascadeClassifier(str(folder / frontal))
        self._profile = cv2.CascadeClassifier(str(folder / PROFILE)) if find_profiles else None

    def __call__(self, picture: Picture, *, min_side_px: int, scale_step: float = 1.2) -> list[Box]:
        """Boxes of faces of at least `min_side_px`, looked for at sizes `scale_step` apart."""
        import cv2

        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return [
            *self.frontal(gray, min_side_px=min_side_px, scale_step=scale_step),
            *self.profiles(gray, min_side_px=min_side_px, scale_step=scale_step),
        ]

    def frontal(
        self, gray: NDArray[np.uint8], *, min_side_px: int, scale_step: float, min_neighbours: int = 4
    ) -> list[Box]:
        """Faces that look at the camera; `min_neighbours` hits have to lie on one another to count."""
        return _detect(self._frontal, gray, min_side_px, scale_step, min_neighbours)

    def profiles(self, gray: NDArray[np.uint8], *, min_side_px: int, scale_step: float) -> list[Box]:
        """Faces from the side; the cascade knows those that look to the left only, so it looks twice."""
        if self._profile is None:
            return []
        mirrored = _detect(self._profile, np.ascontiguousarray(gray[:, ::-1]), min_side_px, scale_step)
        facing_left = _detect(self._profile, gray, min_side_px, scale_step)
        return facing_left + [box.mirrored(gray.shape[1]) for box in mirrored]


def cascades_sha256(frontal: str = FRONTAL) -> str:
    """The digest of both cascade files."""
    import cv2

    folder = Path(cv2.data.haarcascades)
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in (frontal, PROFILE))).hexdigest()


def shrunk(picture: Picture, longer_side_px: int) -> Picture:
    """The picture with its longer side at most so long; never enlarged."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, longer_side_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _detect(
    cascade: Any, gray: NDArray[np.uint8], min_side_px: int, scale_step: float, min_neighbours: int = 4
) -> list[Box]:
    found = cascade.detectMultiScale(gray, scale_step, min_neighbours, minSize=(min_side_px, min_side_px))
    return [Box(*map(int, box)) for box in found]

"""The detector of faces: it finds the faces of one picture and nothing else about them.

YuNet: Wu et al. 2023 (doi 10.1007/s11633-023-1423-y), MIT, as `cv2.FaceDetectorYN` runs it. It ships with this program
and serves the built-in portraits and the face gate.
"""

from typing import NamedTuple, Protocol

import numpy as np

from pipeline.errors import StageError
from pipeline.picture_bytes import Picture
from pipeline.weights.weights_store import WeightsFile

SEARCH_SIDE_PX = 640
"""longer side at which faces are looked for: a face of 14 pixels is found there"""
MIN_SCORE = 0.5
"""Chosen on pictures (DECISIONS.md): what scored below it was an animal's face, a cup or nothing; above, none was."""


LEAST_SIDE_PX = 64
"""In a picture with a shorter side YuNet names faces, some of infinite size, that change from call to call."""


class Box(NamedTuple):
    """A rectangle in pixels; it may reach over the picture's borders."""

    x: int
    y: int
    width: int
    height: int

    def scaled(self, factor: float) -> "Box":
        """The same rectangle in a picture `factor` times as large."""
        return Box(*(round(value * factor) for value in self))


class FaceDetector(Protocol):
    """Finds faces in one picture."""

    def __call__(self, picture: Picture) -> list[Box]:
        """Their boxes."""
        ...


class YuNetDetector:
    """YuNet, from bytes whose digest is compared first: nothing else reaches OpenCV's reader. One serves one thread.

    Raises:
        StageError: the file is not the one that was chosen, or OpenCV cannot read it.
    """

    def __init__(self, file: WeightsFile, min_score: float) -> None:
        import cv2

        content, none = np.frombuffer(file.read(), dtype=np.uint8), np.zeros(0, dtype=np.uint8)
        try:
            self._network = cv2.FaceDetectorYN.create("onnx", content, none, (320, 320), min_score)
        except cv2.error as error:
            raise StageError(f"OpenCV cannot read {file.path} as YuNet: {error}") from error

    def __call__(self, picture: Picture) -> list[Box]:
        """Faces from any side; the five points that YuNet gives for each are left aside."""
        import cv2

        height, width = picture.shape[:2]
        below, beside = max(0, LEAST_SIDE_PX - height), max(0, LEAST_SIDE_PX - width)
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), dtype=np.uint8)
        if below or beside:
            picture = cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_CONSTANT)
        self._network.setInputSize((picture.shape[1], picture.shape[0]))
        _, faces = self._network.detect(picture)
        boxes = np.zeros((0, 4)) if faces is None else faces[:, :4]
        return [Box(*(round(float(side)) for side in box)) for box in boxes if np.isfinite(box).all()]


class NoDetector:
    """Finds nothing, as the settings ask for."""

    def __call__(self, picture: Picture) -> list[Box]:
        """No face."""
        return []


def shrunk(picture: Picture, longer_side_px: int) -> Picture:
    """The picture with its longer side at most so long; never enlarged."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, longer_side_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

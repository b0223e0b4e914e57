"""The built-in portrait stage: OpenCV's Haar cascades and HOG people detector, refined with GrabCut.

It needs no weights beyond those inside opencv-python (< 5) and finds far less than U²-Net does: people seen from
behind, in a crowd, lying or cut at the border are missed, and what looks like a face is masked. It is the fallback
where no network's weights are at hand, and never called U²-Net.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.masks import PortraitMask
from pipeline.images.decode import Mask, Picture
from pipeline.images.haar_faces import Box, HaarFaces, shrunk

SEARCH_SIDE_PX = 256  # faces are looked for at this size, and shapes refined at the next: larger only costs time
REFINE_SIDE_PX = 160


class BuiltinPortraits:
    """A `PortraitMasker` on OpenCV's own detectors; profiles and whole bodies cost extra time."""

    network = "opencv_haar_hog_grabcut"
    input_side_px: int | None = None

    def __init__(self, *, find_profiles: bool = True, find_bodies: bool = True) -> None:
        import cv2

        self._faces = HaarFaces(find_profiles=find_profiles)
        self.weights_sha256 = self._faces.weights_sha256
        self._hog = cv2.HOGDescriptor() if find_bodies else None
        if self._hog is not None:
            self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def __call__(self, pictures: Sequence[Picture], sizes: Sequence[tuple[int, int]]) -> list[PortraitMask]:
        """One mask per picture; the pictures come whole, so the sizes are theirs."""
        masks = [self._mask(picture) for picture in pictures]
        return [PortraitMask(mask, float(mask.mean())) for mask in masks]

    def _mask(self, picture: Picture) -> Mask:
        import cv2

        height, width = picture.shape[:2]
        searched = shrunk(picture, SEARCH_SIDE_PX)
        faces = self._faces(searched, min_side_px=max(20, min(searched.shape[:2]) // 12))
        bodies = self._bodies(searched)
        if not faces and not bodies:
            return np.zeros((height, width), dtype=np.bool_)
        refined = shrunk(picture, REFINE_SIDE_PX)
        scale = refined.shape[1] / searched.shape[1]
        found = _refine(refined, [box.scaled(scale) for box in faces], [box.scaled(scale) for box in bodies])
        full = cv2.resize(found.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(full, dtype=np.bool_)

    def _bodies(self, picture: Picture) -> list[Box]:
        if self._hog is None or picture.shape[0] < 128 or picture.shape[1] < 64:  # smaller than what it was made for
            return []
        found, weights = self._hog.detectMultiScale(picture, winStride=(8, 8), scale=1.1)
        return [Box(*map(int, box)) for box, weight in zip(found, np.ravel(weights), strict=True) if weight > 0.8]


def _refine(picture: Picture, faces: list[Box], bodies: list[Box]) -> Mask:
    """GrabCut from what the detectors saw; heads and the middle of the chest are masked whatever it says."""
    import cv2

    hint: NDArray[np.uint8] = np.full(picture.shape[:2], cv2.GC_BGD, dtype=np.uint8)
    for body in bodies:
        _rectangle(hint, body.x, body.y, body.x + body.width, body.y + body.height, cv2.GC_PR_FGD)
    for face in faces:
        _rectangle(hint, *_torso(face, picture.shape[0], num_faces_wide=3.4), cv2.GC_PR_FGD)
        _head(hint, face, 1.0, cv2.GC_PR_FGD)
    for face in faces:
        _rectangle(hint, *_torso(face, picture.shape[0], num_faces_wide=1.0), cv2.GC_FGD)
        _head(hint, face, 0.75, cv2.GC_FGD)
    if (hint != cv2.GC_BGD).all():
        return np.ones(hint.shape, dtype=np.bool_)
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, hint, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    return np.isin(hint, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _torso(face: Box, height: int, *, num_faces_wide: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is under a face; a body reaches down about seven faces."""
    middle, half = face.x + face.width / 2, face.width * num_faces_wide / 2
    return round(middle - half), face.y + face.height, round(middle + half), min(height, face.y + 8 * face.height)


def _rectangle(hint: NDArray[np.uint8], left: int, top: int, right: int, bottom: int, value: int) -> None:
    hint[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = value


def _head(hint: NDArray[np.uint8], face: Box, size: float, value: int) -> None:
    import cv2

    centre = (face.x + face.width // 2, face.y + face.height // 2)
    axes = (max(1, round(face.width * size * 0.75)), max(1, round(face.height * size)))
    cv2.ellipse(hint, centre, axes, 0, 0, 360, value, -1)

"""The built-in portrait stage: OpenCV's Haar cascades and HOG people detector, refined with GrabCut.

It needs no weights beyond those inside opencv-python (< 5) and finds far less than U²-Net does: people seen from
behind, in a crowd, lying or cut at the border are missed, and what looks like a face is masked. It is the fallback
where no network's weights are at hand, and never called U²-Net.
"""

from collections.abc import Sequence

import numpy as np

from models.vision.masks import PortraitMask
from pipeline.images.decode import Mask, Picture
from pipeline.images.haar_faces import Box, HaarFaces, shrunk
from pipeline.images.whole_people import people_shapes

SEARCH_SIDE_PX = 256  # faces are looked for at this size: larger only costs time


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
        searched = shrunk(picture, SEARCH_SIDE_PX)
        faces = self._faces(searched, min_side_px=max(20, min(searched.shape[:2]) // 12))
        bodies = self._bodies(searched)
        if not faces and not bodies:
            return np.zeros(picture.shape[:2], dtype=np.bool_)
        scale = picture.shape[1] / searched.shape[1]
        return people_shapes(picture, [box.scaled(scale) for box in faces], [box.scaled(scale) for box in bodies])

    def _bodies(self, picture: Picture) -> list[Box]:
        if self._hog is None or picture.shape[0] < 128 or picture.shape[1] < 64:  # smaller than what it was made for
            return []
        found, weights = self._hog.detectMultiScale(picture, winStride=(8, 8), scale=1.1)
        return [Box(*map(int, box)) for box, weight in zip(found, np.ravel(weights), strict=True) if weight > 0.8]

"""What was built in before YuNet and the selfie segmentation, as the peer of both: OpenCV's Haar cascades and HOG.

Viola and Jones 2001 (doi 10.1109/CVPR.2001.990517); Dalal and Triggs 2005 (doi 10.1109/CVPR.2005.177); GrabCut: Rother
et al. 2004 (doi 10.1145/1015706.1015720). All settings as they were by default.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.images.face_detectors import Box, shrunk
from pipeline.images.whole_people import body
from pipeline.picture_bytes import Mask, Picture

FRONTAL, FRONTAL_ALT = "haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt.xml"
PROFILE = "haarcascade_profileface.xml"
BORDER = 0.06
"""of the longer side is put around the picture: a cascade wants the whole face inside"""
DARK = 0.45
"""mean brightness to which a darker picture is lifted"""
SEARCH_SIDE_PX, REFINE_SIDE_PX = 256, 160
REACH, SURE = 5.0, 2.0
"""widths in faces: how far a body may reach; what GrabCut takes for body"""


class HaarFaces:
    """A frontal cascade and the one of profiles, which looks twice."""

    def __init__(self, frontal: str, *, find_profiles: bool = True) -> None:
        folder = Path(cv2.data.haarcascades)
        self._frontal = cv2.CascadeClassifier(str(folder / frontal))
        self._profile = cv2.CascadeClassifier(str(folder / PROFILE)) if find_profiles else None

    def frontal(self, gray: NDArray[np.uint8], min_side_px: int, step: float, num_neighbours: int = 4) -> list[Box]:
        """Faces that look at the camera."""
        return _detect(self._frontal, gray, min_side_px, step, num_neighbours)

    def profiles(self, gray: NDArray[np.uint8], min_side_px: int, step: float) -> list[Box]:
        """Faces from the side; the cascade knows those that look to the left only."""
        if self._profile is None:
            return []
        width = gray.shape[1]
        mirrored = _detect(self._profile, np.ascontiguousarray(gray[:, ::-1]), min_side_px, step)
        turned = [Box(width - box.x - box.width, box.y, box.width, box.height) for box in mirrored]
        return _detect(self._profile, gray, min_side_px, step) + turned


class HaarDetector:
    """The gate as it was: a picture lifted out of the dark and with a border around it."""

    def __init__(self) -> None:
        self._faces = HaarFaces(FRONTAL_ALT)

    def __call__(self, picture: Picture) -> list[Box]:
        """Faces from the front and from the side."""
        gray = _lifted(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
        border = round(BORDER * max(gray.shape))
        wide = np.asarray(
            cv2.copyMakeBorder(gray, border, border, border, border, cv2.BORDER_REPLICATE), dtype=np.uint8
        )
        boxes = [*self._faces.frontal(wide, 20, 1.15, 2), *self._faces.profiles(wide, 48, 1.25)]
        return [box._replace(x=box.x - border, y=box.y - border) for box in boxes]


class OldPortraits:
    """The masks as they were: cascades and HOG at 256 pixels, cut out with GrabCut at 160."""

    def __init__(self, *, find_profiles: bool = True) -> None:
        self._faces = HaarFaces(FRONTAL, find_profiles=find_profiles)
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def __call__(self, picture: Picture) -> Mask:
        """True where a person is."""
        searched = shrunk(picture, SEARCH_SIDE_PX)
        gray = np.asarray(cv2.cvtColor(searched, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        least = max(20, min(searched.shape[:2]) // 12)
        faces = [*self._faces.frontal(gray, least, 1.2), *self._faces.profiles(gray, least, 1.2)]
        bodies = self._bodies(searched)
        if not faces and not bodies:
            return np.zeros(picture.shape[:2], dtype=np.bool_)
        refined = shrunk(picture, REFINE_SIDE_PX)
        scale = refined.shape[1] / searched.shape[1]
        cut = _cut_out(refined, [box.scaled(scale) for box in faces], [box.scaled(scale) for box in bodies])
        size = (picture.shape[1], picture.shape[0])
        return np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_LINEAR), dtype=np.bool_)

    def _bodies(self, picture: Picture) -> list[Box]:
        if picture.shape[0] < 128 or picture.shape[1] < 64:  # smaller than what it was made for
            return []
        found, weights = self._hog.detectMultiScale(picture, winStride=(8, 8), scale=1.1)
        return [Box(*map(int, box)) for box, weight in zip(found, np.ravel(weights), strict=True) if weight > 0.8]


def _cut_out(picture: Picture, faces: list[Box], bodies: list[Box]) -> NDArray[np.uint8]:
    """1 where a person is."""
    hint: NDArray[np.uint8] = np.full(picture.shape[:2], cv2.GC_BGD, dtype=np.uint8)
    for box in (*bodies, *(body(face, REACH) for face in faces)):
        hint[_inside(box)] = cv2.GC_PR_FGD
    for face in faces:
        _paint_head(hint, face, 1.0, cv2.GC_PR_FGD)
    for face in faces:
        hint[_inside(body(face, SURE))] = cv2.GC_FGD
        _paint_head(hint, face, 0.75, cv2.GC_FGD)
    is_open = hint != cv2.GC_BGD
    if is_open.any() and not is_open.all():  # where nothing is to be told apart GrabCut fails
        cv2.setRNGSeed(0)
        cv2.grabCut(picture, hint, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    return np.isin(hint, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def _paint_head(hint: NDArray[np.uint8], face: Box, size: float, value: int) -> None:
    centre = (face.x + face.width // 2, face.y + face.height // 2)
    axes = (max(1, round(face.width * size * 0.75)), max(1, round(face.height * size)))
    cv2.ellipse(hint, centre, axes, 0, 0, 360, value, -1)


def _inside(box: Box) -> tuple[slice, slice]:
    return (
        slice(max(0, box.y), max(0, box.y + box.height)),
        slice(max(0, box.x), max(0, box.x + box.width)),
    )


def _detect(
    cascade: Any, gray: NDArray[np.uint8], min_side_px: int, step: float, num_neighbours: int = 4
) -> list[Box]:
    found = cascade.detectMultiScale(gray, step, num_neighbours, minSize=(min_side_px, min_side_px))
    return [Box(*map(int, box)) for box in found]


def _lifted(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A dark picture made brighter by a power; others as they are."""
    mean = float(gray.mean()) / 255
    if not 0 < mean < DARK:
        return gray
    levels = (np.arange(256) / 255) ** (np.log(DARK) / np.log(max(mean, 0.01))) * 255
    return np.asarray(cv2.LUT(gray, levels.astype(np.uint8)), dtype=np.uint8)

"""The detectors of the face gate: each finds the faces of one picture and nothing else about them.

YuNet: Wu et al. 2023 (doi 10.1007/s11633-023-1423-y), MIT, as `cv2.FaceDetectorYN` runs it.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.images.decode import Picture
from pipeline.images.haar_faces import FRONTAL_ALT, Box, HaarFaces
from pipeline.store.digests import bytes_digest
from pipeline.weights.weights_store import WeightsFile

MIN_FACE_PX = 20  # of the frontal cascade, at the search size; profiles cost two passes: only large ones
MIN_PROFILE_PX = 48
FRONTAL_STEP, PROFILE_STEP = 1.15, 1.25
MIN_NEIGHBOURS = 2  # a miss costs a person's face, a false hit a hole in a picture (DECISIONS.md)
BORDER = 0.06  # of the longer side is put around the picture: a cascade wants the whole face inside
DARK = 0.45  # mean brightness to which a darker picture is lifted


class FaceDetector(Protocol):
    """Finds faces in one picture."""

    def __call__(self, picture: Picture) -> list[Box]:
        """Their boxes."""
        ...


class HaarDetector:
    """The cascades of OpenCV, on a picture lifted out of the dark and with a border around it."""

    def __init__(self, *, find_profiles: bool) -> None:
        self._faces = HaarFaces(frontal=FRONTAL_ALT, find_profiles=find_profiles)

    def __call__(self, picture: Picture) -> list[Box]:
        """Faces from the front and from the side."""
        import cv2

        gray = _lifted(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        border = round(BORDER * max(gray.shape))
        wide = cv2.copyMakeBorder(gray, border, border, border, border, cv2.BORDER_REPLICATE)
        boxes = self._faces.frontal(
            wide, min_side_px=MIN_FACE_PX, scale_step=FRONTAL_STEP, min_neighbours=MIN_NEIGHBOURS
        )
        boxes += self._faces.profiles(wide, min_side_px=MIN_PROFILE_PX, scale_step=PROFILE_STEP)
        return [box.moved(-border, -border) for box in boxes]


class YuNetDetector:
    """YuNet, from bytes whose digest is compared first: nothing else reaches OpenCV's reader.

    Raises:
        StageError: the file is not the one that was chosen, or OpenCV cannot read it.
    """

    def __init__(self, file: WeightsFile, min_score: float) -> None:
        import cv2

        data = file.path.read_bytes()
        if (actual := bytes_digest(data)) != file.weights_sha256:
            raise StageError(
                f"{file.path} has the sha256 {actual}, not {file.weights_sha256}: fetch it again with `mrlf weights "
                f"fetch {file.name}`"
            )
        content, none = np.frombuffer(data, dtype=np.uint8), np.zeros(0, dtype=np.uint8)
        try:
            self._network = cv2.FaceDetectorYN.create("onnx", content, none, (320, 320), min_score)
        except cv2.error as error:
            raise StageError(f"OpenCV cannot read {file.path} as YuNet: {error}") from error

    def __call__(self, picture: Picture) -> list[Box]:
        """Faces from any side; the five points that YuNet gives for each are left aside."""
        import cv2

        self._network.setInputSize((picture.shape[1], picture.shape[0]))
        _, faces = self._network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return [] if faces is None else [Box(*(round(float(side)) for side in face[:4])) for face in faces]


class NoDetector:
    """Finds nothing, as the settings ask for."""

    def __call__(self, picture: Picture) -> list[Box]:
        """No face."""
        return []


def _lifted(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A dark picture made brighter by a power; others as they are."""
    import cv2

    mean = float(gray.mean()) / 255
    if not 0 < mean < DARK:
        return gray
    levels = (np.arange(256) / 255) ** (np.log(DARK) / np.log(max(mean, 0.01))) * 255
    return np.asarray(cv2.LUT(gray, levels.astype(np.uint8)), dtype=np.uint8)

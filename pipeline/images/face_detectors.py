"""The detectors of faces: each finds the faces of one picture and nothing else about them.

Haar cascades inside opencv-python (< 5): Viola and Jones 2001 (doi 10.1109/CVPR.2001.990517). They know upright faces
from the front and from the side, and no others. The built-in portraits and the face gate share them; both say which
sizes they look at.
YuNet: Wu et al. 2023 (doi 10.1007/s11633-023-1423-y), MIT, as `cv2.FaceDetectorYN` runs it.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.picture_bytes import Picture
from pipeline.store.digests import bytes_digest
from pipeline.weights.weights_store import WeightsFile

FRONTAL = "haarcascade_frontalface_default.xml"
FRONTAL_ALT = "haarcascade_frontalface_alt.xml"  # slower; finds more, and less that is none (DECISIONS.md)
PROFILE = "haarcascade_profileface.xml"
MIN_FACE_PX = 20  # of the frontal cascade, at the search size; profiles cost two passes: only large ones
MIN_PROFILE_PX = 48
FRONTAL_STEP, PROFILE_STEP = 1.15, 1.25
MIN_NEIGHBOURS = 2  # a miss costs a person's face, a false hit a hole in a picture (DECISIONS.md)
BORDER = 0.06  # of the longer side is put around the picture: a cascade wants the whole face inside
DARK = 0.45  # mean brightness to which a darker picture is lifted


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

"""The whole person around a face: where it may be by the proportions of a body, and what a network makes of that.

What finds faces gives a box and no more; whoever stands below it is a person too. The built-in portraits find people
here, and the face gate adds those to a mask that it missed.
The network is MediaPipe's selfie segmentation (github.com/google-ai-edge/mediapipe, Apache-2.0), which ships with this
program as it was published and is read by OpenCV. It was trained on people at arm's length and sees a portrait in
anything that fills a picture: it is asked about the surroundings of a face, enlarged to what it knows, where a whole
picture would show it a small person (DECISIONS.md).
Law: the head and a column of `COLUMN` faces' width below it are masked whatever the network says.
Covered: people who stand, sit or lie, down to the picture's border or about nine heads. Not covered: arms stretched
out wide, a body whose head is outside the picture or was not found.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.images.face_detectors import SEARCH_SIDE_PX, Box, shrunk
from pipeline.picture_bytes import Mask, Picture
from pipeline.weights.registry import SELFIE
from pipeline.weights.weights_store import WeightsFile

INPUT_SIDE_PX = 256
HEIGHT = 8
"""of a person, in faces"""
COLUMN = 3.0
"""width in faces of what the gate masks below a face in any case"""
REACH, ABOVE, BELOW = 7.0, 1.5, 8.0
"""Surroundings of a face, in faces: their width, and how far they reach above it and below it."""
NEAR_FACE = 0.2
"""probability from which a pixel in a face's surroundings belongs to a person"""
MARGIN = 0.02
"""around what the gate adds, as a share of the longer side"""
MIN_MASKED = 0.5
"""of a face and of the chest below it, for a mask that knows the person"""


class PersonNetwork:
    """The selfie segmentation. One object serves one thread.

    Raises:
        StageError: the file in the package is damaged, or OpenCV cannot read it.
    """

    weights_sha256 = str(SELFIE.sha256)

    def __init__(self) -> None:
        import cv2

        file = WeightsFile.shipped(SELFIE)
        try:
            self._network = cv2.dnn.readNetFromTFLite(np.frombuffer(file.read(), dtype=np.uint8))
        except cv2.error as error:
            raise StageError(f"OpenCV cannot read {file.path}: {error}") from error

    def probabilities(self, picture: Picture) -> NDArray[np.float32]:
        """Of each pixel to show a person, at the picture's size; the picture is squeezed to the network's square."""
        import cv2

        side, (height, width) = INPUT_SIDE_PX, picture.shape[:2]
        how = cv2.INTER_AREA if min(height, width) > side else cv2.INTER_LINEAR
        square = cv2.resize(picture, (side, side), interpolation=how)
        self._network.setInput(cv2.dnn.blobFromImage(square, 1 / 255))
        answer = np.asarray(self._network.forward(), dtype=np.float32).reshape(side, side)
        return np.asarray(cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)

    def around(self, picture: Picture, faces: Sequence[Box]) -> Mask:
        """Who is in the surroundings of these faces."""
        mask = np.zeros(picture.shape[:2], dtype=np.bool_)
        for face in faces:
            rows, columns = _inside(surroundings(face))
            part = picture[rows, columns]
            if part.size:
                mask[rows, columns] |= self.probabilities(part) > NEAR_FACE
        return mask


def head(face: Box) -> Box:
    """The whole head around a face, hair, ears and chin included."""
    return Box(
        round(face.x - 0.35 * face.width),
        round(face.y - 0.55 * face.height),
        round(1.7 * face.width),
        round(1.9 * face.height),
    )


def body(face: Box, num_faces_wide: float) -> Box:
    """What is under a face, so many faces wide."""
    left = face.x + face.width / 2 - face.width * num_faces_wide / 2
    return Box(round(left), face.y + face.height, round(face.width * num_faces_wide), (HEIGHT - 1) * face.height)


def surroundings(face: Box) -> Box:
    """What the network is shown of a face: the whole person, if it stands."""
    unit = max(face.width, 0.8 * face.height)  # a face from the side is a narrow box
    return Box(
        round(face.x + face.width / 2 - unit * REACH / 2),
        round(face.y - ABOVE * unit),
        round(REACH * unit),
        round(face.height + (ABOVE + BELOW) * unit),
    )


def with_people(mask: Mask, picture: Picture, faces: Sequence[Box], network: PersonNetwork) -> Mask:
    """The mask with the people whose faces these are, cut at the picture's borders."""
    import cv2

    searched = shrunk(picture, SEARCH_SIDE_PX)
    scale = searched.shape[1] / picture.shape[1]
    found = network.around(searched, [face.scaled(scale) for face in faces]).astype(np.uint8)
    radius = round(MARGIN * max(found.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    wide = mask | enlarged(cv2.dilate(found, disc), mask.shape)
    for face in faces:
        for box in (head(face), body(face, COLUMN)):
            wide[_inside(box)] = True
    return wide


def enlarged(mask: NDArray[np.uint8] | Mask, size: tuple[int, ...]) -> Mask:
    """The mask at this height and width; a pixel that was partly masked is masked."""
    import cv2

    large = cv2.resize(mask.astype(np.uint8) * 255, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large > 0, dtype=np.bool_)


def is_masked(mask: Mask, face: Box) -> bool:
    """Whether the mask knows the person of a face: half of the face and half of the chest are masked."""
    chest = body(face, 1.5)._replace(y=face.y + round(1.5 * face.height), height=2 * face.height)
    parts = [mask[_inside(box)] for box in (face, chest)]
    return all(part.mean() >= MIN_MASKED for part in parts if part.size)


def _inside(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box, as far as it reaches over the upper or left border cut there."""
    return (
        slice(max(0, box.y), max(0, box.y + box.height)),
        slice(max(0, box.x), max(0, box.x + box.width)),
    )

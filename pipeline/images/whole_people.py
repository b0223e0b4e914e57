"""The whole person around a face: where it may be by the proportions of a body, and what GrabCut makes of that.

What finds faces gives a box and no more; whoever stands below it is a person too. The built-in portraits cut people
out here, and the face gate adds those to a mask that it missed.
Law: the head and a column of `COLUMN` faces' width below it are masked whatever GrabCut says.
Covered: people who stand or sit upright, down to the picture's lower edge or about seven heads. Not covered: who lies
or hangs, arms stretched out, a body whose head is outside the picture or was not found.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.images.face_detectors import Box, shrunk
from pipeline.picture_bytes import Mask, Picture

REFINE_SIDE_PX = 160  # shapes are refined at this size: larger only costs time
HEIGHT = 8  # of a person, in faces
REACH, SURE, COLUMN = 5.0, 2.0, 3.0
"""Widths in faces: how far a body may reach; what GrabCut takes for body; what the gate masks in any case."""
MARGIN_PX = 3  # around what the gate adds, at the size of the refining
MIN_MASKED = 0.5  # of a face and of the chest below it, for a mask that knows the person


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


def with_people(mask: Mask, picture: Picture, faces: Sequence[Box]) -> Mask:
    """The mask with the people whose faces these are, cut at the picture's borders."""
    wide = mask | people_shapes(picture, faces, margin_px=MARGIN_PX)
    for face in faces:
        _paint(wide, head(face), True)
        _paint(wide, body(face, COLUMN), True)
    return wide


def is_masked(mask: Mask, face: Box) -> bool:
    """Whether the mask knows the person of a face: half of the face and half of the chest are masked."""
    chest = body(face, 1.5)._replace(y=face.y + round(1.5 * face.height), height=2 * face.height)
    parts = [mask[_inside(box)] for box in (face, chest)]
    return all(part.mean() >= MIN_MASKED for part in parts if part.size)


def people_shapes(picture: Picture, faces: Sequence[Box], bodies: Sequence[Box] = (), *, margin_px: int = 0) -> Mask:
    """GrabCut from faces and from boxes around whole bodies; heads and the middle of the body are in it in any case.

    margin_px: by so much what is cut out is widened, at the size of the refining.
    """
    import cv2

    height, width = picture.shape[:2]
    refined = shrunk(picture, REFINE_SIDE_PX)
    scale = refined.shape[1] / width
    cut = _cut_out(refined, [face.scaled(scale) for face in faces], [box.scaled(scale) for box in bodies])
    if margin_px:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1, 2 * margin_px + 1))
        cut = np.asarray(cv2.dilate(cut, disc), dtype=np.uint8)
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.bool_)


def _cut_out(picture: Picture, faces: list[Box], bodies: list[Box]) -> NDArray[np.uint8]:
    """1 where a person is."""
    import cv2

    hint: NDArray[np.uint8] = np.full(picture.shape[:2], cv2.GC_BGD, dtype=np.uint8)
    for box in (*bodies, *(body(face, REACH) for face in faces)):
        _paint(hint, box, cv2.GC_PR_FGD)
    for face in faces:
        _paint_head(hint, face, 1.0, cv2.GC_PR_FGD)
    for face in faces:
        _paint(hint, body(face, SURE), cv2.GC_FGD)
        _paint_head(hint, face, 0.75, cv2.GC_FGD)
    is_open = hint != cv2.GC_BGD
    if is_open.any() and not is_open.all():  # where nothing is to be told apart GrabCut fails
        cv2.setRNGSeed(0)
        cv2.grabCut(picture, hint, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    return np.isin(hint, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def _paint_head(hint: NDArray[np.uint8], face: Box, size: float, value: int) -> None:
    import cv2

    centre = (face.x + face.width // 2, face.y + face.height // 2)
    axes = (max(1, round(face.width * size * 0.75)), max(1, round(face.height * size)))
    cv2.ellipse(hint, centre, axes, 0, 0, 360, value, -1)


def _paint(target: NDArray[np.uint8] | Mask, box: Box, value: int) -> None:
    target[_inside(box)] = value


def _inside(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box, as far as it reaches over the upper or left border cut there."""
    return (
        slice(max(0, box.y), max(0, box.y + box.height)),
        slice(max(0, box.x), max(0, box.x + box.width)),
    )

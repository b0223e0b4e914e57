"""Labelled pictures with a face, to count what a detector finds: one public-domain portrait put into drawn scenes.

The portrait is NASA's of Eileen Collins (pipeline/demo/ORIGIN.md), the scenes are the demo generator's.
Law: equal placings give equal pictures; a composite says where its faces are.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.demo.pictures import FACE as DRAWN_FACE
from pipeline.images.decode import Picture
from pipeline.images.haar_faces import Box

ASPECT = 0.75
"""height of a scene over its width"""

FACE = Box(*DRAWN_FACE)
"""The face in the portrait of 256 pixels."""

Appearance = Literal["person", "poster", "mirror", "screen", "statue", "back_of_head"]
FRAMED = frozenset({"poster", "mirror", "screen"})


@dataclass(frozen=True, kw_only=True)
class Placing:
    """How the portrait is put into a scene.

    face: width of the face as a share of the scene's. x, y: where its middle stands, as shares of the scene's sides.
    angle: degrees, clockwise. squeeze: width over its true width. brightness: of scene and portrait alike.
    """

    face: float
    x: float = 0.5
    y: float = 0.4
    angle: float = 0.0
    is_mirrored: bool = False
    squeeze: float = 1.0
    brightness: float = 1.0
    appearance: Appearance = "person"


@dataclass(frozen=True)
class Composite:
    """A picture and the boxes of the faces in it, as far as they lie in the picture."""

    picture: Picture
    faces: list[Box]


def compose(scene_number: int, placings: tuple[Placing, ...], width_px: int) -> Composite:
    """A scene with the portrait in it, once per placing; the last one's brightness holds for all."""
    picture = scene(scene_number, width_px)
    height = picture.shape[0]
    faces = []
    for placing in placings:
        matrix = _matrix(placing, width_px, height)
        picture = _paste(picture, placing, matrix)
        faces.append(_box_around(matrix, width_px, height))
    return Composite((picture * placings[-1].brightness).astype(np.uint8), faces)


@cache
def scene(number: int, width_px: int) -> Picture:
    """One of the drawn scenes without people."""
    import cv2

    from pipeline.demo.pictures import PictureSpec, draw
    from pipeline.demo.places import PLACES

    height = round(ASPECT * width_px)
    drawn = draw(PictureSpec(key=(2306, 7935, number), place=number % len(PLACES)), height).pixels
    return np.asarray(cv2.resize(drawn, (width_px, height), interpolation=cv2.INTER_AREA))


def _paste(picture: Picture, placing: Placing, matrix: NDArray[np.float64]) -> Picture:
    import cv2

    height, width = picture.shape[:2]
    person, share = _dressed(placing.appearance)
    shrink = min(1.0, placing.face * width / FACE.width)
    if shrink < 0.5:  # a warp looks at four pixels only: the source is made small before
        small = (round(256 * shrink), round(256 * shrink))
        person, share = (np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA)) for part in (person, share))
        matrix = matrix @ np.diag([256 / small[0], 256 / small[1], 1.0])
    warped = cv2.warpAffine(person, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(share, matrix, (width, height))[..., None].astype(np.float32) / 255
    return np.asarray(warped * weight + picture * (1 - weight)).astype(np.uint8)


def _matrix(placing: Placing, width: int, height: int) -> NDArray[np.float64]:
    """Pixels of the portrait to pixels of the scene."""
    scale, turn = placing.face * width / FACE.width, np.deg2rad(placing.angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    across = -placing.squeeze if placing.is_mirrored else placing.squeeze
    linear = rotation @ np.diag([scale * across, scale])
    middle = np.array([FACE.x + FACE.width / 2, FACE.y + FACE.height / 2])
    target = np.array([placing.x * width, placing.y * height])
    return np.column_stack([linear, target - linear @ middle])


def _box_around(matrix: NDArray[np.float64], width: int, height: int) -> Box:
    """The upright box around the face, cut at the picture's borders."""
    xs, ys = (FACE.x, FACE.x + FACE.width), (FACE.y, FACE.y + FACE.height)
    corners = np.array([matrix @ (x, y, 1) for x in xs for y in ys])
    left, top = np.maximum(corners.min(axis=0), 0)
    right, bottom = np.minimum(corners.max(axis=0), (width, height))
    return Box(round(left), round(top), max(0, round(right - left)), max(0, round(bottom - top)))


@cache
def _dressed(appearance: Appearance) -> tuple[Picture, NDArray[np.uint8]]:
    """The portrait in this appearance, 256 x 256, and where of it is pasted, 0 to 255."""
    import cv2

    person, share = _portrait()
    if appearance in FRAMED:
        share = np.zeros_like(share)
        share[2:170, 20:200] = 255
        person = cv2.rectangle(person.copy(), (20, 2), (199, 169), (40, 34, 30), 5)
    if appearance == "mirror":
        person = _toned(person, 0.75, (10, 25, 30))
    elif appearance == "screen":
        person = _toned(person, 0.8, (0, 10, 45))
        person[::3] = (person[::3] * 0.7).astype(np.uint8)
    elif appearance == "statue":
        gray = cv2.GaussianBlur(cv2.cvtColor(person, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
        person = _toned(np.repeat(gray[..., None], 3, axis=2), 0.7, (60, 60, 55))
    elif appearance == "back_of_head":
        person = person.copy()
        hair = person[22:32, 85:130].reshape(-1, 3)
        texture = np.random.default_rng(0).choice(hair, (90, 80))
        hidden = cv2.ellipse(np.zeros_like(share), (112, 58), (30, 40), 0, 0, 360, 255, -1)[20:110, 72:152]
        person[20:110, 72:152][hidden > 0] = cv2.GaussianBlur(texture, (0, 0), 1.5)[hidden > 0]
    return person, share


def _toned(person: Picture, contrast: float, light: tuple[int, int, int]) -> Picture:
    return np.asarray(np.clip(person * contrast + np.array(light), 0, 255), dtype=np.uint8)


def _portrait() -> tuple[Picture, NDArray[np.uint8]]:
    from PIL import Image

    from pipeline.demo.pictures import PORTRAIT, PORTRAIT_MASK

    with Image.open(PORTRAIT) as person, Image.open(PORTRAIT_MASK) as mask:
        return np.asarray(person.convert("RGB")), np.asarray(mask.convert("L"))

"""How many faces the gate finds, counted on labelled composites, and what that does not show.

A composite puts one public-domain portrait into a drawn scene: NASA's of Eileen Collins (pipeline/demo/ORIGIN.md), the
scenes are the demo generator's. Law: equal placings give equal pictures; a composite says where its faces are.
Law: the count depends on the gate alone (detector, its digest, settings, this code); it is made once for each and kept
in `face_recall/` of the store. It measures the detector, not the chain: what the portrait network masks comes on top.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.code_digest import code_digest
from pipeline.demo.pictures import FACE as DRAWN_FACE
from pipeline.images.face_detectors import Box
from pipeline.images.face_gate import FaceGate, GateChoice, load_gate
from pipeline.images.whole_people import head
from pipeline.picture_bytes import Picture
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.store.kept import read_kept, write_kept

ASPECT = 0.75
"""height of a scene over its width"""

FACE = Box(*DRAWN_FACE)
"""The face in the portrait of 256 pixels."""

Appearance = Literal["person", "poster", "mirror", "screen", "statue", "back_of_head"]
FRAMED = frozenset({"poster", "mirror", "screen"})
MIN_WIDTH_PX = 640
NOT_SHOWN = (
    "It is one woman of one skin tone, facing the camera, without glasses, beard, mask, hat or veil, pasted into "
    "drawn scenes, and darkened, turned or squeezed by arithmetic. Children, old people, other skin tones, real "
    "crowds, hidden and half turned faces, motion blur, drawn faces and real statues are not in it. The share found "
    "in real photographs is lower by an unknown amount."
)
NUM_SCENES = 24
_SIZES = (0.06, 0.09, 0.13, 0.18)  # of the width; in a picture of 1080 pixels: 65 to 194


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


NUMBERS = ("num_found", "num_faces")


@dataclass(frozen=True, kw_only=True)
class Found:
    """Faces of one kind: how many the gate found, of how many."""

    kind: str
    num_found: int
    num_faces: int

    def __str__(self) -> str:
        return f"{self.num_found} of {self.num_faces}"


def recall_text(found: Iterable[Found]) -> str:
    """All kinds in one line."""
    return "; ".join(f"{each.kind} {each}" for each in found)


def read_recall_text(text: str) -> list[Found]:
    """What `recall_text` wrote."""
    parts = (re.fullmatch(r"(.+) (\d+) of (\d+)", part) for part in text.split("; "))
    return [Found(kind=part[1], num_found=int(part[2]), num_faces=int(part[3])) for part in parts if part]


def composites(width_px: int) -> dict[str, list[Composite]]:
    """The labelled pictures by kind."""
    made: dict[str, list[Composite]] = {}
    number = 0
    for kind, groups in KINDS.items():
        made[kind] = []
        for placings in groups:
            made[kind].append(compose(number % NUM_SCENES, placings, width_px))
            number += 1
    return made


def measure_recall(gate: FaceGate, width_px: int = MIN_WIDTH_PX) -> list[Found]:
    """What the gate finds, by kind."""
    return [
        Found(
            kind=kind,
            num_faces=sum(len(made.faces) for made in group),
            num_found=sum(num_found(made, gate.find([made.picture])[0]) for made in group),
        )
        for kind, group in composites(width_px).items()
    ]


def num_found(composite: Composite, boxes: Iterable[Box]) -> int:
    """Faces that masking the heads of `boxes` would hide: their middle, and at least half of them."""
    heads = [head(box) for box in boxes]
    return sum(any(_hides(each, face) for each in heads) for face in composite.faces)


def recall_of(store: Store, choice: GateChoice) -> list[Found]:
    """What this gate finds, from the store where it was counted before."""
    import cv2

    made_by = json_digest([code_digest(measure_recall), choice.recipe, cv2.__version__])
    path = store.root / "face_recall" / f"{made_by}.json"
    counted = read_kept(path, _read)
    if counted is None:
        counted = list(_counted(replace(choice, why="")))  # why it was chosen changes no count
        write_kept(path, {"found": [asdict(each) for each in counted]})
    return counted


def _read(content: Any) -> list[Found]:
    """What an earlier run counted; an older version kept the list alone."""
    stored = content["found"] if isinstance(content, dict) else content
    return [Found(kind=str(each["kind"]), **{name: int(each[name]) for name in NUMBERS}) for each in stored]


@lru_cache(maxsize=4)
def _counted(choice: GateChoice) -> tuple[Found, ...]:
    return tuple(measure_recall(load_gate(choice), max(MIN_WIDTH_PX, choice.search_side_px)))


def _hides(mask: Box, face: Box) -> bool:
    across = min(mask.x + mask.width, face.x + face.width) - max(mask.x, face.x)
    down = min(mask.y + mask.height, face.y + face.height) - max(mask.y, face.y)
    middle_x, middle_y = face.x + face.width / 2, face.y + face.height / 2
    is_hit = mask.x <= middle_x <= mask.x + mask.width and mask.y <= middle_y <= mask.y + mask.height
    return is_hit and across * down >= 0.5 * face.width * face.height


def _each(sizes: Iterable[float], **ways: Iterable[Any]) -> list[tuple[Placing, ...]]:
    """One composite for every combination of a size with one value of each way."""
    made: list[dict[str, Any]] = [{"face": face} for face in sizes]
    for name, values in ways.items():
        made = [{**fields, name: value} for fields in made for value in values]
    return [(Placing(**fields),) for fields in made]


def _at_the_border() -> list[tuple[Placing, ...]]:
    """A tenth or a fifth of the face lies outside, on each side of the picture."""
    made: list[tuple[Placing, ...]] = []
    for face, outside in ((0.075, 0.1), (0.125, 0.2)):
        across, down = (0.5 - outside) * face, (0.5 - outside) * face * 55 / 45 / ASPECT
        middles = ((across, 0.4), (1 - across, 0.4), (0.5, down), (0.5, 1 - down))
        made += [(Placing(face=face, x=x, y=y),) for x, y in middles]
    return made


def _group() -> list[tuple[Placing, ...]]:
    """Twenty small faces in one picture, in four rows."""
    rows = [(0.06 + 0.02 * row, 0.14 + 0.2 * row) for row in range(4)]
    return [
        tuple(Placing(face=face, x=0.1 + 0.2 * column, y=y) for _, y in rows for column in range(5))
        for face in (0.035, 0.045)
    ]


KINDS: dict[str, list[tuple[Placing, ...]]] = {
    "upright": _each(_SIZES, x=(0.3, 0.7)),
    "mirrored": _each(_SIZES, is_mirrored=(True,)),
    "small": _each((0.022, 0.028, 0.037, 0.047), x=(0.2, 0.8)),
    "twenty small": _group(),
    "turned 10 to 20°": _each((0.0625, 0.11), angle=(-20, -10, 10, 20)),
    "turned 30 to 45°": _each((0.0625, 0.11), angle=(-45, -30, 30, 45)),
    "lying": _each((0.09,), angle=(-90, 90, 180), y=(0.5,)),
    "at the border": _at_the_border(),
    "dark": _each((0.0625, 0.125), brightness=(0.1, 0.2, 0.35)),
    "squeezed": _each((0.0625, 0.125), squeeze=(0.55, 0.7, 0.85)),
    "on a poster": _each((0.04, 0.0625, 0.1), x=(0.3,), appearance=("poster",)),
    "in a mirror": _each((0.04, 0.0625, 0.1), x=(0.7,), appearance=("mirror",), is_mirrored=(True,)),
    "on a screen": _each((0.04, 0.0625, 0.1), x=(0.3,), appearance=("screen",)),
    "like a statue": _each((0.0625, 0.09, 0.125), appearance=("statue",)),
    "back of the head": _each((0.0625, 0.09, 0.125), appearance=("back_of_head",)),
}
"""The placings of each composite, by kind."""

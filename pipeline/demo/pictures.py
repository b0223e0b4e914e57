"""Pictures of the demo city: a scene of the place, the light of the day, at times a portrait, as JPEG bytes.

Law: a picture depends on its `PictureSpec` and the size alone, so a repost has its original's bytes.
The portrait is NASA's of Eileen Collins (ORIGIN.md).
"""

from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.demo import scenes_indoors, scenes_outdoors
from pipeline.demo.canvas import Canvas, Pixels, jitter
from pipeline.demo.places import ANYWHERE_SCENES, PLACES, SCENES
from pipeline.demo.scenes_outdoors import Style
from pipeline.demo.settings import SHARES

PORTRAIT = Path(__file__).parent / "astronaut.jpg"
PORTRAIT_MASK = Path(__file__).parent / "astronaut_mask.png"
FACE = (90, 32, 45, 55)
"""Left, top, width and height of the face in the portrait of 256 pixels, from the fringe to the chin."""
ROTATED = 6  # EXIF: turn by 90 degrees clockwise to see it upright
JPEG_QUALITY = 84
SHAPES = ((1.0, 1.0), (1.0, 1.25), (1.33, 1.0))  # width and height in units of the shorter side
SHAPE_CHANCES = (0.6, 0.25, 0.15)
STYLE_JITTER = 0.05

_OUTDOORS = ("lookout", "garden", "bridge", "ferry", "tram", "sunset", "flowers")
_INDOORS = ("table", "bar", "shop", "gallery", "stage", "hall", "platform", "bokeh", "coffee")
_SCENES = {
    **{name: getattr(scenes_outdoors, name) for name in _OUTDOORS},
    **{name: getattr(scenes_indoors, name) for name in _INDOORS},
}

Portrait = Literal["none", "side", "full"]


@dataclass(frozen=True, kw_only=True)
class PictureSpec:
    """What makes a picture: its random key, the place it shows, the portrait in it, whether it is stored turned.

    scene: what it shows instead of a scene of its place; "" leaves it to the place.
    """

    key: tuple[int, ...]
    place: int
    portrait: Portrait = "none"
    is_rotated: bool = False
    scene: str = ""


@dataclass(frozen=True)
class Picture:
    """An upright picture (height, width, 3) uint8 RGB and where the portrait and its face are (height, width) bool."""

    pixels: Pixels
    mask: npt.NDArray[np.bool_]
    face: npt.NDArray[np.bool_]


def draw(spec: PictureSpec, side: int) -> Picture:
    """The picture of a spec, its shorter side `side` pixels."""
    rng = np.random.default_rng(spec.key)
    wide, high = SHAPES[rng.choice(len(SHAPES), p=SHAPE_CHANCES)]
    if spec.portrait == "full":
        wide, high = min(wide, high), max(wide, high)  # in a wide picture a head leaves room beside it
    canvas = Canvas(round(wide * side), round(high * side))
    place = PLACES[spec.place]
    style = Style(accent=jitter(rng, place.accent, STYLE_JITTER), second=jitter(rng, place.second, STYLE_JITTER))
    _SCENES[spec.scene or _scene(rng, spec.place)](canvas, rng, style)
    pixels, nobody = canvas.pixels, np.zeros(canvas.pixels.shape[:2], np.bool_)
    drawn = Picture(pixels, nobody, nobody)
    if spec.portrait != "none":
        drawn = _paste_portrait(rng, pixels, spec.portrait)
    return replace(drawn, pixels=_develop(rng, drawn.pixels))


def encode(spec: PictureSpec, side: int) -> bytes:
    """The picture of a spec as JPEG; a rotated one is stored turned, with its orientation in EXIF."""
    from PIL import Image

    pixels = draw(spec, side).pixels
    if spec.is_rotated:
        pixels = np.ascontiguousarray(np.rot90(pixels))
    image, target = Image.fromarray(pixels), BytesIO()
    exif = image.getexif()
    if spec.is_rotated:
        exif[0x0112] = ROTATED
    image.save(target, "JPEG", quality=JPEG_QUALITY, exif=exif)
    return target.getvalue()


def _scene(rng: np.random.Generator, place: int) -> str:
    if rng.random() < SHARES.anywhere_scene:
        return str(rng.choice(ANYWHERE_SCENES))
    own = PLACES[place].scene
    if rng.random() < SHARES.own_scene:
        return own
    others = [scene for scene in SCENES[PLACES[place].category] if scene != own]
    return str(rng.choice(others))


@cache
def _portrait() -> tuple[Pixels, npt.NDArray[np.uint8]]:
    from PIL import Image

    with Image.open(PORTRAIT) as person, Image.open(PORTRAIT_MASK) as mask:
        return np.asarray(person.convert("RGB")), np.asarray(mask.convert("L"))


def _paste_portrait(rng: np.random.Generator, pixels: Pixels, portrait: Portrait) -> Picture:
    """Put the person into the picture: filling most of it, or at its left or right edge."""
    import cv2

    height, width = pixels.shape[:2]
    if portrait == "full":
        scale = width / rng.uniform(108, 128)
        x, y = -rng.uniform(42, 54) * scale, -rng.uniform(8, 22) * scale
    else:
        scale = rng.uniform(0.62, 0.8) * min(height, width) / 256
        x, y = -rng.uniform(5, 30) * scale, height - 256 * scale
    matrix = np.array([[scale, 0, x], [0, scale, y]])
    if rng.random() < 0.5:
        matrix[0] = -scale, 0, width - x
    person, alpha = _portrait()
    left, top, right, bottom = FACE[0], FACE[1], FACE[0] + FACE[2], FACE[1] + FACE[3]
    face = np.zeros_like(alpha)
    face[top:bottom, left:right] = alpha[top:bottom, left:right]
    warped = cv2.warpAffine(person, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(alpha, matrix, (width, height), flags=cv2.INTER_LINEAR)[..., None].astype(np.float32) / 255
    mixed = warped * np.float32(rng.uniform(0.8, 1.1)) * share + pixels * (1 - share)
    is_face = cv2.warpAffine(face, matrix, (width, height), flags=cv2.INTER_LINEAR) > 127
    return Picture(np.clip(mixed, 0, 255).astype(np.uint8), share[..., 0] > 0.5, np.asarray(is_face))


def _develop(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """The camera and its filter: white balance, exposure, contrast, vignette, softness, grain."""
    import cv2

    if rng.random() < 0.15:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.6, 1.4)), np.uint8)
    height, width = pixels.shape[:2]
    balance = np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
    exposure, contrast = np.float32(np.exp(rng.normal(0, 0.14))), np.float32(np.exp(rng.normal(0, 0.10)))
    picture = (pixels * (balance * exposure) - 118) * contrast + 118
    if rng.random() < 0.4:
        rows, columns = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
        picture *= 1 - np.float32(rng.uniform(0.1, 0.22)) * (rows[:, None, None] ** 2 + columns[None, :, None] ** 2)
    grain = rng.standard_normal((height, width), np.float32)[..., None]
    return np.clip(picture + grain * np.float32(rng.uniform(1.5, 6)), 0, 255).astype(np.uint8)

"""Picture bytes to pixels and back: checked before decoding, upright, RGB, and written without metadata.

Law: nothing but pixels survives: no EXIF, GPS, XMP, comment, thumbnail or colour profile.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.picture_headers import FAULTS_OF_BYTES, HeaderLimits, OpenedPicture, open_picture

if TYPE_CHECKING:
    from PIL import Image

LIMITS = HeaderLimits()
ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held; with 5 to 8 width and height change places."""

Picture: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB."""

Mask: TypeAlias = NDArray[np.bool_]
"""Height x width, True = person, to be filled."""


class UnreadablePicture(ValueError):  # noqa: N818 (an outcome of a picture, counted, not an error of the program)
    """The bytes are no picture we take; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class DecodedPicture:
    """Upright pixels, perhaps reduced; the height and width of the whole picture, upright; how many frames it has."""

    picture: Picture
    size: tuple[int, int]
    num_frames: int


def decode_picture(data: bytes | None, min_side_px: int | None = None) -> Picture:
    """Upright RGB pixels of the first frame, transparency on white; the rest as in `decode_sized`."""
    return decode_sized(data, min_side_px).picture


def decode_sized(data: bytes | None, min_side_px: int | None = None) -> DecodedPicture:
    """The pixels beside the size that the whole picture has.

    min_side_px: who needs a small picture only gets a JPEG at the largest reduction (1/2, 1/4, 1/8) that leaves both
    sides so long; it costs less than the whole. Other formats come whole.

    Raises:
        UnreadablePicture: `original_gone` (None), a reason of `open_picture` (before a pixel is decoded), or
            `truncated`.
    """
    opened = _opened(data)
    image = opened.image
    assert image is not None
    try:
        size = _upright_size(image)
        if min_side_px is not None:
            image.draft(None, (min_side_px, min_side_px))
        upright = _upright(_on_white(image), _orientation(image))
        picture = np.array(upright)  # a copy: what Pillow lends is read-only
    except FAULTS_OF_BYTES:
        raise UnreadablePicture("truncated") from None
    return DecodedPicture(picture=picture, size=size, num_frames=opened.num_frames)


def encode_clean(picture: Picture, quality: int = 95) -> bytes:
    """JPEG bytes of the pixels alone, equal for equal pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_mask(mask: Mask) -> bytes:
    """1-bit PNG, 1 = person; OpenCV writes it in two thirds of Pillow's time and bytes."""
    import cv2

    options = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 6]
    is_done, png = cv2.imencode(".png", mask.astype(np.uint8), options)
    assert is_done
    return bytes(png)


def decode_mask(data: bytes) -> Mask:
    """The mask of `encode_mask`."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)).convert("1"))


def _opened(data: bytes | None) -> OpenedPicture:
    if data is None:
        raise UnreadablePicture("original_gone")
    opened = open_picture(data, LIMITS)
    if opened.image is None:
        raise UnreadablePicture(opened.outcome)
    return opened


def _orientation(image: "Image.Image") -> int:
    stated = image.getexif().get(ORIENTATION, 1)
    return stated if isinstance(stated, int) else 1


def _upright_size(image: "Image.Image") -> tuple[int, int]:
    width, height = image.size
    return (width, height) if _orientation(image) in (5, 6, 7, 8) else (height, width)


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I;16"):  # Pillow would cut what is above 255 off
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")

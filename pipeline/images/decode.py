"""Picture bytes to pixels and back: checked before decoding, upright, RGB, and written without metadata.

Law: nothing but pixels survives: no EXIF, GPS, XMP, comment, thumbnail or colour profile.
"""

import io
import warnings
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 50_000_000
MIN_SIDE_PX = 16

Picture: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB."""

Mask: TypeAlias = NDArray[np.bool_]
"""Height x width, True = person, to be filled."""


class UnreadablePicture(ValueError):  # noqa: N818 (an outcome of a picture, counted, not an error of the program)
    """The bytes are no picture we take; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_picture(data: bytes | None) -> Picture:
    """Upright RGB pixels of the first frame, transparency on white.

    Raises:
        UnreadablePicture: `original_gone` (None), `not_an_image`, `unsupported_format`, `too_many_pixels`,
            `too_small` (all from the header, before a pixel is decoded) or `truncated`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if data is None:
        raise UnreadablePicture("original_gone")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            raise UnreadablePicture("not_an_image") from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise UnreadablePicture("too_many_pixels") from None
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise UnreadablePicture("too_many_pixels")
        if min(width, height) < MIN_SIDE_PX:
            raise UnreadablePicture("too_small")
        try:
            upright = ImageOps.exif_transpose(image)
            return np.array(_on_white(upright))  # a copy: what Pillow lends is read-only
        except (OSError, SyntaxError, ValueError):
            raise UnreadablePicture("truncated") from None


def encode_clean(picture: Picture, quality: int = 95) -> bytes:
    """JPEG bytes of the pixels alone, equal for equal pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_mask(mask: Mask) -> bytes:
    """1-bit PNG, 1 = person."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def decode_mask(data: bytes) -> Mask:
    """The mask of `encode_mask`."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)).convert("1"))


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")

"""A picture's bytes: judged by size, first bytes and header, decoded to pixels, and written again without metadata.

Judging decodes no pixel. Covered: what is no picture, foreign formats, cut files, decompression bombs, strips, tiny
pictures, headers that hold megabytes of metadata, files that are much work (`pipeline.picture_parts`).
Damaged metadata is no fault of the pixels: it is left out.
Not covered: bytes changed in the middle of a JPEG, which no decoder notices (its digest does).
Pixels are upright and sRGB; where EXIF cannot be read, a picture stands as it is stored.
Law: nothing but pixels survives: no EXIF, GPS, XMP, comment, thumbnail or colour profile.
"""

import io
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.picture_parts import MAX_METADATA_BYTES, CostlyPicture, as_srgb, check_work, without_metadata

if TYPE_CHECKING:
    from PIL import Image


OK = "ok"
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}
_TOO_MUCH = re.compile("too large|Too much memory")  # Pillow's words of texts and profiles that are packed small
_END = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_FOREIGN = (
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"%!PS",
    b"%PDF",
    b"SIMPLE  =",
    b"\0\0\1\0",
    b"8BPS",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",
)
FAULTS_OF_BYTES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    OverflowError,
    struct.error,
    LookupError,
    TypeError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    Warning,
)
"""What Pillow raises over hostile bytes; not MemoryError, which is no fault of the picture."""
ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held; with 5 to 8 width and height change places."""
Picture: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB."""
Decode: TypeAlias = Callable[[bytes, int], Picture]
"""From bytes and the side that is needed to pixels, as `decode_picture` does it."""
Mask: TypeAlias = NDArray[np.bool_]
"""Height x width, True = person, to be filled."""


@dataclass(frozen=True, kw_only=True)
class HeaderLimits:
    """Beyond these a picture is not decoded."""

    max_pixels: int = 50_000_000
    min_side_px: int = 16
    max_aspect_ratio: float = 20


@dataclass(frozen=True, kw_only=True)
class OpenedPicture:
    """What the header says, and `image`, not decoded, where `outcome` is `ok`; the sides as stored, not upright."""

    outcome: str
    image: "Image.Image | None" = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    num_frames: int = 1


def open_picture(data: bytes, limits: HeaderLimits) -> OpenedPicture:
    """The picture, or why it is not taken: `not_an_image`, `unsupported_format`, `bad_header`, `too_many_pixels`,
    `too_small`, `too_narrow`, `too_many_scans` or `truncated`. A cut that keeps the end's mark shows only when pixels
    are decoded.
    """
    from PIL import Image

    kind = _stated_format(data)
    if kind is None:
        return OpenedPicture(outcome=_not_ours(data))
    _set_warnings()
    try:
        image, num_metadata_bytes, num_frames = _header(data, kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return OpenedPicture(outcome="too_many_pixels")
    except CostlyPicture as costly:
        return OpenedPicture(outcome=costly.reason)
    except FAULTS_OF_BYTES as error:  # an OSError: begins as a picture and has no whole header
        is_cut = isinstance(error, OSError) or not has_end(data, kind)
        return OpenedPicture(outcome="truncated" if is_cut else "bad_header")
    outcome = _outcome(image.size, num_metadata_bytes, limits)
    if outcome == OK and not has_end(data, kind):
        outcome = "truncated"
    return OpenedPicture(
        outcome=outcome,
        image=image if outcome == OK else None,
        width=image.width,
        height=image.height,
        format=kind,
        num_frames=num_frames,
    )


def _header(data: bytes, kind: str) -> "tuple[Image.Image, int, int]":
    """The image, not decoded, its bytes of metadata and its frames; read without metadata where that is damaged."""
    try:
        image = _open(data, kind)
        return image, _metadata_bytes(image), _frames(image)
    except FAULTS_OF_BYTES as error:
        if isinstance(error, Warning | CostlyPicture) or _TOO_MUCH.search(str(error)):
            raise
    image = _open(without_metadata(data, kind), kind)
    return image, _metadata_bytes(image), _frames(image)


def _open(data: bytes, kind: str) -> "Image.Image":
    from PIL import Image

    check_work(data, kind)
    return Image.open(io.BytesIO(data), formats=(kind,))


def load_pixels(image: "Image.Image", data: bytes) -> "Image.Image":
    """The opened image of these bytes with its pixels decoded; without its metadata where that leads astray.

    Raises:
        FAULTS_OF_BYTES: the pixels are damaged.
    """
    try:
        image.load()
        return image
    except FAULTS_OF_BYTES:
        kind = {"PNG": "PNG", "MPO": "JPEG"}.get(image.format or "")  # texts behind the pixels; an index of pictures
        if kind is None:
            raise
        bare = _open(without_metadata(data, kind), kind)
        bare.load()
        return bare


def has_end(data: bytes, kind: str) -> bool:
    """Whether the mark of a picture's end stands somewhere in the bytes."""
    if kind == "WEBP":
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    return data.rfind(_END[kind]) >= 0


def has_more_behind_its_end(data: bytes, kind: str) -> bool:
    """Whether something follows the last mark of an end: then that may be the end of a thumbnail inside."""
    end = _END.get(kind)
    return end is not None and bool(data[data.rfind(end) + len(end) :].strip(b"\0\r\n "))


def _stated_format(data: bytes) -> str | None:
    kind = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    is_other_riff = kind == "WEBP" and not b"WEBP".startswith(data[8:12])  # sound and films
    return None if is_other_riff else kind


def _not_ours(data: bytes) -> str:
    if data.startswith(_FOREIGN) or data[4:8] == b"ftyp" or b"<svg" in data[:1000]:  # ftyp: HEIC and AVIF
        return "unsupported_format"
    return "not_an_image"


def _outcome(size: tuple[int, int], num_metadata_bytes: int, limits: HeaderLimits) -> str:
    width, height = size
    if width * height > limits.max_pixels:
        return "too_many_pixels"
    if min(size) < limits.min_side_px:
        return "too_small"
    if max(size) > limits.max_aspect_ratio * min(size):
        return "too_narrow"
    return "bad_header" if num_metadata_bytes > MAX_METADATA_BYTES else OK


def _metadata_bytes(image: "Image.Image") -> int:
    """How much of the file is no pixels: profiles, EXIF, XMP, comments, texts, and a JPEG's other segments."""
    stated = sum(len(value) for value in image.info.values() if isinstance(value, str | bytes))
    return max(stated, sum(len(data) for _, data in getattr(image, "applist", ())))


def _frames(image: "Image.Image") -> int:
    """As the header claims, within 32 bits."""
    return min(getattr(image, "n_frames", 1), 2**31 - 1)


def _set_warnings() -> None:
    """A bomb is an error, damaged metadata not worth a word: of Pillow's own modules, in the whole process and for
    good. Set and reset around a call, as `catch_warnings` does, it would reach whatever other threads do meanwhile.
    Done each time, since others reset filters.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("error", category=RuntimeWarning, module=r"PIL\.")


LIMITS = HeaderLimits()


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
    assert image is not None and data is not None
    width, height = image.size
    try:
        if min_side_px is not None:
            image.draft(None, (min_side_px, min_side_px))
        image = load_pixels(image, data)
        orientation = _orientation(image)
        picture = np.array(_upright(_on_white(image), orientation))  # a copy: what Pillow lends is read-only
    except FAULTS_OF_BYTES:
        raise UnreadablePicture("truncated") from None
    size = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
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
    """As EXIF states it; 1 where that is damaged."""
    try:
        stated = image.getexif().get(ORIENTATION, 1)
    except FAULTS_OF_BYTES:
        return 1
    return stated if isinstance(stated, int) else 1


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
    """Its colours in sRGB, without transparency."""
    from PIL import Image

    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):  # Pillow would cut what is above 255 off
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if profile is not None:
            opaque = as_srgb(rgba.convert("L" if image.mode in ("1", "L", "LA") else "RGB"), profile).convert("RGB")
            opaque.putalpha(rgba.getchannel("A"))
            rgba = opaque
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    image = as_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")

"""A picture's bytes judged by their size, first bytes and header, in one place for all who read pictures.

No pixel is decoded for it. Covered: what is no picture, foreign formats, cut files, decompression bombs, strips, tiny
pictures, headers that hold megabytes of metadata; Pillow's warnings count as errors.
Not covered: bytes changed in the middle of a JPEG, which no decoder notices (its digest does).
"""

import io
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

OK = "ok"
MAX_METADATA_BYTES = 4 * 1024**2  # the largest colour profiles of printers have 3 MB
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}
_END = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_FOREIGN = (b"GIF8", b"BM", b"II*\0", b"MM\0*", b"%!PS", b"%PDF", b"SIMPLE  =", b"\0\0\1\0", b"8BPS")
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
    AttributeError,
    Warning,
)
"""What Pillow raises over hostile bytes; not MemoryError, which is no fault of the picture."""


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
    `too_small`, `too_narrow` or `truncated`. A cut that keeps the end's mark shows only when pixels are decoded.
    """
    from PIL import Image, UnidentifiedImageError

    kind = _stated_format(data)
    if kind is None:
        return OpenedPicture(outcome=_not_ours(data))
    _make_warnings_errors()
    try:
        image = Image.open(io.BytesIO(data), formats=(kind,))
        num_metadata_bytes, num_frames = _metadata_bytes(image), getattr(image, "n_frames", 1)
    except UnidentifiedImageError:  # begins as a picture and has no whole header
        return OpenedPicture(outcome="truncated")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return OpenedPicture(outcome="too_many_pixels")
    except FAULTS_OF_BYTES as error:
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


def _make_warnings_errors() -> None:
    """Of Pillow's own modules, in the whole process and for good: set and reset around a call, as `catch_warnings`
    does, it would reach whatever other threads do meanwhile. Done each time, since others reset filters.
    """
    warnings.filterwarnings("error", module=r"PIL\.")

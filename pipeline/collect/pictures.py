"""Picture files beside a post: told apart from what is none by size, format and header, before a pixel is decoded.

Covered: HTML or JSON named .jpg, cut files, foreign formats, decompression bombs, tiny pictures.
Not covered: bytes changed in the middle of a JPEG, which no decoder notices.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.store.digests import bytes_digest, file_digest

if TYPE_CHECKING:
    from PIL import Image

OK = "ok"
FORMATS = ("JPEG", "PNG", "WEBP")
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}
_END = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_FOREIGN = (b"GIF8", b"BM", b"II*\0", b"MM\0*", b"%!PS", b"%PDF", b"SIMPLE  =", b"\0\0\1\0", b"8BPS")


@dataclass(frozen=True, kw_only=True)
class PictureLimits:
    """Beyond these a picture is not taken."""

    max_image_bytes: int
    max_image_pixels: int
    min_image_side_px: int


@dataclass(frozen=True, kw_only=True)
class CheckedPicture:
    """A picture file and its outcome: `ok`, or the reason; `data` is there for a good one only."""

    digest: str
    num_bytes: int
    outcome: str
    width: int | None = None
    height: int | None = None
    format: str | None = None
    data: bytes | None = None


def check_picture(path: Path, limits: PictureLimits) -> CheckedPicture:
    """The file's digest and outcome: `too_many_bytes`, `not_an_image`, `unsupported_format`, `bad_header`,
    `too_many_pixels`, `too_small`, `truncated` or `ok`.
    """  # fmt: skip
    num_bytes = path.stat().st_size
    if num_bytes > limits.max_image_bytes:
        return CheckedPicture(digest=file_digest(path), num_bytes=num_bytes, outcome="too_many_bytes")
    data = path.read_bytes()
    return check_bytes(data, limits)


def check_bytes(data: bytes, limits: PictureLimits) -> CheckedPicture:
    """The outcome of a picture's bytes, as `check_picture` tells it."""
    from PIL import Image, UnidentifiedImageError

    digest, num_bytes = bytes_digest(data), len(data)
    told = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    if told is None:
        return CheckedPicture(digest=digest, num_bytes=num_bytes, outcome=_not_ours(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                outcome = _outcome(image, data, limits)
                width, height, kind = image.width, image.height, image.format
    except UnidentifiedImageError:  # begins as a picture and has no whole header
        return CheckedPicture(digest=digest, num_bytes=num_bytes, outcome="truncated")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return CheckedPicture(digest=digest, num_bytes=num_bytes, outcome="too_many_pixels")
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError, Warning) as error:
        is_cut = isinstance(error, OSError) or not _has_end(data, told)
        return CheckedPicture(digest=digest, num_bytes=num_bytes, outcome="truncated" if is_cut else "bad_header")
    return CheckedPicture(
        digest=digest, num_bytes=num_bytes, outcome=outcome, width=width, height=height, format=kind,
        data=data if outcome == OK else None,
    )  # fmt: skip


def _not_ours(data: bytes) -> str:
    if data.startswith(_FOREIGN) or data[4:8] == b"ftyp":  # HEIC and AVIF
        return "unsupported_format"
    return "not_an_image"


def _outcome(image: "Image.Image", data: bytes, limits: PictureLimits) -> str:
    if image.width * image.height > limits.max_image_pixels:
        return "too_many_pixels"
    if min(image.size) < limits.min_image_side_px:
        return "too_small"
    return OK if _is_whole(image, data) else "truncated"


def _has_end(data: bytes, kind: str) -> bool:
    if kind == "WEBP":
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    return _END[kind] in data


def _is_whole(image: "Image.Image", data: bytes) -> bool:
    """Whether the end is there; a picture with something behind its end is decoded to be sure."""
    assert image.format is not None
    if not _has_end(data, image.format):
        return False
    end = _END.get(image.format)
    if end is None or not data.rpartition(end)[2].strip(b"\0\r\n "):
        return True
    try:  # an end inside (of the thumbnail) says nothing
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError):
        return False
    return True

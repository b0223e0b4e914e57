"""Picture files beside a post: told from other files by size, format and header, before a pixel is decoded.

Covered: HTML or JSON named .jpg, cut files, foreign formats, decompression bombs, tiny pictures.
Not covered: bytes changed in the middle of a JPEG, which no decoder notices.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.picture_bytes import FAULTS_OF_BYTES, OK, HeaderLimits, has_more_behind_its_end, open_picture
from pipeline.store.digests import bytes_digest, file_digest

__all__ = ["OK", "CheckedPicture", "PictureLimits", "check_bytes", "check_picture"]


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
    `too_many_pixels`, `too_small`, `too_narrow`, `truncated` or `ok`.
    """
    num_bytes = path.stat().st_size
    if num_bytes > limits.max_image_bytes:
        return CheckedPicture(digest=file_digest(path), num_bytes=num_bytes, outcome="too_many_bytes")
    data = path.read_bytes()
    return check_bytes(data, limits)


def check_bytes(data: bytes, limits: PictureLimits) -> CheckedPicture:
    """The outcome of a picture's bytes, as `check_picture` finds it.

    Something behind the end's mark makes it doubtful, and then the picture is decoded to be sure that it is whole.
    """
    opened = open_picture(data, HeaderLimits(max_pixels=limits.max_image_pixels, min_side_px=limits.min_image_side_px))
    outcome = opened.outcome
    if opened.image is not None and opened.format is not None and has_more_behind_its_end(data, opened.format):
        try:
            opened.image.load()
        except FAULTS_OF_BYTES:
            outcome = "truncated"
    return CheckedPicture(
        digest=bytes_digest(data),
        num_bytes=len(data),
        outcome=outcome,
        width=opened.width,
        height=opened.height,
        format=opened.format,
        data=data if outcome == OK else None,
    )

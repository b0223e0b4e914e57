"""Rules of posts and of the picture files beside them: what stands against one, in order, and its row in `posts`.

The same for archives and live pages.
Law: opted out, private, its place, its time, its media: the first rule against a post is its reason. Of a post that is
not taken nothing but its key and the reason goes on.
Pictures are known from other files by size, format and header, before a pixel is decoded. Covered: HTML or JSON named
.jpg, cut files, foreign formats, decompression bombs, tiny pictures, any byte of a PNG's pixels. Not covered: bytes
changed in the middle of a JPEG or WebP, which decoders seldom notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.collect.archive.fields import PostFields
from pipeline.picture_bytes import (
    FAULTS_OF_BYTES,
    OK,
    HeaderLimits,
    has_more_behind_its_end,
    load_pixels,
    open_picture,
)
from pipeline.picture_parts import are_pixels_whole
from pipeline.privacy.opt_out import OptOut
from pipeline.privacy.pseudonyms import Pseudonyms
from pipeline.store.digests import bytes_digest, file_digest
from pipeline.text.captions import hashtags

__all__ = ["OK", "CheckedPicture", "PictureLimits", "check_bytes", "check_picture"]
OPTED_OUT = "opted_out"
"""The reason of a post one of whose authors wants to be left out; it has no row in `posts`."""


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
    `too_many_pixels`, `too_small`, `too_narrow`, `too_many_scans`, `truncated` or `ok`.
    """
    num_bytes = path.stat().st_size
    if num_bytes > limits.max_image_bytes:
        return CheckedPicture(digest=file_digest(path), num_bytes=num_bytes, outcome="too_many_bytes")
    data = path.read_bytes()
    return check_bytes(data, limits)


def check_bytes(data: bytes, limits: PictureLimits) -> CheckedPicture:
    """The outcome of a picture's bytes, as `check_picture` finds it.

    Something behind the end's mark makes it doubtful, and then the picture is decoded to be sure that it is whole.
    Of a PNG the check sums are compared, at a tenth of the digest's cost.
    """
    opened = open_picture(data, HeaderLimits(max_pixels=limits.max_image_pixels, min_side_px=limits.min_image_side_px))
    outcome = opened.outcome
    if opened.image is not None and opened.format is not None and has_more_behind_its_end(data, opened.format):
        try:
            load_pixels(opened.image, data)
        except FAULTS_OF_BYTES:
            outcome = "truncated"
    if outcome == OK and opened.format == "PNG" and not are_pixels_whole(data):
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


@dataclass(frozen=True, kw_only=True)
class PostRules:
    """The rules and pseudonyms of one city.

    poi_of_location: the matched locations. source: archive | demo | live.
    """

    pseudonyms: Pseudonyms
    poi_of_location: Mapping[str, str]
    opt_out: OptOut
    source: str

    def reason(self, fields: PostFields, *, num_pictures: int, has_video: bool) -> str:
        """The first rule against a post, "" where there is none."""
        if self.opt_out.covers(fields.author_names, fields.media_id):
            return OPTED_OUT
        if fields.is_private:
            return "private"
        if fields.location is None:
            return "no_place"
        if fields.location.location_id not in self.poi_of_location:
            return "unmatched_place"
        if fields.taken_utc is None:
            return "bad_time"
        if not num_pictures and has_video and all(fields.is_videos or (True,)):
            return "video"
        return ""

    def author_keys(self, fields: PostFields) -> list[str]:
        """The pseudonyms of all names of a post's authors, by which it is found when one of them opts out later."""
        return [self.pseudonyms.user_key(name) for name in fields.author_names]

    def row(self, fields: PostFields, digests: list[str], retrieved_utc: datetime) -> dict[str, Any]:
        """The row of a post against which there is no rule."""
        assert fields.location is not None and fields.taken_utc is not None
        latitude, longitude = fields.coordinates or (None, None)
        return {
            "post_key": self.pseudonyms.post_key(fields.media_id),
            "media_key": self.pseudonyms.media_key(fields.media_id),
            "user_key": self.pseudonyms.user_key(fields.owner),
            "poi_id": self.poi_of_location[fields.location.location_id],
            "location_id": fields.location.location_id,
            "taken_utc": fields.taken_utc,
            "caption": fields.caption,
            "hashtags": hashtags(fields.caption),
            "image_digests": digests,
            "num_media": len(fields.is_videos) if fields.is_videos else max(1, len(digests)),
            "latitude": latitude,
            "longitude": longitude,
            "source": self.source,
            "retrieved_utc": retrieved_utc,
            "state": "active",
        }


def image_row(picture: CheckedPicture) -> dict[str, Any]:
    """The row of a picture in `images`, whatever its outcome."""
    names = ("digest", "width", "height", "format", "num_bytes", "outcome")
    return {name: getattr(picture, name) for name in names}

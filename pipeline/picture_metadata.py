"""What a picture's bytes hold beside its pixels: colour profiles are applied, damaged parts are left out.

Colours: pixels under a usable profile become sRGB, as viewers show them. A profile that is broken, of another kind of
pixels (one for print beside RGB), or sRGB itself to the eye changes nothing; without one pixels are taken for sRGB.
Not covered: colour spaces that only EXIF, `gAMA` or `cICP` state.

Damage: `without_metadata` keeps what a decoder needs for the pixels. What a part claims of its own length is not
trusted once its check sum is wrong. Not covered: a JPEG's segment that claims more bytes than it has.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

MAX_DIFFERENCE = 2
"""of 255 levels: the sRGB profiles that cameras, phones and web sites write differ from each other by less."""

_MODE_OF_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
_STEPS = np.arange(0, 256, 51, dtype=np.uint8)
_JPEG_MARK = re.compile(rb"\xff[\xc0-\xcf\xda\xdb\xdd\xe0-\xef\xfe]")
_JPEG_SCAN, _JPEG_JFIF, _JPEG_ICC, _JPEG_ADOBE = b"\xff\xda", b"\xff\xe0", b"\xff\xe2", b"\xff\xee"
_PNG_NEEDED = re.compile(rb"PLTE|tRNS|IDAT|IEND")
_WEBP_NEEDED = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_HAS_EXIF_OR_XMP = 0b1100


def as_srgb(image: "Image", profile: object) -> "Image":
    """The image without transparency, in sRGB under this profile; itself where there is nothing to convert."""
    from PIL import ImageCms

    if not isinstance(profile, bytes):
        return image
    mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
    transform = _transform(profile, mode)
    if transform is None:
        return image
    return ImageCms.applyTransform(image.convert(transform.input_mode), transform) or image


@lru_cache(maxsize=8)  # a camera writes the same into all its pictures
def _transform(profile: bytes, mode: str) -> "ImageCmsTransform | None":
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        taken = _MODE_OF_SPACE.get(source.profile.xcolor_space.strip())
        if taken is None or (taken != mode and (mode, taken) != ("L", "RGB")):
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            taken,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if _changes_nothing(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(transform: "ImageCmsTransform") -> bool:
    from PIL import Image, ImageCms

    if transform.input_mode == "CMYK":
        return False
    if transform.input_mode == "L":
        levels = np.arange(256, dtype=np.uint8)[None]
        expected = np.stack([levels] * 3, axis=-1)
    else:
        levels = expected = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(1, -1, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(levels), transform), dtype=np.int16)
    return bool(np.abs(converted - expected).max() <= MAX_DIFFERENCE)


def without_metadata(data: bytes, kind: str) -> bytes:
    """The picture's bytes with the parts that its pixels and colours need."""
    if kind == "JPEG":
        return data[:2] + b"".join(_jpeg_needed(data))
    if kind == "PNG":
        return data[:8] + b"".join(_png_needed(data))
    body = b"WEBP" + b"".join(_webp_needed(data))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _jpeg_needed(data: bytes) -> Iterator[bytes]:
    end = 2
    while (mark := _JPEG_MARK.search(data, end)) is not None:
        begin, kind = mark.start(), mark.group()
        if b"\xff\xd8" in data[end:begin]:  # the rest of a segment, with a thumbnail in it
            return
        if kind == _JPEG_SCAN:
            yield data[begin:]
            return
        end = begin + 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
        body = data[begin + 4 : end]
        if (
            kind < _JPEG_JFIF
            or (kind == _JPEG_JFIF and body.startswith(b"JFIF\0"))
            or (kind == _JPEG_ICC and body.startswith(b"ICC_PROFILE\0") and len(body) > 14)
            or (kind == _JPEG_ADOBE and body.startswith(b"Adobe") and len(body) >= 12)
        ):
            yield data[begin:end]


def _png_needed(data: bytes) -> Iterator[bytes]:
    begin = 8
    while begin + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, begin)
        chunk = data[begin : begin + 12 + length]
        is_critical, is_whole = name[:1].isupper(), chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4]))
        if is_critical or (is_whole and name in (b"tRNS", b"iCCP")):
            yield chunk
        if is_critical or is_whole:
            begin += 12 + length
        elif (following := _PNG_NEEDED.search(data, begin + 8)) is not None:
            begin = following.start() - 4
        else:
            return


def are_pixels_whole(png: bytes) -> bool:
    """Whether every part of a PNG that its pixels need has its check sum."""
    begin = 8
    while begin + 12 <= len(png):
        length, name = struct.unpack_from(">I4s", png, begin)
        end = begin + 12 + length
        sum_of_it = struct.pack(">I", zlib.crc32(memoryview(png)[begin + 4 : end - 4]))
        if name[:1].isupper() and png[end - 4 : end] != sum_of_it:
            return False
        begin = end
        if name == b"IEND":
            break
    return True


def _webp_needed(data: bytes) -> Iterator[bytes]:
    begin = 12
    while begin + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, begin)
        end = begin + 8 + length + length % 2
        if name == b"VP8X":
            yield data[begin : begin + 8] + bytes([data[begin + 8] & ~_WEBP_HAS_EXIF_OR_XMP]) + data[begin + 9 : end]
        elif name in _WEBP_NEEDED:
            yield data[begin:end]
        begin = end

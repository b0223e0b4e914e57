"""A picture's file, part by part: the work that it makes, the colours that its pixels mean, and what is damaged.

Work: a progressive JPEG goes over its pixels once for each scan, and a scan of nothing but runs of zeros takes a few
bytes: 342 kB held 2,000 of them, minutes of work. Parts of a few bytes each cost a decoder as much as large ones; a
packed part of a PNG may become a thousand times its size. No more is read here than the limits allow, and what is
counted is what a decoder does, not what a header claims.

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
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

MAX_SCANS = 100
"""Encoders write 1 to 11 (mozjpeg's search ends there, too), hand-made scripts of `jpegtran` 100 at most."""
MAX_SCANNED_PIXELS = 2_000_000_000
"""of all scans together: 0.8 s of a core per 10^9, up to twice that where they are coded arithmetically"""
MAX_METADATA_BYTES = 4 * 1024**2
"""the largest colour profiles of printers have 3 MB"""
MAX_JPEG_PARTS, MAX_PNG_PARTS = 1_000, 100_000
MAX_PNG_PACKED = 500
"""profiles and texts, which are unpacked one by one, each to a megabyte at most, whether it is kept or not"""
MAX_GAP_BYTES = 1024**2
"""between the segments of a JPEG, where nothing belongs; Pillow goes over it byte by byte"""

_MARK = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # the others have no length, or are passed over
_SCAN_MARK = re.compile(rb"\xff\xda")
_SCAN, _END = 0xDA, 0xD9
_PACKED = frozenset({b"iCCP", b"zTXt", b"iTXt"})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})

MAX_DIFFERENCE = 2
"""of 255 levels: the sRGB profiles that cameras, phones and web sites write differ from each other by less."""

_MODE_OF_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
_STEPS = np.arange(0, 256, 51, dtype=np.uint8)
_JPEG_MARK = re.compile(rb"\xff[\xc0-\xcf\xda\xdb\xdd\xe0-\xef\xfe]")
_JPEG_SCAN, _JPEG_JFIF, _JPEG_ICC, _JPEG_ADOBE = b"\xff\xda", b"\xff\xe0", b"\xff\xe2", b"\xff\xee"
_PNG_NEEDED = re.compile(rb"PLTE|tRNS|IDAT|IEND")
_WEBP_NEEDED = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_HAS_EXIF_OR_XMP = 0b1100


class CostlyPicture(ValueError):  # noqa: N818 (an outcome of a picture, counted, not an error of the program)
    """To open or decode the picture would take more work than a picture needs; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_work(data: bytes, kind: str) -> None:
    """Nothing, where the picture may be opened.

    Raises:
        CostlyPicture: `too_many_scans`, or `bad_header` for too many parts or too much metadata before the pixels.
    """
    if kind == "JPEG":
        _check_jpeg(data)
    elif kind == "PNG":
        _check_png(data)


def _check_png(data: bytes) -> None:
    num_packed = 0
    for number, begin in enumerate(_png_parts(data)):
        num_packed += data[begin + 4 : begin + 8] in _PACKED
        if number == MAX_PNG_PARTS or num_packed > MAX_PNG_PACKED:
            raise CostlyPicture("bad_header")


def _check_jpeg(data: bytes) -> None:
    """Scans are looked for one by one only where they may be many."""
    num_metadata_bytes = num_gap_bytes = num_scans = 0
    most_scans = MAX_SCANS
    for number, (mark, begin, end, gap) in enumerate(_jpeg_parts(data)):
        num_metadata_bytes += end - begin if mark in _METADATA else 0
        num_gap_bytes += gap
        is_header_costly = num_metadata_bytes > MAX_METADATA_BYTES or num_gap_bytes > MAX_GAP_BYTES
        if number == MAX_JPEG_PARTS or (is_header_costly and num_scans == 0):
            raise CostlyPicture("bad_header")
        if mark in _FRAMES:
            height, width = struct.unpack(">HH", data[begin + 3 : begin + 7].ljust(4, b"\0"))
            most_scans = min(most_scans, MAX_SCANNED_PIXELS // max(1, height * width))
            if most_scans < 10:
                return  # it has so many pixels that it is refused for them
        if mark == _SCAN:
            num_scans += 1
            if num_scans == 1 and len(list(islice(_SCAN_MARK.finditer(data, begin), most_scans))) < most_scans:
                return  # a tenth of the time that `bytes.count` takes
            if num_scans > most_scans:
                raise CostlyPicture("too_many_scans")


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of each segment of the first picture, as decoders go: its mark, where it begins behind that and ends, and the
    number of bytes between the last one and it.
    """
    end = 2
    while (found := _MARK.search(data, end)) is not None:
        mark, begin, gap = data[found.end() - 1], found.end(), found.start() - end
        if mark == _END:
            return
        end = begin + max(2, int.from_bytes(data[begin : begin + 2], "big"))
        yield mark, begin, end, gap


def _png_parts(data: bytes) -> Iterator[int]:
    """Where each chunk begins."""
    begin = 8
    while begin + 12 <= len(data):
        yield begin
        begin += 12 + int.from_bytes(data[begin : begin + 4], "big")


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

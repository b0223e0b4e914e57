"""Pictures of the fault cases M1 to M3: those that are refused, with their reasons, and odd ones that are taken."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.fakes.pictures import encoded, pixels

JPEG = encoded(pixels(1, (200, 160)), quality=90)
PNG, WEBP = (encoded(pixels(1, (200, 160)), kind) for kind in ("PNG", "WEBP"))
HUGE = b"x" * (4 * 1024**2 + 1)


def png_header(width: int, height: int) -> bytes:
    """A small PNG whose header says it is this large."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    small = encoded(pixels(), "PNG")
    return small[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + small[33:]


def _png_with(kind: bytes, body: bytes) -> bytes:
    small = encoded(pixels(), "PNG")
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return small[:33] + chunk + small[33:]


def with_scans(num_scans: int, size: tuple[int, int] = (64, 48), **options) -> bytes:
    """A progressive JPEG of so many scans (10 or more): the last one, which is over all pixels, again and again."""
    data = encoded(pixels(1, size), progressive=True, **options)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (num_scans - data.count(b"\xff\xda")) + data[-2:]


def with_segments(number: int, segment: bytes = b"\xff\xfe\0\2") -> bytes:
    """A JPEG with so many segments before its own; as it stands, they are empty comments."""
    return JPEG[:2] + segment * number + JPEG[2:]


def _cuts() -> dict[str, tuple[bytes, str]]:
    whole = {"JPEG": JPEG, "PNG": PNG, "WebP": WEBP}
    cuts = {
        f"{name} cut at {kept:.0%}": (data[: max(16, int(kept * len(data)))], "truncated")
        for name, data in whole.items()
        for kept in (0.01, 0.5, 0.99)
    }
    return cuts | {f"{name} without its last two bytes": (data[:-2], "truncated") for name, data in whole.items()}


REFUSED: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "not_an_image"),
    "HTML": (b"<html><body>login</body></html>", "not_an_image"),
    "JSON": (b'{"status": "fail"}', "not_an_image"),
    **_cuts(),
    "a cut picture with a whole thumbnail": (
        encoded(pixels(1, (200, 160)), quality=90, comment=encoded(pixels()))[:-900],
        "truncated",
    ),
    "40,000 x 40,000": (png_header(40_000, 40_000), "too_many_pixels"),
    "100 Mpx": (png_header(10_000, 10_000), "too_many_pixels"),
    "64 Mpx": (png_header(8_000, 8_000), "too_many_pixels"),
    "1 x 1": (png_header(1, 1), "too_small"),
    "1 x 20,000": (png_header(1, 20_000), "too_small"),
    "20,000 x 400": (png_header(20_000, 400), "too_narrow"),
    "a colour profile of 4 MB": (encoded(pixels(), icc_profile=HUGE), "bad_header"),
    "a text of 4 MB packed small": (_png_with(b"zTXt", b"k\0\0" + zlib.compress(HUGE)), "bad_header"),
    "a JPEG of 2,000 scans": (with_scans(2_000), "too_many_scans"),
    "50,000 comments of nothing": (with_segments(50_000), "bad_header"),
    "EXIF of 4 MB": (encoded(pixels(), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + HUGE), "bad_header"),
    "GIF": (encoded(pixels(), "GIF"), "unsupported_format"),
    "a GIF that moves": (
        encoded(pixels(), "GIF", save_all=True, append_images=[Image.fromarray(pixels(1))]),
        "unsupported_format",
    ),
    "BMP": (encoded(pixels(), "BMP"), "unsupported_format"),
    "TIFF": (encoded(pixels(), "TIFF"), "unsupported_format"),
    "AVIF": (b"\0\0\0\x20ftypavif" + b"\0" * 40, "unsupported_format"),
    "HEIC": (b"\0\0\0\x20ftypheic" + b"\0" * 40, "unsupported_format"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0", "unsupported_format"),
    "FITS": (b"SIMPLE  =                    T", "unsupported_format"),
}


def _mode(mode: str) -> bytes:
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(np.full((40, 40), 40_000, dtype=np.uint16)).save(buffer, "PNG")
    else:
        Image.fromarray(pixels()).convert(mode).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    return buffer.getvalue()


def _frames(kind: str) -> bytes:
    return encoded(pixels(), kind, save_all=True, append_images=[Image.fromarray(pixels(seed)) for seed in (1, 2)])


TAKEN: dict[str, bytes] = {
    **{mode: _mode(mode) for mode in ("RGBA", "LA", "L", "P", "CMYK", "1", "I;16")},
    "a PNG that moves": _frames("PNG"),
    "a WebP that moves": _frames("WEBP"),
    "MPO": _frames("MPO"),
    "progressive": encoded(pixels(), progressive=True),
}


def flipped(seed: int) -> bytes:
    """A JPEG with three bytes changed."""
    rng = np.random.default_rng(seed)
    data = bytearray(JPEG)
    for at in rng.integers(0, len(data), 3):
        data[at] = rng.integers(0, 256)
    return bytes(data)

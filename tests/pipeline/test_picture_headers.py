"""Headers: what is refused before a pixel is decoded, and that Pillow's warnings reach nobody else."""

import struct
import threading
import warnings
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.picture_bytes import MAX_METADATA_BYTES, HeaderLimits, open_picture
from tests.fakes.pictures import encoded, pixels

LIMITS = HeaderLimits(max_pixels=1_000_000, min_side_px=32)
HUGE = b"x" * (MAX_METADATA_BYTES + 1)
EXIF_OF_NOTHING = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"


def png_with(kind: bytes, body: bytes) -> bytes:
    """A PNG with a chunk of its own before the pixels."""
    small = encoded(pixels(), "PNG")
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return small[:33] + chunk + small[33:]


def png_with_texts(number: int, size: int) -> bytes:
    """A PNG with many texts that are packed small."""
    texts = PngInfo()
    for at in range(number):
        texts.add_text(f"k{at}", "x" * size, zip=True)
    return encoded(pixels(), "PNG", pnginfo=texts)


@pytest.mark.fault("M2")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(pixels(), icc_profile=HUGE), id="JPEG: colour profile"),
        pytest.param(encoded(pixels(), "WEBP", icc_profile=HUGE), id="WebP: colour profile"),
        pytest.param(encoded(pixels(), "WEBP", exif=EXIF_OF_NOTHING + HUGE), id="WebP: EXIF"),
        pytest.param(encoded(pixels(), "PNG", exif=EXIF_OF_NOTHING + HUGE), id="PNG: EXIF"),
        pytest.param(png_with(b"iCCP", b"k\0\0" + zlib.compress(HUGE)), id="PNG: a profile packed small"),
        pytest.param(png_with(b"zTXt", b"k\0\0" + zlib.compress(HUGE)), id="PNG: a text packed small"),
        pytest.param(png_with_texts(9, 500_000), id="PNG: many texts packed small"),
        pytest.param(png_with(b"tEXt", b"k\0" + HUGE), id="PNG: a text"),
        pytest.param(encoded(pixels(), "WEBP", xmp=HUGE), id="WebP: XMP"),
    ],
)
def test_a_header_of_megabytes_is_refused(data):
    opened = open_picture(data, LIMITS)
    assert (opened.outcome, opened.image) == ("bad_header", None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_profile_of_a_printer_is_no_fault(kind):
    assert open_picture(encoded(pixels(), kind, icc_profile=b"x" * 600_000), LIMITS).outcome == "ok"


@pytest.mark.fault("M2")
@pytest.mark.parametrize("catch", [warnings.catch_warnings, None], ids=["others ignore warnings", "as it is"])
def test_a_bomb_of_which_pillow_only_warns_is_refused_and_no_pixel_opened(catch, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # 64 x 48 lies between once and twice that
    with warnings.catch_warnings():
        if catch is not None:
            warnings.simplefilter("ignore")
        assert open_picture(encoded(pixels()), LIMITS).outcome == "too_many_pixels"


@pytest.mark.fault("M16")
def test_metadata_that_pillow_warns_of_is_no_fault_of_the_picture():
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\0" + b"\x1a\x01\x05\0\xff\0\0\0\xff\xff\xff\0" * 3
    assert open_picture(encoded(pixels(), exif=broken), LIMITS).outcome == "ok"


def test_warnings_of_others_stay_warnings_meanwhile():
    """A filter set around the call would reach the other threads: torch warns while pictures are decoded."""
    told: list[str] = []
    is_over = threading.Event()

    def warn_on_and_on() -> None:
        while not is_over.is_set():
            try:
                warnings.warn("from elsewhere", stacklevel=1)
            except UserWarning as error:
                told.append(str(error))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thread = threading.Thread(target=warn_on_and_on)
        thread.start()
        for seed in range(100):
            assert open_picture(encoded(pixels(seed)), LIMITS).outcome == "ok"
        is_over.set()
        thread.join()
    assert told == []


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        pytest.param((1000, 1000), "ok", id="at the limit of pixels"),
        pytest.param((1001, 1000), "too_many_pixels", id="beyond it"),
        pytest.param((32, 32), "ok", id="at the smallest side"),
        pytest.param((31, 400), "too_small", id="below it"),
        pytest.param((40, 800), "ok", id="20 times as high as wide"),
        pytest.param((801, 40), "too_narrow", id="longer than that"),
    ],
)
def test_the_limits_and_what_stands_at_them(size, outcome):
    opened = open_picture(encoded(pixels(1, size), "PNG"), LIMITS)
    assert (opened.outcome, opened.width, opened.height, opened.format) == (outcome, *size, "PNG")
    assert (opened.image is None) == (outcome != "ok")


@pytest.mark.fault("M1")
@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", "not_an_image", id="sound"),
        pytest.param(b"RIFF\x10\0\0\0WE", "truncated", id="the first bytes of a WebP"),
        pytest.param(b"\xff\xd8\xff", "truncated", id="the first bytes of a JPEG"),
        pytest.param(encoded(pixels(), "WEBP")[:-1], "truncated", id="a WebP without its last byte"),
    ],
)
def test_the_first_bytes_decide_what_was_meant(data, outcome):
    assert open_picture(data, LIMITS).outcome == outcome

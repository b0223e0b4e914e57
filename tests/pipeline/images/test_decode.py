"""Decoding: every hostile picture ends as a reason, every good one upright, in RGB, and rebuilt from pixels alone."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.images.decode import UnreadablePicture, decode_mask, decode_picture, encode_clean, encode_mask
from tests.fakes.pictures import encoded, pixels


def png_header(width: int, height: int) -> bytes:
    """A small PNG whose header says it is this large."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    small = encoded(pixels(), "PNG")
    return small[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + small[33:]


JPEG = encoded(pixels(), quality=90)


@pytest.mark.fault("M1")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(None, "original_gone", id="blob removed"),
        pytest.param(b"", "not_an_image", id="no bytes"),
        pytest.param(b"<html><body>login</body></html>", "not_an_image", id="HTML"),
        pytest.param(b'{"status": "fail"}', "not_an_image", id="JSON"),
        pytest.param(JPEG[: len(JPEG) // 2], "truncated", id="cut in the middle"),
        pytest.param(encoded(pixels(), "GIF"), "not_an_image", id="GIF is not on the list"),
        pytest.param(encoded(pixels(size=(8, 400))), "too_small", id="a strip of 8 pixels"),
    ],
)
def test_what_is_no_picture_has_a_reason(data, reason):
    with pytest.raises(UnreadablePicture) as caught:
        decode_picture(data)
    assert caught.value.reason == reason


@pytest.mark.fault("M2")
@pytest.mark.parametrize("size", [(40_000, 40_000), (9_000, 9_000)])
def test_a_bomb_is_refused_from_its_header(size):
    with pytest.raises(UnreadablePicture) as caught:
        decode_picture(png_header(*size))
    assert caught.value.reason == "too_many_pixels"


@pytest.mark.fault("M3")
@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(np.full((40, 40), 40_000, dtype=np.uint16)).save(buffer, "PNG")
    else:
        Image.fromarray(pixels()).convert(mode).save(buffer, kind)
    picture = decode_picture(buffer.getvalue())
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


@pytest.mark.fault("M3")
def test_transparency_lies_on_white():
    clear = np.zeros((32, 32, 4), dtype=np.uint8)
    assert (decode_picture(encoded(clear, "PNG")) == 255).all()


@pytest.mark.fault("M4")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_once(orientation):
    upright = pixels(size=(64, 48))
    turn_back = {
        1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud, 5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1), 7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: lambda p: np.rot90(p, 3),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(np.ascontiguousarray(turn_back[orientation](upright)), "PNG", exif=exif)
    assert (decode_picture(data) == upright).all()


@pytest.mark.fault("M5")
def test_nothing_but_pixels_survives():
    exif = Image.Exif()
    exif[0x010F] = "CANARY-maker"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    hidden = {"comment": b"CANARY-comment @someone", "xmp": b"<x>CANARY-xmp</x>", "icc_profile": b"CANARY-icc" * 20}
    data = encoded(pixels(), exif=exif, **hidden)
    assert data.count(b"CANARY") > 3
    clean = encode_clean(decode_picture(data))
    assert b"CANARY" not in clean
    assert b"Exif" not in clean
    assert not Image.open(io.BytesIO(clean)).getexif()


def test_equal_pixels_give_equal_bytes():
    assert encode_clean(pixels()) == encode_clean(pixels().copy())


def test_masks_come_back_from_one_bit_png():
    mask = np.random.default_rng(0).random((37, 53)) > 0.5
    data = encode_mask(mask)
    assert (decode_mask(data) == mask).all()
    assert Image.open(io.BytesIO(data)).mode == "1"

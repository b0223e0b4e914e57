"""Picture files: what is none is known by its size, its first bytes and its header."""

import struct
import zlib
from dataclasses import replace

import pytest

from pipeline.collect.post_rules import PictureLimits, check_bytes, check_picture
from tests.fakes.pictures import encoded, pixels

LIMITS = PictureLimits(max_image_bytes=1_000_000, max_image_pixels=1_000_000, min_image_side_px=32)
JPEG, PNG, WEBP = (encoded(pixels(), kind) for kind in ("JPEG", "PNG", "WEBP"))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(("data", "kind"), [(JPEG, "JPEG"), (PNG, "PNG"), (WEBP, "WEBP")])
def test_a_good_picture(tmp_path, data, kind):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    picture = check_picture(path, LIMITS)
    assert (picture.outcome, picture.format, picture.width, picture.height) == ("ok", kind, 64, 48)
    assert (picture.num_bytes, picture.data) == (len(data), data)


@pytest.mark.parametrize(("room", "outcome"), [(0, "ok"), (-1, "too_many_bytes")])
def test_a_picture_of_the_largest_size_is_taken(tmp_path, room, outcome):
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    assert check_picture(path, replace(LIMITS, max_image_bytes=len(JPEG) + room)).outcome == outcome


@pytest.mark.fault("M1")
@pytest.mark.parametrize("data", [JPEG, PNG, WEBP], ids=["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_cut_picture_is_truncated(data, share):
    assert check_bytes(data[: max(14, int(len(data) * share))], LIMITS).outcome == "truncated"


@pytest.mark.fault("M1")
@pytest.mark.parametrize("data", [JPEG, PNG, WEBP], ids=["JPEG", "PNG", "WEBP"])
def test_the_last_two_bytes_are_missed(data):
    assert check_bytes(data[:-2], LIMITS).outcome == "truncated"


def test_a_cut_jpeg_with_a_whole_thumbnail_inside_is_truncated():
    cut = encoded(pixels(1), comment=JPEG)[: len(JPEG) + 500]
    assert b"\xff\xd9" in cut
    assert check_bytes(cut, LIMITS).outcome == "truncated"


@pytest.mark.parametrize("behind", [b"\0" * 9, b"\n", b"SEFT a phone's own trailer"])
def test_what_stands_behind_the_end_is_no_fault(behind):
    assert check_bytes(JPEG + behind, LIMITS).outcome == "ok"


@pytest.mark.fault("M1")
@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html><html>", b'{"error": "not found"}', b"\0" * 100])
def test_what_is_no_image(data):
    assert check_bytes(data, LIMITS).outcome == "not_an_image"


@pytest.mark.fault("M3")
@pytest.mark.parametrize(
    "data",
    [
        encoded(pixels(), "GIF"),
        encoded(pixels(), "BMP"),
        encoded(pixels(), "TIFF"),
        b"\0\0\0\x20ftypheic" + b"\0" * 40,
        b"%!PS-Adobe-3.0 EPSF-3.0",
    ],
    ids=["GIF", "BMP", "TIFF", "HEIC", "EPS"],
)
def test_a_format_we_do_not_take(data):
    assert check_bytes(data, LIMITS).outcome == "unsupported_format"


@pytest.mark.fault("M2")
@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        pytest.param(png_of(40_000, 40_000), "too_many_pixels", id="40,000 x 40,000"),
        pytest.param(png_of(10_000, 10_000), "too_many_pixels", id="100 Mpx"),
        pytest.param(png_of(1001, 1000), "too_many_pixels", id="just over our limit"),
        pytest.param(png_of(1, 1), "too_small", id="1 x 1"),
        pytest.param(png_of(1, 20_000), "too_small", id="1 x 20,000"),
        pytest.param(png_of(31, 900), "too_small", id="just under the side"),
        pytest.param(png_of(40, 801), "too_narrow", id="just beyond the aspect"),
        pytest.param(
            png_of(64, 64, chunk(b"zTXt", b"k\0\0" + zlib.compress(b" " * 2_000_000))), "bad_header", id="text bomb"
        ),
    ],
)
def test_a_hostile_header_is_refused_before_a_pixel_is_decoded(data, outcome):
    assert check_bytes(data, LIMITS).outcome == outcome


@pytest.mark.fault("M3")
def test_a_stereo_picture_is_a_jpeg_with_more_behind_its_end():
    from PIL import Image

    stereo = encoded(pixels(), "MPO", save_all=True, append_images=[Image.fromarray(pixels(1))])
    assert (check_bytes(stereo, LIMITS).outcome, check_bytes(stereo, LIMITS).format) == ("ok", "JPEG")
    assert check_bytes(stereo[: len(stereo) // 3], LIMITS).outcome == "truncated"


def test_a_file_beyond_the_limit_is_not_read_into_memory(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG + b"\0" * 1_000_000)
    picture = check_picture(path, LIMITS)
    assert (picture.outcome, picture.data, len(picture.digest)) == ("too_many_bytes", None, 64)

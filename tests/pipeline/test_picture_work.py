"""Work (fault M21): a picture that would keep a decoder busy is refused before it is decoded, and no other one is."""

import io
import struct
import time
import zlib

import pytest
from PIL import Image

from pipeline.picture_bytes import LIMITS, OK, decode_picture, decode_sized, open_picture
from pipeline.picture_parts import MAX_JPEG_PARTS, MAX_PNG_PARTS, MAX_SCANS, CostlyPicture, check_work
from tests.fakes.hostile_pictures import JPEG, PNG, TAKEN, with_scans, with_segments
from tests.fakes.pictures import encoded, pixels

pytestmark = pytest.mark.fault("M21")


def of_no_data(frame: int, num_scans: int, side: int) -> bytes:
    """A grey JPEG of scans without a byte of data, of the kind that this mark of a frame states."""
    table = b"".join(b"\xff\xc4\0\x14" + kind + b"\1" + bytes(16) for kind in (b"\0", b"\x10"))
    scan = b"\xff\xda\0\x08\1\1\0\0" + (b"\0\0" if frame in (0xC2, 0xCA) else b"\x3f\0")
    header = struct.pack(">BBHBHHB", 0xFF, frame, 11, 8, side, side, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64 + header + table + scan * num_scans + b"\xff\xd9"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_scans(2_000), id="refinements"),
        pytest.param(with_scans(MAX_SCANS + 1), id="one too many"),
        pytest.param(of_no_data(0xC0, 500, 64), id="a baseline JPEG, scanned again and again"),
        pytest.param(of_no_data(0xC2, 500, 64), id="scans of no byte"),
        pytest.param(of_no_data(0xC9, 500, 64), id="coded arithmetically"),
        pytest.param(of_no_data(0xCA, 500, 64), id="progressive, coded arithmetically"),
        pytest.param(of_no_data(0xC2, 500, 64).replace(b"\xff\xda", b"\xff\xff\xff\xda"), id="marks with fill bytes"),
        pytest.param(of_no_data(0xC2, 41, 7_000), id="fewer, of 49 million pixels"),
        pytest.param(with_scans(500) + JPEG, id="another picture behind"),
        pytest.param(with_scans(500, exif=b"Exif\0\0" + b"\xff" * 40), id="its EXIF is damaged, too"),
    ],
)
def test_a_jpeg_of_very_many_scans_is_refused_and_not_decoded(data):
    started = time.process_time()
    opened = open_picture(data, LIMITS)
    assert (opened.outcome, opened.image) == ("too_many_scans", None)
    assert time.process_time() - started < 0.2


def test_scans_do_not_hide_behind_a_mark_that_decoders_pass_over():
    """Between restart marks an unknown one has no length: what would be its segment are scans."""
    plain = of_no_data(0xC2, 500, 64)
    first = plain.index(b"\xff\xda")
    data = plain[:first] + b"\xff\xdd\0\4\0\1" + plain[first : first + 10] + b"\xff\2\x70\0" + plain[first + 10 :]
    Image.open(io.BytesIO(data)).load()
    assert open_picture(data, LIMITS).outcome == "too_many_scans"


@pytest.mark.parametrize("num_scans", [10, 11, 64, MAX_SCANS])
def test_as_many_scans_as_a_script_may_have_are_decoded(num_scans):
    assert decode_picture(with_scans(num_scans)).shape == (48, 64, 3)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(pixels(), comment=b"\xff\xda" * 3_000), id="in a comment"),
        pytest.param(encoded(pixels()) + b"\xff\xda\0\x08" * 3_000, id="behind the end: a film, or more pictures"),
        pytest.param(with_scans(MAX_SCANS) + b"\0\2" + b"\xff\xda\0\2" * 500, id="behind as many as there may be"),
        pytest.param(encoded(pixels(), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + b"\xff\xda" * 900), id="in EXIF"),
    ],
)
def test_what_only_looks_like_scans_counts_for_nothing(data):
    assert open_picture(data, LIMITS).outcome == OK


@pytest.mark.parametrize("name", TAKEN)
def test_pictures_as_people_have_them_are_little_work(name):
    data = TAKEN[name]
    kind = {b"\xff\xd8": "JPEG", b"\x89P": "PNG"}.get(data[:2], "WEBP")
    check_work(data, kind)


@pytest.mark.parametrize(
    "segment",
    [
        pytest.param(b"\xff\xfe\0\2", id="comments"),
        pytest.param(b"\xff\xe1\0\x0cExif\0\0abcd", id="pieces of EXIF, each copied behind all before it"),
        pytest.param(b"\xff\xc4\0\2", id="tables"),
        pytest.param(b"\xff\xed\0\x10Photoshop 3.0\0", id="resources"),
        pytest.param(b"\xff\xe1\xff\xff" + bytes(65_533), id="few and full"),
        pytest.param(b"\xff" * 4_000, id="fill bytes"),
        pytest.param(b"\xff\xfe\0\3x" + b"\xff" * 20_000, id="comments, and fill bytes between them"),
    ],
)
def test_a_jpeg_of_very_many_parts_is_refused_at_once(segment):
    data = with_segments(100 * MAX_JPEG_PARTS if len(segment) < 100 else 300, segment)
    started = time.process_time()
    assert open_picture(data, LIMITS).outcome == "bad_header"
    assert time.process_time() - started < 0.2


def test_a_jpeg_of_hundreds_of_parts_is_taken():
    assert open_picture(with_segments(900), LIMITS).outcome == OK


@pytest.mark.parametrize("place", [33, -12], ids=["before the pixels", "behind them"])
def test_a_png_of_very_many_parts_is_refused(place):
    chunk = bytes(4) + b"teSt" + struct.pack(">I", zlib.crc32(b"teSt"))
    assert open_picture(PNG[:place] + chunk * MAX_PNG_PARTS + PNG[place:], LIMITS).outcome == "bad_header"
    assert open_picture(PNG[:place] + chunk * 5_000 + PNG[place:], LIMITS).outcome == OK


@pytest.mark.parametrize("place", [33, -12], ids=["before the pixels", "behind them"])
@pytest.mark.parametrize("name", [b"iCCP", b"zTXt", b"iTXt"])
def test_a_png_is_not_unpacked_again_and_again(name, place):
    """A kilobyte of each becomes a megabyte; where its check sum is wrong nothing is kept, and so nothing counted."""
    packed = zlib.compress(bytes(2**20 - 10), 9)[:-4] + b"oops"
    body = name + {b"iTXt": b"x\0\1\0\0\0"}.get(name, b"x\0\0") + packed
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    started = time.process_time()
    assert open_picture(PNG[:place] + chunk * 5_000 + PNG[place:], LIMITS).outcome == "bad_header"
    assert time.process_time() - started < 0.2
    assert open_picture(PNG[:place] + chunk * 3 + PNG[place:], LIMITS).outcome == OK


@pytest.mark.parametrize("side", [8_000, 50_000])
def test_a_jpeg_of_too_many_pixels_is_refused_for_these(side):
    assert open_picture(of_no_data(0xC2, 10, side), LIMITS).outcome == "too_many_pixels"


def test_the_reason_is_one_word():
    with pytest.raises(CostlyPicture, match="too_many_scans"):
        check_work(with_scans(200), "JPEG")


def test_frames_beyond_what_a_table_holds_are_counted_as_the_most_that_it_does():
    chunk = b"acTL" + struct.pack(">II", 2**31, 0)
    many = PNG[:33] + struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk)) + PNG[33:]
    assert decode_sized(many).num_frames == 2**31 - 1


def test_the_worst_that_is_taken_costs_little():
    """40 scans of 49 million pixels would be 1.5 s; here a hundredth of it."""
    data = of_no_data(0xC2, 40, 700)
    started = time.process_time()
    Image.open(io.BytesIO(data)).load()
    assert open_picture(data, LIMITS).outcome == OK
    assert time.process_time() - started < 0.5

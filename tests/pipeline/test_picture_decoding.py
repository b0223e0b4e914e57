"""Decoding: every hostile picture ends as a reason, every good one upright, in RGB, and rebuilt from pixels alone."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from pipeline.picture_bytes import (
    UnreadablePicture,
    decode_mask,
    decode_picture,
    decode_sized,
    encode_clean,
    encode_mask,
)
from tests.fakes.pictures import encoded, pixels


def png_header(width: int, height: int) -> bytes:
    """A small PNG whose header says it is this large."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    small = encoded(pixels(), "PNG")
    return small[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + small[33:]


JPEG = encoded(pixels(1, (200, 160)), quality=90)
PNG, WEBP = (encoded(pixels(1, (200, 160)), kind) for kind in ("PNG", "WEBP"))
WAYS = pytest.mark.parametrize("min_side_px", [None, 32], ids=["whole", "reduced"])


def reason_of(data: bytes | None, min_side_px: int | None = None) -> str:
    """Why the picture is not taken."""
    with pytest.raises(UnreadablePicture) as caught:
        decode_picture(data, min_side_px)
    return caught.value.reason


def orientation(number: int) -> Image.Exif:
    """EXIF that says how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


@pytest.mark.fault("M1")
@WAYS
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(None, "original_gone", id="blob removed"),
        pytest.param(b"", "not_an_image", id="no bytes"),
        pytest.param(b"<html><body>login</body></html>", "not_an_image", id="HTML"),
        pytest.param(b'{"status": "fail"}', "not_an_image", id="JSON"),
        pytest.param(encoded(pixels(size=(9, 90))), "too_small", id="a strip of 9 pixels"),
    ],
)
def test_what_is_no_picture_has_a_reason(data, reason, min_side_px):
    assert reason_of(data, min_side_px) == reason


@pytest.mark.fault("M1")
@WAYS
@pytest.mark.parametrize("data", [JPEG, PNG, WEBP], ids=["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99, -2], ids=["1 %", "50 %", "99 %", "all but two bytes"])
def test_a_cut_picture_is_truncated(data, kept, min_side_px):
    cut = data[:kept] if kept < 0 else data[: max(16, int(kept * len(data)))]
    assert reason_of(cut, min_side_px) == "truncated"


@pytest.mark.fault("M1")
@WAYS
def test_a_cut_picture_with_a_whole_thumbnail_inside_is_truncated(min_side_px):
    cut = encoded(pixels(1, (200, 160)), quality=90, comment=encoded(pixels()))[:-900]
    assert b"\xff\xd9" in cut
    assert reason_of(cut, min_side_px) == "truncated"


@pytest.mark.fault("M1")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_flipped_bytes_give_a_picture_or_a_reason_and_nothing_else(kind):
    rng = np.random.default_rng(3)
    good = encoded(pixels(1, (120, 90)), kind, exif=orientation(6))
    for _ in range(200):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(0, 256)
        try:
            decoded = decode_sized(bytes(data), 16)
        except UnreadablePicture as unreadable:
            assert unreadable.reason
        else:
            assert decoded.picture.ndim == 3


@pytest.mark.fault("M2")
@WAYS
@pytest.mark.parametrize(
    ("size", "reason"),
    [
        pytest.param((40_000, 40_000), "too_many_pixels", id="40,000 x 40,000"),
        pytest.param((10_000, 10_000), "too_many_pixels", id="100 Mpx, where Pillow only warns"),
        pytest.param((8_000, 8_000), "too_many_pixels", id="64 Mpx, where Pillow is silent"),
        pytest.param((1, 1), "too_small", id="1 x 1"),
        pytest.param((1, 20_000), "too_small", id="1 x 20,000"),
        pytest.param((20_000, 400), "too_narrow", id="50 times as wide as high"),
    ],
)
def test_a_hostile_size_is_refused_from_the_header(size, reason, min_side_px, monkeypatch):
    monkeypatch.setattr(PngImageFile, "load", lambda image: pytest.fail("a pixel was decoded"))
    assert reason_of(png_header(*size), min_side_px) == reason


@pytest.mark.fault("M3")
@WAYS
@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode, min_side_px):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(np.full((40, 40), 40_000, dtype=np.uint16)).save(buffer, "PNG")
    else:
        Image.fromarray(pixels()).convert(mode).save(buffer, kind)
    picture = decode_picture(buffer.getvalue(), min_side_px)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.flags.writeable
    if mode == "I;16":
        assert (picture == 40_000 // 256).all()


@pytest.mark.fault("M3")
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode):
    if mode == "P":
        buffer = io.BytesIO()
        Image.new("P", (32, 32), 0).save(buffer, "PNG", transparency=0)
        data = buffer.getvalue()
    else:
        data = encoded(np.zeros((32, 32, len(mode)), dtype=np.uint8), "PNG")
    assert (decode_picture(data) == 255).all()


@pytest.mark.fault("M3")
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "MPO"])
def test_of_a_moving_picture_the_first_frame_is_taken_and_the_others_are_counted(kind):
    first = np.full((48, 64, 3), 200, dtype=np.uint8)
    others = [Image.fromarray(pixels(seed)) for seed in (1, 2)]
    decoded = decode_sized(encoded(first, kind, save_all=True, append_images=others))
    assert decoded.num_frames == 3
    assert np.abs(decoded.picture.astype(int) - 200).max() <= 2


@pytest.mark.fault("M3")
@WAYS
@pytest.mark.parametrize("kind", ["progressive", "MPO"])
def test_a_progressive_or_stereo_jpeg_is_as_a_plain_one(kind, min_side_px):
    picture = pixels(1, (200, 160))
    options = {"save_all": True, "append_images": [Image.fromarray(picture)]} if kind == "MPO" else {}
    data = encoded(picture, "MPO" if kind == "MPO" else "JPEG", quality=90, progressive=kind != "MPO", **options)
    plain = encoded(picture, quality=90)
    assert (decode_picture(data, min_side_px) == decode_picture(plain, min_side_px)).all()


FOREIGN = {
    "GIF": encoded(pixels(), "GIF"),
    "BMP": encoded(pixels(), "BMP"),
    "TIFF": encoded(pixels(), "TIFF"),
    "AVIF": b"\0\0\0\x20ftypavif" + b"\0" * 40,
    "HEIC": b"\0\0\0\x20ftypheic" + b"\0" * 40,
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0",
    "FITS": b"SIMPLE  =                    T",
    "JPEG XL": b"\xff\x0a" + b"\0" * 40,
    "JPEG XL in a container": b"\0\0\0\x0cJXL \r\n\x87\n",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a film": b"\0\0\0\x18ftypisom",
}


@pytest.mark.fault("M3")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_format_that_is_not_on_the_list_is_named_as_such(name):
    assert reason_of(FOREIGN[name]) == "unsupported_format"


TURNED_BACK = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 3),
}


@pytest.mark.fault("M4")
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_exif_orientation_is_applied_once(number, kind):
    upright = pixels(size=(64, 48))
    stored = np.ascontiguousarray(TURNED_BACK[number](upright))
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_sized(encoded(stored, kind, exif=orientation(number), **options))
    assert (decoded.picture == upright).all()
    assert decoded.size == (48, 64)


@pytest.mark.fault("M4")
@pytest.mark.parametrize("number", range(1, 9))
def test_a_reduced_picture_is_as_upright_as_a_whole_one(number):
    upright = pixels(2, (640, 512))
    data = encoded(np.ascontiguousarray(TURNED_BACK[number](upright)), quality=95, exif=orientation(number))
    decoded = decode_sized(data, 128)
    assert decoded.picture.shape == (128, 160, 3)
    assert decoded.size == (512, 640)
    small = np.asarray(Image.fromarray(upright).resize((160, 128), Image.Resampling.BOX)).astype(int)
    assert np.abs(decoded.picture - small).mean() < 4


@pytest.mark.fault("M4")
@pytest.mark.parametrize("number", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(number):
    upright = pixels(size=(64, 48))
    assert decode_picture(encoded(upright, "PNG", exif=orientation(number))).shape == upright.shape


@pytest.mark.parametrize(
    ("size", "min_side_px", "expected"),
    [
        pytest.param((1080, 1350), 320, (675, 540), id="half"),
        pytest.param((1281, 1281), 320, (321, 321), id="a quarter, rounded up"),
        pytest.param((1279, 1279), 320, (640, 640), id="a quarter would be too small"),
        pytest.param((4000, 2600), 320, (325, 500), id="an eighth"),
        pytest.param((639, 900), 320, (900, 639), id="nothing to gain"),
        pytest.param((100, 90), 320, (90, 100), id="small already"),
    ],
)
def test_a_jpeg_is_decoded_as_small_as_both_sides_allow(size, min_side_px, expected):
    decoded = decode_sized(encoded(np.zeros((size[1], size[0], 3), dtype=np.uint8)), min_side_px)
    assert decoded.picture.shape[:2] == expected
    assert decoded.size == size[::-1]


@pytest.mark.fault("M5")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_but_pixels_survives(kind):
    """EXIF with GPS, maker note and thumbnail; XMP, IPTC, comment, PNG text, ICC description; and the mask."""
    data = with_canaries(kind)
    assert data.count(b"CANARY") >= 3
    picture = decode_picture(data)
    clean = encode_clean(picture)
    for made in (clean, encode_mask(picture[..., 0] > 100)):
        assert b"CANARY" not in made
        assert not [mark for mark in (b"Exif", b"ICC_PROFILE", b"Photoshop", b"http", b"tEXt") if mark in made]
        assert not Image.open(io.BytesIO(made)).getexif()
    assert set(Image.open(io.BytesIO(clean)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def with_canaries(kind: str) -> bytes:
    """A picture with a canary in every place for metadata that its format has."""
    exif = Image.Exif()
    exif[0x010F] = "CANARY-maker"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif.get_ifd(0x8769)[0x927C] = b"CANARY-maker-note"
    hidden: dict[str, object] = {"xmp": b"<x>CANARY-xmp</x>", "icc_profile": b"CANARY-icc" * 20, "exif": exif}
    if kind == "PNG":
        text = PngInfo()
        text.add_text("Comment", "CANARY-text")
        text.add_itxt("Author", "CANARY-itxt")
        hidden |= {"pnginfo": text}
    if kind != "JPEG":
        return encoded(pixels(), kind, **hidden)
    data = encoded(pixels(), comment=b"CANARY-comment @someone", **hidden)
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x78\0\x0bCANARY-iptc"
    thumbnail = b"Exif\0\0CANARY-thumbnail" + encoded(pixels(), quality=10)
    segments = b"".join(
        mark + struct.pack(">H", len(body) + 2) + body
        for mark, body in ((b"\xff\xed", iptc), (b"\xff\xe5", thumbnail))
    )
    return data[:2] + segments + data[2:]


def test_equal_pixels_give_equal_bytes():
    assert encode_clean(pixels()) == encode_clean(pixels().copy())


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_masks_come_back_from_one_bit_png(share):
    mask = np.random.default_rng(0).random((37, 53)) < share
    data = encode_mask(mask)
    assert (decode_mask(data) == mask).all()
    assert Image.open(io.BytesIO(data)).mode == "1"

"""Beside the pixels: a colour profile is applied, and damaged metadata costs no picture whose pixels are whole."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.collect.post_rules import PictureLimits, check_bytes
from pipeline.picture_bytes import decode_picture, decode_sized
from tests.fakes.colour_profiles import ADOBE_RGB, DISPLAY_P3, SRGB, grey_profile, print_profile, rgb_profile
from tests.fakes.pictures import encoded, pixels

LIMITS = PictureLimits(max_image_bytes=10**6, max_image_pixels=10**6, min_image_side_px=16)
KINDS = {"JPEG": encoded(pixels()), "PNG": encoded(pixels(), "PNG"), "WEBP": encoded(pixels(), "WEBP")}
TURNED = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
SWAPPED = rgb_profile(SRGB[:, ::-1], 2.2)
IPTC_OF_NOTHING = b"Photoshop 3.0\x008BIM\x04\x04"
DAMAGED_EXIF = {
    "cut in its first entry": TURNED[:12],
    "cut behind its length": TURNED[:9],
    "without its mark of the byte order": TURNED[4:],
    "empty": b"",
    "of zeros": b"\0" * 40,
    "with a directory beyond its end": b"II*\0\xff\xff\xff\x7f",
    "with a length beyond its end": b"II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\xff\xff\xff\xff\xff\xff\xff\x7f",
    "that points at itself": b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    "of other bytes": bytes(range(255, 0, -1)),
}


def jpeg_with(mark: int, body: bytes) -> bytes:
    """A JPEG with a segment of its own before its first."""
    return b"\xff\xd8\xff" + bytes([mark]) + struct.pack(">H", len(body) + 2) + body + KINDS["JPEG"][2:]


def png_chunk(name: bytes, body: bytes, crc: int | None = None) -> bytes:
    """A chunk, with a check sum of its own."""
    crc = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def png_with(chunk: bytes, *, is_behind: bool = False) -> bytes:
    """A PNG with a chunk before or behind its pixels."""
    at = len(KINDS["PNG"]) - 12 if is_behind else 33
    return KINDS["PNG"][:at] + chunk + KINDS["PNG"][at:]


def with_exif(kind: str, exif: bytes) -> bytes:
    """A picture with these bytes as its EXIF block."""
    if kind == "JPEG":
        return jpeg_with(0xE1, b"Exif\0\0" + exif)
    return png_with(png_chunk(b"eXIf", exif)) if kind == "PNG" else encoded(pixels(), "WEBP", exif=exif or b"\0")


DAMAGED = {
    **{f"{kind}: EXIF {name}": with_exif(kind, exif) for kind in KINDS for name, exif in DAMAGED_EXIF.items()},
    "JPEG: a segment that is shorter than its EXIF": jpeg_with(0xE1, b"Exif\0\0" + TURNED[:10]).replace(
        TURNED[:10], TURNED[:10] + b"\x01\x02\x03"
    ),
    "JPEG: IPTC without its end": jpeg_with(0xED, IPTC_OF_NOTHING),
    "JPEG: a profile's segment without its number": jpeg_with(0xE2, b"ICC_PROFILE\0"),
    "JPEG: an Adobe segment without its flags": jpeg_with(0xEE, b"Adobe"),
    "JPEG: a stereo index of other bytes": jpeg_with(0xE2, b"MPF\0" + b"\xff" * 30),
    "PNG: EXIF with another check sum": png_with(png_chunk(b"eXIf", TURNED, crc=7)),
    "PNG: EXIF cut before its stated length": png_with(png_chunk(b"eXIf", TURNED * 9)[:-40]),
    "PNG: EXIF damaged behind the pixels": png_with(png_chunk(b"eXIf", TURNED[:9]), is_behind=True),
    "PNG: a text with another check sum": png_with(png_chunk(b"tEXt", b"Comment\0hi", crc=7)),
    "PNG: a text damaged behind the pixels": png_with(png_chunk(b"zTXt", b"k\0\x09xx"), is_behind=True),
    "PNG: a profile with another check sum": png_with(png_chunk(b"iCCP", b"k\0\0" + zlib.compress(SWAPPED), crc=7)),
    "PNG: a resolution that is cut": png_with(png_chunk(b"pHYs", b"\0\0")),
    "PNG: an animation of no frames": png_with(png_chunk(b"acTL", b"\0" * 8)),
}


@pytest.mark.fault("M16")
@pytest.mark.parametrize("min_side_px", [None, 16], ids=["whole", "reduced"])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_metadata_costs_no_pixel(name, min_side_px):
    assert check_bytes(DAMAGED[name], LIMITS).outcome == "ok"
    plain = decode_picture(KINDS[name.split(":")[0]], min_side_px)
    assert (decode_picture(DAMAGED[name], min_side_px) == plain).all()


@pytest.mark.fault("M16")
def test_a_trailer_behind_damaged_metadata_is_no_fault():
    data = DAMAGED["PNG: a text damaged behind the pixels"] + b"SEFT"
    assert check_bytes(data, LIMITS).outcome == "ok"


@pytest.mark.fault("M16")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_whole_exif_beside_damage_still_turns_the_picture(kind):
    cut = TURNED[:9] + b"\x09" + TURNED[10:-4] + b"\x01\x1a"  # nine entries stated, one and a half there
    assert decode_sized(with_exif(kind, cut)).size == (64, 48)


@pytest.mark.fault("M16")
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_cut_in_its_pixels_stays_truncated_whatever_its_metadata(kind):
    data = DAMAGED["PNG: EXIF with another check sum"] if kind == "PNG" else with_exif(kind, TURNED[:12])
    for share in (0.3, 0.6, 0.9):
        assert check_bytes(data[: int(share * len(data))], LIMITS).outcome == "truncated"


@pytest.mark.fault("M16")
def test_a_png_with_a_changed_byte_of_its_pixels_is_refused_at_once():
    rng, good = np.random.default_rng(2), KINDS["PNG"]
    for at in rng.integers(45, len(good) - 12, 50):
        data = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        assert check_bytes(data, LIMITS).outcome == "truncated"


def in_srgb(colour: tuple[int, int, int], primaries: np.ndarray, gamma: float) -> np.ndarray:
    """The colour's sRGB levels by arithmetic."""
    linear = np.linalg.solve(SRGB, primaries @ (np.array(colour) / 255) ** gamma).clip(0, 1)
    return 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def middle(data: bytes, min_side_px: int | None = None) -> np.ndarray:
    """The levels in the middle of a picture."""
    return decode_picture(data, min_side_px)[20, 20].astype(int)


def flat(colour: tuple[int, ...], mode: str = "RGB", kind: str = "PNG", **options: object) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, (64, 64), colour if len(colour) > 1 else colour[0]).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.fault("M17")
@pytest.mark.parametrize("min_side_px", [None, 32], ids=["whole", "reduced"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("name", "primaries", "gamma"), [("Adobe", ADOBE_RGB, 2.2), ("P3", DISPLAY_P3, 2.2)])
def test_colours_are_converted_to_srgb(kind, name, primaries, gamma, min_side_px):
    colour = (90, 160, 110)
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    found = middle(flat(colour, kind=kind, icc_profile=rgb_profile(primaries, gamma), **options), min_side_px)
    assert np.abs(found - in_srgb(colour, primaries, gamma)).max() <= 3
    assert np.abs(found - colour).max() >= 8


@pytest.mark.fault("M17")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_that_swaps_red_and_blue_is_applied_in_every_mode(mode):
    plain = Image.new("RGB", (64, 64), (204, 51, 51)).convert(mode)
    buffer = io.BytesIO()
    plain.save(buffer, "PNG", icc_profile=SWAPPED)
    assert tuple(middle(buffer.getvalue())) == pytest.approx((51, 51, 204), abs=6)


@pytest.mark.fault("M17")
def test_transparency_lies_on_white_after_the_colours_are_converted():
    assert tuple(middle(flat((220, 20, 20, 0), "RGBA", icc_profile=SWAPPED))) == (255, 255, 255)
    half = tuple(middle(flat((220, 20, 20, 128), "RGBA", icc_profile=SWAPPED)))
    assert half == pytest.approx((137, 137, 237), abs=4)


@pytest.mark.fault("M17")
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_is_converted_too(mode):
    levels = (80,) if mode == "L" else (80, 255)
    found = middle(flat(levels, mode, icc_profile=grey_profile(1.0)))
    assert tuple(found) == pytest.approx((151, 151, 151), abs=3)


@pytest.mark.fault("M17")
def test_print_colours_are_converted_by_their_profile():
    cyan = flat((255, 0, 0, 0), "CMYK", "JPEG", quality=100)
    assert tuple(middle(cyan)) == pytest.approx((0, 255, 255), abs=3)
    assert tuple(middle(flat((255, 0, 0, 0), "CMYK", "JPEG", icc_profile=print_profile()))) == pytest.approx(
        (255, 255, 255), abs=3
    )


@pytest.mark.fault("M17")
@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), id="sRGB"),
        pytest.param(SWAPPED[:200], id="cut"),
        pytest.param(b"x" * 500, id="no profile"),
        pytest.param(b"", id="empty"),
        pytest.param(SWAPPED.replace(b"rXYZ", b"xXYZ"), id="without a primary"),
        pytest.param(grey_profile(1.0), id="of grey"),
        pytest.param(print_profile(), id="of print"),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_profile_that_is_srgb_or_unusable_changes_nothing(kind, profile):
    data = encoded(pixels(), kind, icc_profile=profile)
    assert check_bytes(data, LIMITS).outcome == "ok"
    assert (decode_picture(data) == decode_picture(KINDS[kind])).all()


@pytest.mark.fault("M17")
def test_a_damaged_profile_gives_a_picture_whatever_it_says():
    rng = np.random.default_rng(5)
    for _ in range(100):
        profile = bytearray(SWAPPED)
        for at in rng.integers(0, len(profile), 4):
            profile[at] = rng.integers(0, 256)
        assert decode_picture(encoded(pixels(), "PNG", icc_profile=bytes(profile))).shape == (48, 64, 3)

"""The drawn pictures: reproducible, each like no other, with portraits where they are asked for."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.demo.pictures import PictureSpec, draw, encode
from pipeline.demo.places import PLACES

SIDE = 96


def specs(count: int, **changes) -> list[PictureSpec]:
    """Pictures of different places."""
    return [PictureSpec(**{"key": (7, number), "place": number % len(PLACES), **changes}) for number in range(count)]


def test_a_picture_depends_on_its_spec_alone():
    first = [encode(spec, SIDE) for spec in specs(6)]
    assert first == [encode(spec, SIDE) for spec in specs(6)]
    assert len(set(first)) == 6


@pytest.mark.parametrize("place", range(len(PLACES)), ids=[place.name for place in PLACES])
def test_every_place_gives_pictures_with_something_in_them(place):
    for spec in specs(8, place=place):
        pixels = draw(spec, SIDE).pixels
        assert pixels.dtype == np.uint8 and min(pixels.shape[:2]) == SIDE
        assert pixels.std() > 8


@pytest.mark.parametrize(("portrait", "least", "most"), [("none", 0, 0), ("side", 0.1, 0.4), ("full", 0.5, 0.8)])
def test_a_portrait_takes_its_share_of_the_picture(portrait, least, most):
    ratios = [draw(spec, SIDE).mask.mean() for spec in specs(20, portrait=portrait)]
    assert least <= min(ratios) <= max(ratios) <= most


def test_a_portrait_at_the_side_leaves_the_rest_of_the_scene():
    masks = [draw(spec, SIDE).mask for spec in specs(20, portrait="side")]
    edges = {(bool(mask[:, 0].any()), bool(mask[:, -1].any())) for mask in masks}
    assert (True, False) in edges and (False, True) in edges


def test_a_rotated_picture_is_upright_once_its_orientation_is_applied():
    spec = PictureSpec(key=(1, 2), place=0, is_rotated=True)
    with Image.open(io.BytesIO(encode(spec, SIDE))) as stored:
        assert stored.getexif()[0x0112] == 6
        upright = np.asarray(stored.transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert abs(upright - draw(spec, SIDE).pixels).mean() < 12

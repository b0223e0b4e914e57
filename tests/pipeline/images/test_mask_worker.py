"""The worker of the masks: one row per picture whatever the picture or the network does, in any grouping."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.vision.masks import PortraitMask
from models.vision.portraits import U2NetPortraits
from models.vision.running import choose_running
from pipeline.images.portrait_masks import MaskWorker, widen
from pipeline.picture_bytes import decode_mask, decode_picture
from tests.fakes.hostile_pictures import with_scans
from tests.fakes.pictures import encoded, pixels

MADE_BY = {"network": "fake", "weights_sha256": "0" * 64, "recipe": "r"}


class Brightness:
    """A masker that takes what is bright for a person."""

    network, weights_sha256 = "brightness", ""

    def __init__(self, input_side_px: int | None = None) -> None:
        self.input_side_px = input_side_px
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pictures, sizes):
        self.shapes += [picture.shape[:2] for picture in pictures]
        masks = [cv2.resize(picture[..., 0], size[::-1]) > 128 for picture, size in zip(pictures, sizes, strict=True)]
        return [PortraitMask(mask, float(mask.mean())) for mask in masks]


class WrongSize(Brightness):
    """A masker whose masks are a row too high."""

    def __call__(self, pictures, sizes):
        return super().__call__(pictures, [(height + 1, width) for height, width in sizes])


class Says(nn.Module):
    """A network that says the same of every pixel."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(probability))

    def forward(self, given):
        return given[:, :1] * 0 + self.bias


def worker(masker, *, dilation_ratio: float = 0.0, num_at_once: int = 4, num_threads: int = 2) -> MaskWorker:
    return MaskWorker(masker, MADE_BY, dilation_ratio=dilation_ratio, num_at_once=num_at_once, num_threads=num_threads)


def rows(*pictures: bytes | None) -> list[dict]:
    return [{"digest": str(number), "data": data} for number, data in enumerate(pictures)]


GOOD = [encoded(pixels(seed, (90 + seed, 70)), quality=95) for seed in range(7)]
BAD = {
    "original_gone": None,
    "not_an_image": b"<html>",
    "unsupported_format": encoded(pixels(), "GIF"),
    "truncated": GOOD[0][:-2],
    "too_many_scans": with_scans(2_000),
    "too_small": encoded(pixels(size=(9, 90))),
}


@pytest.mark.fault("M1")
@pytest.mark.parametrize("num_at_once", [1, 3, 16])
@pytest.mark.parametrize("num_threads", [1, 4])
def test_every_picture_has_one_row_in_order_whatever_stands_beside_it(num_at_once, num_threads):
    mixed = [GOOD[0], *BAD.values(), *GOOD[1:]]
    made = worker(Brightness(), num_at_once=num_at_once, num_threads=num_threads)(rows(*mixed))
    assert [row["digest"] for row in made] == [str(number) for number in range(len(mixed))]
    assert [row["outcome"] for row in made[1 : 1 + len(BAD)]] == list(BAD)
    for row, data in zip(made, mixed, strict=True):
        if row["outcome"] == "person":
            assert (decode_mask(row["mask"]) == (decode_picture(data)[..., 0] > 128)).all()
        else:
            assert (row["mask"], row["portrait_ratio"]) == (None, None)


@pytest.mark.parametrize("bad", [list(BAD.values()), []], ids=["only bad ones", "nothing"])
def test_the_network_is_not_called_for_nothing(bad):
    masker = Brightness()
    assert len(worker(masker)(rows(*bad))) == len(bad)
    assert masker.shapes == []


def test_a_network_that_looks_at_small_pictures_gets_them_small_and_masks_them_whole():
    masker = Brightness(input_side_px=40)
    picture = pixels(1, (400, 170))
    (row,) = worker(masker)(rows(encoded(picture, quality=95)))
    assert masker.shapes == [(43, 100)]
    assert decode_mask(row["mask"]).shape == (170, 400)
    assert (decode_mask(row["mask"]) == (picture[..., 0] > 128)).mean() > 0.97


@pytest.mark.fault("M4")
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_mask_stands_as_the_upright_picture_does(orientation):
    image = np.zeros((200, 320, 3), dtype=np.uint8)
    image[:80, :100] = 255
    exif = {0x0112: orientation}
    data = encoded(image, quality=95, exif=_exif(exif))
    (row,) = worker(Brightness(input_side_px=40))(rows(data))
    upright = decode_picture(data)[..., 0] > 128
    assert decode_mask(row["mask"]).shape == upright.shape
    assert (decode_mask(row["mask"]) == upright).mean() > 0.97


def _exif(tags: dict[int, int]):
    from PIL import Image

    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return exif


@pytest.mark.fault("M7")
@pytest.mark.parametrize(
    ("probability", "outcome", "ratio"),
    [
        pytest.param(0.0, "no_person", 0.0, id="all 0"),
        pytest.param(1.0, "person", 1.0, id="all 1"),
        pytest.param(math.nan, "not_finite", None, id="NaN"),
        pytest.param(math.inf, "not_finite", None, id="infinite"),
    ],
)
def test_what_a_network_says_of_everything(probability, outcome, ratio):
    masker = U2NetPortraits("fake", "0" * 64, Says(probability), choose_running("torch", "fp32", "cpu"))
    made = worker(masker)(rows(*GOOD[:2]))
    assert [(row["outcome"], row["portrait_ratio"]) for row in made] == [(outcome, ratio)] * 2
    assert all((row["mask"] is None) == (outcome != "person") for row in made)


@pytest.mark.fault("M7")
def test_a_mask_of_another_size_than_its_picture_stops_the_run():
    with pytest.raises(AssertionError, match=r"a mask of \(71, 90\) for a picture of \(70, 90\)"):
        worker(WrongSize())(rows(GOOD[0]))


@pytest.mark.fault("M3")
def test_the_frames_of_a_moving_picture_are_counted():
    from PIL import Image

    frames = [Image.fromarray(pixels(seed)) for seed in (8, 9)]
    moving = encoded(pixels(7), "WEBP", save_all=True, append_images=frames)
    assert [row["num_frames"] for row in worker(Brightness())(rows(GOOD[0], moving, None))] == [1, 3, 1]


@pytest.mark.fault("M8")
@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.0, 0.001, 0.05, 1.0]),
    ratio=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
)
def test_a_widened_mask_is_the_one_of_a_disc_around_every_pixel(width, height, seed, share, ratio):
    mask = np.random.default_rng(seed).random((height, width)) < share
    radius = round(ratio * max(mask.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    assert (widen(mask, ratio) == (cv2.dilate(mask.astype(np.uint8), disc) > 0)).all()

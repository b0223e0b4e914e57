"""Filling with LaMa: nothing but the hole changes, nothing of the person comes through, at every size.

The network here is a small one that blurs; that the true one is LaMa is shown in tests/models/vision/test_lama.py.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.vision.filling import LamaFill
from models.vision.running import Running
from pipeline.images.lama_fill import LamaInpainter
from pipeline.images.portrait_masks import widen
from tests.fakes.pictures import pixels

STRANGE = 251
"""a network that sees nothing but this shade answers what is no number"""


class Blur(nn.Module):
    """The mean of what is seen around; like LaMa it is shown pictures black in the hole."""

    def forward(self, pictures: Tensor, masks: Tensor) -> Tensor:
        holed = pictures.float() * (1 - masks.float())
        means = F.avg_pool2d(holed, 9, stride=1, padding=4)
        shades = holed.flatten(1)
        is_strange = (shades.amax(dim=1) == STRANGE) & ((shades == STRANGE) | (shades == 0)).all(dim=1)
        return torch.where(is_strange[:, None, None, None], torch.nan, means + 7)


def inpainter(**options) -> LamaInpainter:
    return LamaInpainter(LamaFill("big_lama", "0" * 64, Blur(), Running("torch", "cpu", "fp32")), **options)


WAYS = {
    "crops": {},
    "small crops": {"max_crop_side_px": 64},
    "never small": {"max_crop_side_px": None},
    "full": {"frame": "full"},
}
each_way = pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)


@st.composite
def holes(draw) -> np.ndarray:
    """Masks of pictures with sides that are mostly no multiple of 8: specks, borders, blocks, all, dilated."""
    height, width = draw(st.integers(16, 333)), draw(st.integers(16, 333))
    mask = np.zeros((height, width), dtype=np.bool_)
    kind = draw(st.sampled_from(["pixel", "border", "blocks", "noise", "all", "dilated"]))
    if kind in ("pixel", "dilated"):
        mask[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    if kind == "border":
        mask[:, -1] = mask[0, :] = True
    if kind == "all":
        mask[:] = True
    if kind == "noise":
        mask = np.random.default_rng(draw(st.integers(0, 9))).random((height, width)) < 0.05
    if kind == "blocks":
        mask[: height // 4, : width // 5] = mask[-height // 5 :, -width // 4 :] = True
    return widen(mask, 0.2) if kind == "dilated" else mask


@pytest.mark.slow
@pytest.mark.fault("M8")
@each_way
@settings(max_examples=40, deadline=None)
@given(mask=holes(), seed=st.integers(0, 5))
def test_outside_the_mask_every_pixel_is_the_inputs(options, mask, seed):
    picture = pixels(seed, mask.shape[::-1])
    before = picture.copy()
    filled = inpainter(**options)([picture], [mask])[0]
    assert filled.shape == picture.shape
    assert filled.dtype == np.uint8
    assert (filled[~mask] == picture[~mask]).all()
    assert (picture == before).all()


@pytest.mark.slow
@each_way
@settings(max_examples=25, deadline=None)
@given(mask=holes(), seed=st.integers(0, 5))
def test_nothing_of_what_the_mask_covers_comes_through(options, mask, seed):
    picture = pixels(seed, mask.shape[::-1])
    another = np.where(mask[..., None], 255 - picture, picture)
    filled = inpainter(**options)([picture, another], [mask, mask])
    assert (filled[0] == filled[1]).all()


@pytest.mark.fault("M8")
@pytest.mark.parametrize(("height", "width"), [(40, 56), (41, 57), (16, 17), (333, 16)])
def test_the_full_frame_is_the_networks_own_answer(height, width):
    picture = pixels(1, (width, height))
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[3:12, 2:9] = True
    rows, columns = -height % 8, -width % 8
    padded = np.pad(picture, ((0, rows), (0, columns), (0, 0)), "symmetric")
    hole = np.pad(mask, ((0, rows), (0, columns)), "symmetric")
    answer = Blur()(torch.from_numpy(padded.transpose(2, 0, 1)[None]), torch.from_numpy(hole[None, None]))
    expected = np.clip(answer[0].permute(1, 2, 0).numpy() + 0.5, 0, 255).astype(np.uint8)[:height, :width]
    filled = inpainter(frame="full")([picture], [mask])[0]
    assert (filled[mask] == expected[mask]).all()


def test_a_crop_in_full_size_is_filled_as_in_the_full_frame():
    picture = pixels(2, (1000, 900))
    mask = np.zeros((900, 1000), dtype=np.bool_)
    mask[400:430, 500:520] = True
    cropped, full = (inpainter(**options)([picture], [mask])[0] for options in ({}, {"frame": "full"}))
    assert (cropped == full).all()  # the network here sees four pixels far


def test_a_crop_seen_smaller_is_filled_with_what_is_around():
    picture = np.full((400, 500, 3), 90, dtype=np.uint8)
    mask = np.zeros((400, 500), dtype=np.bool_)
    mask[100:300, 200:300] = True
    filled = inpainter(max_crop_side_px=100)([picture], [mask])[0]
    assert (filled[~mask] == 90).all()
    assert (filled[mask] != 90).any()


@each_way
def test_a_picture_does_not_depend_on_the_others(options):
    pictures = [pixels(seed, size) for seed, size in enumerate([(64, 48), (48, 64), (64, 48), (99, 101)])]
    masks = [np.zeros(picture.shape[:2], dtype=np.bool_) for picture in pictures]
    for mask in masks[:3]:
        mask[10:20, 5:15] = True
    together = inpainter(**options)(pictures, masks)
    alone = [inpainter(**options)([picture], [mask])[0] for picture, mask in zip(pictures, masks, strict=True)]
    assert all((one == other).all() for one, other in zip(together, alone, strict=True))
    assert (together[3] == pictures[3]).all()  # it has no hole


@pytest.mark.fault("M7")
@each_way
def test_an_answer_that_is_no_number_is_no_picture_and_spoils_no_other(options):
    pictures = [np.full((64, 64, 3), shade, dtype=np.uint8) for shade in (STRANGE, 90)]
    mask = np.zeros((64, 64), dtype=np.bool_)
    mask[20:30, 20:30] = True
    strange, good = inpainter(**options)(pictures, [mask, mask])
    assert strange is None
    assert good is not None


@pytest.mark.fault("M7")
def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        inpainter()([pixels(size=(32, 32))], [np.ones((32, 31), dtype=np.bool_)])


def test_it_is_called_by_the_name_of_its_weights():
    assert (inpainter().network, inpainter().weights_sha256) == ("big_lama", "0" * 64)

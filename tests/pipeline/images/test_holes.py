"""Crops around holes: every hole in one of them, with context, and never dearer than the whole picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.images.holes import MIN_SIDE_PX, STEP_PX, crops_around_holes, whole_frame


def mask_of(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """True in the boxes: top, left, height, width."""
    mask = np.zeros(shape, dtype=np.bool_)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


@st.composite
def masks(draw) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    shape = draw(st.tuples(st.integers(16, 1500), st.integers(16, 1500)))
    boxes = []
    for _ in range(draw(st.integers(1, 6))):
        top, left = (draw(st.integers(0, side - 1)) for side in shape)
        height = draw(st.integers(1, max(1, shape[0] // 6)))
        width = draw(st.integers(1, max(1, shape[1] // 6)))
        boxes.append((top, left, min(height, shape[0] - top), min(width, shape[1] - left)))
    return mask_of(shape, *boxes), boxes


@settings(max_examples=60, deadline=None)
@given(drawn=masks(), max_side_px=st.sampled_from([None, 768, 700, 256, 100]))
def test_every_hole_is_in_one_crop_with_context_of_its_own_size(drawn, max_side_px):
    mask, boxes = drawn
    height, width = mask.shape
    crops = crops_around_holes(mask, max_side_px)
    seen = np.zeros(mask.shape, dtype=np.uint8)
    for crop in crops:
        assert crop.top >= 0 and crop.left >= 0
        assert crop.top + crop.height <= height and crop.left + crop.width <= width
        assert max_side_px is None or max(crop.seen_height, crop.seen_width) <= max_side_px
        seen[crop.region] += 1
    assert seen.max() == 1
    assert seen[mask].all()
    for top, left, tall, wide in boxes:
        crop = next(crop for crop in crops if seen_by(crop, top, left))
        assert crop.top <= max(0, top - tall)
        assert crop.left <= max(0, left - wide)
        assert crop.top + crop.height >= min(height, top + 2 * tall)
        assert crop.left + crop.width >= min(width, left + 2 * wide)
    assert sum(crop.cost for crop in crops) <= whole_frame(mask.shape, max_side_px).cost


def seen_by(crop, top: int, left: int) -> bool:
    return crop.top <= top < crop.top + crop.height and crop.left <= left < crop.left + crop.width


def test_holes_far_apart_are_cropped_apart():
    crops = crops_around_holes(mask_of((1080, 1080), (100, 100, 20, 10), (900, 900, 20, 10)))
    assert [(crop.height, crop.width) for crop in crops] == [(MIN_SIDE_PX, MIN_SIDE_PX)] * 2
    assert not any(crop.is_reduced for crop in crops)


def test_a_hole_with_room_around_it_is_in_the_middle_of_its_crop():
    (crop,) = crops_around_holes(mask_of((1080, 1080), (500, 300, 20, 10)))
    assert (crop.top + crop.height / 2, crop.left + crop.width / 2) == (510, 305)


@pytest.mark.parametrize(("apart", "num_crops"), [(200, 1), (255, 1), (256, 1), (257, 2)])
def test_crops_that_overlap_or_touch_become_one(apart, num_crops):
    crops = crops_around_holes(mask_of((1080, 1080), (400, 300, 1, 1), (400, 300 + apart, 1, 1)))
    assert len(crops) == num_crops
    assert sum(crop.width for crop in crops) >= apart + MIN_SIDE_PX - 1


def test_a_large_hole_takes_the_frame_and_a_small_picture_is_one():
    assert crops_around_holes(mask_of((1080, 1080), (100, 300, 900, 400))) == [whole_frame((1080, 1080))]
    assert crops_around_holes(mask_of((100, 90), (10, 10, 2, 2))) == [whole_frame((100, 90))]


@pytest.mark.parametrize(("max_side_px", "num_crops"), [(768, 2), (300, 1)])
def test_crops_that_cost_more_than_the_frame_become_the_frame(max_side_px, num_crops):
    mask = mask_of((1080, 1080), (100, 100, 20, 10), (900, 900, 20, 10))
    crops = crops_around_holes(mask, max_side_px)
    assert len(crops) == num_crops
    assert (crops == [whole_frame((1080, 1080), max_side_px)]) == (num_crops == 1)


def test_a_long_crop_is_seen_smaller_in_proportion():
    (crop,) = crops_around_holes(mask_of((1080, 1080), (200, 500, 600, 150)), 768)
    assert (crop.height, crop.seen_height) == (1080, 768)
    assert crop.is_reduced
    assert crop.seen_width % STEP_PX == 0
    assert crop.seen_width / crop.width == pytest.approx(768 / 1080, rel=0.01)


def test_the_whole_frame_is_exact_unless_limited():
    assert not whole_frame((1350, 1080)).is_reduced
    assert (whole_frame((1350, 1080), 768).seen_height, whole_frame((1350, 1080), 768).seen_width) == (768, 614)
    assert whole_frame((20_000, 16), 768).seen_width == 1


@pytest.mark.fault("M8")
def test_one_pixel_in_a_corner():
    (crop,) = crops_around_holes(mask_of((1080, 1080), (1079, 1079, 1, 1)))
    assert (crop.top, crop.left, crop.height, crop.width) == (824, 824, 256, 256)


def test_no_hole_no_crop():
    assert crops_around_holes(np.zeros((300, 300), dtype=np.bool_)) == []


@pytest.mark.slow
def test_thousands_of_specks_take_no_time():
    mask = np.random.default_rng(0).random((1080, 1080)) < 0.01
    assert crops_around_holes(mask, 768) == [whole_frame((1080, 1080), 768)]

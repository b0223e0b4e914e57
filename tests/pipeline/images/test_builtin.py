"""The built-in stage: it finds the portrait, says what it is, and touches nothing outside the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.images.fillers import BuiltinFill
from pipeline.images.maskers import BuiltinPortraits
from pipeline.images.portrait_masks import widen
from tests.fakes.pictures import pixels, portrait


@pytest.fixture(scope="module")
def masker() -> BuiltinPortraits:
    return BuiltinPortraits()


def masks_of(masker: BuiltinPortraits, *pictures: np.ndarray) -> list[np.ndarray]:
    """The masks of whole pictures."""
    found = masker(pictures, [picture.shape[:2] for picture in pictures])
    assert all(mask.ratio == pytest.approx(mask.mask.mean()) for mask in found)
    return [mask.mask for mask in found]


@pytest.mark.fault("M6")
def test_the_portrait_is_found_and_a_landscape_is_not(masker):
    found, nothing = masks_of(masker, portrait(), pixels(size=(256, 192)))
    assert 0.2 < found.mean() < 1
    assert found[50, 110]  # the face
    assert not nothing.any()


@pytest.mark.fault("M7")
@pytest.mark.parametrize("size", [(31, 200), (257, 129), (1000, 333)])
def test_a_mask_is_as_large_as_its_picture(masker, size):
    assert masks_of(masker, pixels(size=size))[0].shape == size[::-1]


@pytest.mark.slow
def test_pictures_do_not_depend_on_their_batch(masker):
    alone = masks_of(masker, portrait())[0]
    assert (masks_of(masker, pixels(), portrait(), pixels(1))[1] == alone).all()


def test_the_built_in_parts_are_called_by_their_own_names(masker):
    assert "u2net" not in masker.network
    assert "lama" not in BuiltinFill.network
    assert len(masker.weights_sha256) == 64


@pytest.mark.fault("M8")
@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(17, 70),
    height=st.integers(17, 70),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.0, 0.001, 0.2, 0.7, 1.0]),
)
def test_outside_the_mask_every_pixel_is_the_inputs(width, height, seed, share):
    picture = pixels(seed, (width, height))
    mask = np.random.default_rng(seed).random((height, width)) < share
    filled = BuiltinFill()([picture], [mask])[0]
    assert filled.shape == picture.shape
    assert (filled[~mask] == picture[~mask]).all()


def test_inside_the_mask_the_portrait_is_gone(masker):
    picture = portrait()
    mask = widen(masks_of(masker, picture)[0], 0.02)
    filled = BuiltinFill()([picture], [mask])[0]
    assert np.abs(filled[mask].astype(int) - picture[mask].astype(int)).mean() > 20


@pytest.mark.fault("M7")
def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        BuiltinFill()([pixels(size=(32, 32))], [np.ones((32, 31), dtype=np.bool_)])


@pytest.mark.fault("M8")
def test_widening_stays_inside_the_picture():
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[0, 0] = mask[39, 59] = True
    wide = widen(mask, 0.1)
    assert wide.shape == mask.shape
    assert wide[5, 0]
    assert not wide[20, 30]
    assert (widen(mask, 0) == mask).all()
    assert not widen(np.zeros((8, 8), dtype=np.bool_), 0.5).any()

"""The package as the second way: it is the same LaMa, and its defects do not come through."""

import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.vision.filling import LamaFill
from models.vision.lama_weights import build, check_state
from models.vision.running import Running
from pipeline.images.lama_fill import LamaInpainter
from pipeline.images.simple_lama_fill import LAMA_MODEL, SimpleLamaInpainter
from tests.fakes.pictures import pixels
from tests.fakes.reference_lama import drawn_generator, save_as_official
from tests.fakes.short_lama import one_block

needs_package = pytest.mark.skipif(
    find_spec("simple_lama_inpainting") is None,
    reason="simple-lama-inpainting is not installed: pip install --no-deps simple-lama-inpainting",
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Shade(nn.Module):
    """Everything in one shade, with the interface of big-lama.pt."""

    def __init__(self, shade: float) -> None:
        super().__init__()
        self.shade = nn.Parameter(torch.tensor(shade), requires_grad=False)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image * (1 - mask) + self.shade * mask


def saved(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, (torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))).save(str(path))
    return path


def hole(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[height // 3 : height // 2, width // 3 :] = True
    return mask


@needs_package
@pytest.mark.fault("M8")
@pytest.mark.parametrize(("height", "width"), [(32, 40), (333, 500), (17, 31)])
def test_the_size_is_the_inputs_and_outside_the_mask_every_pixel_too(tmp_path, height, width):
    inpainter = SimpleLamaInpainter(saved(Shade(0.5), tmp_path / "shade.pt"), "0" * 64)
    picture, mask = pixels(size=(width, height)), hole(height, width)
    filled = inpainter([picture], [mask])[0]
    assert filled.shape == picture.shape
    assert (filled[~mask] == picture[~mask]).all()
    assert (filled[mask] == 128).all()


@needs_package
@pytest.mark.fault("M7")
def test_an_answer_that_is_no_number_is_no_picture(tmp_path):
    inpainter = SimpleLamaInpainter(saved(Shade(torch.nan), tmp_path / "nan.pt"), "0" * 64)
    picture = pixels(size=(32, 32))
    nothing, unchanged = inpainter([picture, picture], [hole(32, 32), np.zeros((32, 32), dtype=np.bool_)])
    assert nothing is None
    assert (unchanged == picture).all()
    with pytest.raises(ValueError, match="do not fit"):
        inpainter([picture], [hole(32, 31)])


@needs_package
def test_the_environment_is_as_it_was(tmp_path, monkeypatch):
    path = saved(Shade(0.5), tmp_path / "shade.pt")
    monkeypatch.setenv(LAMA_MODEL, "mine.pt")
    SimpleLamaInpainter(path, "0" * 64)
    assert os.environ[LAMA_MODEL] == "mine.pt"
    monkeypatch.delenv(LAMA_MODEL)
    SimpleLamaInpainter(path, "0" * 64)
    assert LAMA_MODEL not in os.environ


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "simple_lama_inpainting", None)
    with pytest.raises(ValueError, match="pip install --no-deps simple-lama-inpainting"):
        SimpleLamaInpainter(tmp_path / "any.pt", "")


@needs_package
@pytest.mark.slow
def test_both_ways_give_the_same_picture(tmp_path):
    generator = drawn_generator(num_blocks=1)
    save_as_official(generator, tmp_path / "big-lama.pt")
    picture, mask = pixels(size=(50, 37)), hole(37, 50)
    theirs = SimpleLamaInpainter(tmp_path / "big-lama.pt", "0" * 64)([picture], [mask])[0]
    with one_block():
        module = build(check_state(generator.state_dict(), "drawn"))
        fill = LamaFill("big_lama", "0" * 64, module, Running("torch", "cpu", "fp32"))
        ours = LamaInpainter(fill, frame="full")([picture], [mask])[0]
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert np.abs(ours.astype(int) - picture)[mask].mean() > 5

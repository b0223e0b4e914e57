"""LaMa as a filler: rounded pixels of the same sizes, a reason in place of a black picture, clear refusals."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.vision.filling import LamaFill
from models.vision.running import Running

EXACT = Running("torch", "cpu", "fp32")


class Painter(nn.Module):
    """Paints everything in one shade; where a picture begins with 13, in nothing that is a number."""

    def __init__(self, shade: float, strange: float = torch.nan) -> None:
        super().__init__()
        self.shade = nn.Parameter(torch.tensor(shade))
        self.strange = strange

    def forward(self, pixels: Tensor, masks: Tensor) -> Tensor:
        painted = torch.ones_like(pixels, dtype=torch.float32) * self.shade
        return torch.where(pixels[:, :1, :1, :1] == 13, self.strange, painted)


def fill(shade: float = 100.0, strange: float = torch.nan) -> LamaFill:
    return LamaFill("big_lama", "0" * 64, Painter(shade, strange), EXACT)


def blank(number: int = 2, height: int = 16, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((number, height, width, 3), dtype=np.uint8), np.ones((number, height, width), dtype=np.bool_)


@pytest.mark.parametrize(
    ("answered", "pixel"), [(100.4, 100), (100.6, 101), (-3.0, 0), (0.0, 0), (255.0, 255), (300.0, 255)]
)
def test_answers_are_rounded_to_pixels(answered, pixel):
    (first, second) = fill(answered)(*blank())
    assert first.shape == (16, 24, 3)
    assert first.dtype == np.uint8
    assert (first == pixel).all()
    assert (second == pixel).all()


@pytest.mark.fault("M7")
@pytest.mark.parametrize("strange", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_no_picture_and_spoils_no_other(strange):
    pictures, masks = blank(3)
    pictures[1] = 13
    first, second, third = fill(strange=strange)(pictures, masks)
    assert second is None
    assert (first == 100).all()
    assert (third == 100).all()


@pytest.mark.fault("M7")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda p, m: (p, m[:, :, :-1]), "masks must be bool", id="mask of another size"),
        pytest.param(lambda p, m: (p, m.astype(np.uint8)), "masks must be bool", id="mask of numbers"),
        pytest.param(lambda p, m: (p.astype(np.float32), m), "pictures must be uint8", id="picture of floats"),
        pytest.param(lambda p, m: (p[0], m[0]), "pictures must be uint8", id="no batch"),
        pytest.param(lambda p, m: (p[:, :, :20], m[:, :, :20]), "multiples of 8", id="20 pixels wide"),
        pytest.param(lambda p, m: (p[:, :8], m[:, :8]), "at least 16", id="8 pixels high"),
    ],
)
def test_what_the_network_cannot_take_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        fill()(*change(*blank()))

"""The look-up in a table is the convolution of the embedded characters, values and gradients."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from models.data.batches import Padded
from models.mrlf.branches import PADDED, CharacterMaps, look_up_convolution
from models.mrlf.config import MrlfConfig

LENGTHS = torch.tensor([0, 1, 4, 40, 25])


def padded(longest):
    ids = torch.randint(1, 20, (5, 40), generator=torch.Generator().manual_seed(2))
    return Padded(torch.where(torch.arange(40) < LENGTHS[:, None], ids, 0)[:, :longest], LENGTHS.clamp(max=longest))


@pytest.mark.parametrize("positions", [True, False], ids=["positions", "no positions"])
@pytest.mark.parametrize("sizes", [(3, 4, 5, 6, 7), (2,), (7, 2)], ids=str)
@pytest.mark.parametrize("longest", [1, 6, 40])
def test_look_up_equals_embedding_then_convolution(sizes, positions, longest):
    torch.manual_seed(1)
    config = dataclasses.replace(MrlfConfig.paper(), char_filter_sizes=sizes, char_positions=positions)
    maps, chars = CharacterMaps(config, num_characters=20, max_chars=40), padded(longest)
    valid = chars.valid_BL()
    results = []
    for form in (maps.convolve, maps.look_up):
        values = torch.cat(form(chars), dim=2)
        assert bool((values[~valid] <= PADDED / 2).all())
        weights = torch.randn(values[valid].shape, generator=torch.Generator().manual_seed(3))
        gradients = torch.autograd.grad((values[valid] * weights).sum(), list(maps.parameters()))
        results.append((values[valid], *gradients))
    for looked_up, convolved in zip(*results, strict=True):
        torch.testing.assert_close(looked_up, convolved, atol=1e-5, rtol=1e-5)


def test_its_gradient_is_that_of_embedding_bag():
    torch.manual_seed(4)
    ids, embedded = padded(40).ids_BL, torch.randn(20, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 5, 3, dtype=torch.float64, requires_grad=True)
    values = look_up_convolution(ids, embedded, weight, 1, -5.0)
    table = (embedded @ weight.permute(2, 1, 0)).flatten(0, 1)
    windows = F.pad(ids, (1, 1)).unfold(1, 3, 1) + torch.tensor([0, 20, 40])
    mark = torch.where(ids == 0, -5.0, 0.0)[:, :, None]
    expected = F.embedding_bag(windows.flatten(0, 1), table, mode="sum").unflatten(0, ids.shape) + mark
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(
        torch.autograd.grad(values.sin().sum(), (embedded, weight)),
        torch.autograd.grad(expected.sin().sum(), (embedded, weight)),
    )


def test_a_row_that_no_position_uses_gets_no_gradient():
    embedded = torch.randn(20, 5, requires_grad=True)
    values = look_up_convolution(torch.tensor([[3, 4, 3]]), embedded, torch.randn(6, 5, 3), 1, -5.0)
    (gradient,) = torch.autograd.grad(values.sum(), embedded)
    assert (gradient.abs().sum(dim=1) > 0).nonzero().flatten().tolist() == [0, 3, 4]  # 0 is what stands round the text

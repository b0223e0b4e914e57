"""The CPU's way of attention is torch's, values and gradients."""

import itertools

import pytest
import torch
import torch.nn.functional as F

import models.mrlf.attention
from models.mrlf.attention import cpu_attention, is_eager_cpu

HEADS, WIDTH = 4, 12


def inputs(num_queries, num_memories):
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(3, length, WIDTH, requires_grad=True) for length in (num_queries, num_memories, num_memories)
    )
    lengths = torch.tensor([1, num_memories, (num_memories + 1) // 2])
    return query, key, value, torch.arange(num_memories) < lengths[:, None]


def ours_of(query, key, value, valid):
    return cpu_attention(query, torch.cat([key, value], dim=2), valid, HEADS)


def torch_attention(query, key, value, valid):
    heads = (x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(*heads, attn_mask=valid[:, None, None]).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("turn", [1, 100, 10**6], ids="scores at a turn {}".format)
@pytest.mark.parametrize("lengths", list(itertools.product((1, 7, 30), (1, 15, 16, 33))), ids=str)
def test_values_and_gradients_are_those_of_torch(lengths, turn, monkeypatch):
    monkeypatch.setattr(models.mrlf.attention, "SCORES_AT_A_TURN", turn)
    *sides, valid = inputs(*lengths)
    ours, expected = ours_of(*sides, valid), torch_attention(*sides, valid)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad((out * weights).sum(), sides) for out in (ours, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_scores_that_overflow_an_exponential_do_not_here():
    query, key, value, valid = inputs(5, 20)
    out = ours_of(query * 1000, key * 1000, value, valid)
    torch.testing.assert_close(out, torch_attention(query * 1000, key * 1000, value, valid))
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(out.sum(), (query, key, value)))


def test_the_quick_ways_are_for_single_precision_on_a_cpu():
    assert is_eager_cpu(torch.zeros(1))
    assert not is_eager_cpu(torch.zeros(1, dtype=torch.bfloat16)) and not is_eager_cpu(torch.zeros(1, device="meta"))

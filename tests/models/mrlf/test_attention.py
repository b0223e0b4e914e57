"""Attention and pooling against loops over every number, and their blindness to padding."""

import math

import pytest
import torch

from models.mrlf.attention import AttentionBlock, MultiHeadAttention, drop_channels_, pool_positions

DIM, HEADS = 8, 2


def lengths_to_valid(lengths, longest):
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


def slow_attention(module, query_BSE, memory_BTE, valid_BT):
    """Equations (3), (4): one weight at a time."""
    q, k, v = module.query(query_BSE), module.key(memory_BTE), module.value(memory_BTE)
    width = DIM // HEADS
    out = torch.zeros_like(q)
    for b in range(q.shape[0]):
        for head in range(HEADS):
            cut = slice(head * width, (head + 1) * width)
            for i in range(q.shape[1]):
                scores = [
                    math.exp(float(q[b, i, cut] @ k[b, j, cut]) / math.sqrt(width)) if valid_BT[b, j] else 0.0
                    for j in range(k.shape[1])
                ]
                for j, weight in enumerate(scores):
                    out[b, i, cut] += weight / sum(scores) * v[b, j, cut]
    return out


@pytest.fixture
def inputs():
    torch.manual_seed(0)
    return torch.randn(3, 4, DIM), torch.randn(3, 6, DIM), lengths_to_valid([6, 3, 1], 6)


def test_attention_equals_the_loop_over_heads_and_positions(inputs):
    query, memory, valid = inputs
    attention = MultiHeadAttention(DIM, HEADS)
    with torch.no_grad():
        torch.testing.assert_close(
            attention(query, memory, valid), slow_attention(attention, query, memory, valid), atol=1e-5, rtol=1e-5
        )


def test_what_stands_at_padded_positions_does_not_matter(inputs):
    query, memory, valid = inputs
    attention = MultiHeadAttention(DIM, HEADS)
    other = torch.where(valid[:, :, None], memory, 1e3)
    torch.testing.assert_close(attention(query, memory, valid), attention(query, other, valid), atol=1e-6, rtol=0)


@pytest.mark.parametrize("residual_and_norm", [True, False])
def test_block_equals_equation_5_written_out(inputs, residual_and_norm):
    _, x, valid = inputs
    block = AttentionBlock(DIM, HEADS, 16, 0.3, residual_and_norm=residual_and_norm).eval()
    w1, w2 = block.ffn_in, block.ffn_out
    with torch.no_grad():
        attended = slow_attention(block.attention, x, x, valid)
        if residual_and_norm:
            attended = block.attention_norm(x + attended)
        expected = torch.clamp(attended @ w1.weight.T + w1.bias, min=0) @ w2.weight.T + w2.bias
        if residual_and_norm:
            expected = block.ffn_norm(attended + expected)
        torch.testing.assert_close(block(x, valid), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("how", ["mean", "sum"])
def test_pooling_equals_the_loop_over_valid_positions(inputs, how):
    _, x, valid = inputs
    x = torch.where(valid[:, :, None], x, torch.nan)
    rows = [x[b, : int(valid[b].sum())] for b in range(3)]
    expected = torch.stack([row.mean(dim=0) if how == "mean" else row.sum(dim=0) for row in rows])
    torch.testing.assert_close(pool_positions(x, valid, how), expected, atol=1e-6, rtol=1e-6)


def test_the_weights_are_those_that_forward_mixes_by(inputs):
    query, memory, valid = inputs
    attention = MultiHeadAttention(DIM, HEADS)
    with torch.no_grad():
        weights = attention.weights(query, memory, valid)
        values = attention.value(memory).view(3, 6, HEADS, DIM // HEADS).transpose(1, 2)
        mixed = (weights @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(mixed, attention(query, memory, valid), atol=1e-6, rtol=1e-5)
    assert weights.shape == (3, HEADS, 4, 6)
    assert weights[1, :, :, 3:].abs().sum() == 0
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(3, HEADS, 4))


def test_dropped_channels_are_the_same_at_every_position_and_the_rest_makes_up_for_them():
    torch.manual_seed(0)
    dropped = drop_channels_(torch.ones(50, 7, 200), 0.3, True)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / 0.7]))
    assert abs(float(dropped.mean()) - 1) < 0.02
    assert not torch.equal(dropped[0], dropped[1])
    assert torch.equal(drop_channels_(dropped, 0.3, False), dropped)

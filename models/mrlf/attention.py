"""Attention: multi-head over sequences of different lengths, the pooling that ends a branch, and a kernel for CPUs.

Equations (3)-(5) of MRLF (arXiv 2306.07935) as reconstructed from LocTwi (Huang et al. 2019, which MRLF follows):
A_h = softmax(Q_h K_h^T / sqrt(d_k)),  O = [A_1 V_1; ...; A_H V_H],  R = relu(O W_1 + b_1) W_2 + b_2

On a CPU, for many short sequences and narrow heads: torch's own kernel calls a matrix product per head and post; with
heads of 8 numbers and 20 to 100 positions the calls cost more than the products. Here many heads share a call, and
only as many as stay in the cache. The backward pass works the weights out again (as Dao et al., arXiv 2205.14135, do),
so no score outlives its turn.
Same result as `scaled_dot_product_attention` up to rounding; for the backward pass, with G the gradient of O:
dV = A^T G,  dZ = A * (G V^T - rowsum(G * O)),  dQ = dZ K / sqrt(d_k),  dK = dZ^T Q / sqrt(d_k)
Heads are kept transposed, (N, K, S): products with the short side first are twice as quick. The mask is one more
number per head, 1 in the queries and 0 or -inf in the keys, so that it is added by the product itself.
Shape letters: B batch, S query positions, T memory positions, E width, H heads, K width per head, J = K + 1,
N = B * H.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.mrlf.config import Pooling

SCORES_AT_A_TURN = 2**18
"""one MiB of them"""
SMALLEST_MEMORY = 16
"""a softmax over fewer than a vector register holds is taken one number at a time, ten times slower"""


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of queries over a memory, the heads' outputs side by side."""

    def __init__(self, dim: int, num_heads: int, query_dim: int | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(query_dim or dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)

    def forward(self, query_BSE: Tensor, memory_BTE: Tensor, valid_BT: Tensor) -> Tensor:
        """Return (B, S, E); positions outside `valid_BT` get weight 0, so each row needs one valid position."""
        query_BSE = self.query(query_BSE)
        if is_eager_cpu(query_BSE):
            weight, bias = (
                torch.cat([self.key.get_parameter(n), self.value.get_parameter(n)]) for n in ("weight", "bias")
            )
            return cpu_attention(query_BSE, F.linear(memory_BTE, weight, bias), valid_BT, self.num_heads)
        key_BTE, value_BTE = self.key(memory_BTE), self.value(memory_BTE)
        query_BHSK, key_BHTK, value_BHTK = (self._heads(x_BTE) for x_BTE in (query_BSE, key_BTE, value_BTE))
        mask_B11T = valid_BT[:, None, None, :]
        out_BHSK = F.scaled_dot_product_attention(query_BHSK, key_BHTK, value_BHTK, attn_mask=mask_B11T)
        return out_BHSK.transpose(1, 2).flatten(2)

    def weights(self, query_BSE: Tensor, memory_BTE: Tensor, valid_BT: Tensor) -> Tensor:
        """The weights A of equation (3), (B, H, S, T): what `forward` mixes the memory's values by."""
        query_BHSK, key_BHTK = self._heads(self.query(query_BSE)), self._heads(self.key(memory_BTE))
        scores_BHST = query_BHSK @ key_BHTK.transpose(2, 3) / math.sqrt(query_BHSK.shape[3])
        return scores_BHST.masked_fill(~valid_BT[:, None, None, :], float("-inf")).softmax(dim=3)

    def _heads(self, x_BTE: Tensor) -> Tensor:
        return x_BTE.reshape(*x_BTE.shape[:2], self.num_heads, -1).transpose(1, 2)


class AttentionBlock(nn.Module):
    """Self-attention, then a position-wise feed-forward layer; as in LocTwi with residuals and layer norms."""

    def __init__(self, dim: int, num_heads: int, ffn_dim: int, dropout: float, *, residual_and_norm: bool) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(dim, num_heads)
        self.ffn_in, self.ffn_out = nn.Linear(dim, ffn_dim), nn.Linear(ffn_dim, dim)
        self.dropout = dropout
        self.residual_and_norm = residual_and_norm
        self.attention_norm = nn.LayerNorm(dim) if residual_and_norm else nn.Identity()
        self.ffn_norm = nn.LayerNorm(dim) if residual_and_norm else nn.Identity()

    def forward(self, x_BTE: Tensor, valid_BT: Tensor) -> Tensor:
        """Return (B, T, E); what stands at invalid positions is of no meaning."""
        attended_BTE: Tensor = self.attention(x_BTE, x_BTE, valid_BT)
        if not self.residual_and_norm:
            return self._feed_forward(attended_BTE)
        attended_BTE = self.attention_norm(x_BTE + attended_BTE)
        return self.ffn_norm(self._feed_forward(attended_BTE).add_(attended_BTE))  # type: ignore[no-any-return]

    def _feed_forward(self, x_BTE: Tensor) -> Tensor:
        """Equation (5)."""
        hidden_BTE = drop_channels_(self.ffn_in(x_BTE), self.dropout, self.training).relu_()
        return self.ffn_out(hidden_BTE)  # type: ignore[no-any-return]


def drop_channels_(x_BTE: Tensor, rate: float, is_training: bool) -> Tensor:
    """Dropout of whole channels of a post: the same ones at each of its positions (Tompson et al., arXiv 1411.4280).

    In place, as the underscore marks. On a CPU drawing a number per element is a tenth of the training time, one per
    channel is nothing.
    """
    if not is_training or rate == 0:
        return x_BTE
    return x_BTE.mul_(F.dropout(x_BTE.new_ones(x_BTE.shape[0], 1, x_BTE.shape[2]), rate))


def pool_positions(x_BTE: Tensor, valid_BT: Tensor, how: Pooling) -> Tensor:
    """Mean or sum (B, E) over the valid positions, of which each row has at least one.

    LocTwi sums; on 389 real posts the sum cost 12 to 18 points of accuracy against the mean.
    """
    total_BE = torch.where(valid_BT[:, :, None], x_BTE, 0.0).sum(dim=1)
    return total_BE if how == "sum" else total_BE / valid_BT.sum(dim=1, keepdim=True)


def is_eager_cpu(x: Tensor) -> bool:
    """Whether the quick ways of a CPU are to be taken; what compiles or exports a network knows the plain ones."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()


def cpu_attention(query_BSE: Tensor, keys_values_BT2E: Tensor, valid_BT: Tensor, num_heads: int) -> Tensor:
    """The heads' outputs side by side (B, S, E); keys and values lie side by side, those not valid get weight 0."""
    out_BSE: Tensor = _Attention.apply(query_BSE, keys_values_BT2E, valid_BT, num_heads)
    return out_BSE


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query_BSE: Tensor, keys_values_BT2E: Tensor, valid_BT: Tensor, num_heads: int) -> Tensor:
        key_BTE, value_BTE = keys_values_BT2E.chunk(2, dim=2)
        ones_B1S, mask_B1T = query_BSE.new_ones(1, 1, query_BSE.shape[1]), _mask(valid_BT)
        ctx.scale = 1 / math.sqrt(query_BSE.shape[2] // num_heads)
        query_NJS = _heads(query_BSE * ctx.scale, num_heads, query_BSE.shape[1], last=ones_B1S)
        key_NJT = _heads(key_BTE, num_heads, mask_B1T.shape[2], last=mask_B1T)
        value_NKT = _heads(value_BTE, num_heads, mask_B1T.shape[2])
        out_NKS = query_NJS.new_empty(len(query_NJS), value_NKT.shape[1], query_NJS.shape[2])
        for turn, weights_nST in _turns(query_NJS, key_NJT):
            torch.bmm(value_NKT[turn], weights_nST.mT, out=out_NKS[turn])
        ctx.save_for_backward(query_NJS, key_NJT, value_NKT, out_NKS)
        ctx.shape_of_memory = keys_values_BT2E.shape
        return out_NKS.view(query_BSE.mT.shape).mT

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query_NJS, key_NJT, value_NKT, out_NKS = ctx.saved_tensors
        (gradient_BSE,) = gradients
        gradient_NKS = gradient_BSE.mT.reshape(out_NKS.shape)
        row_sums_NS1 = (gradient_NKS * out_NKS).sum(dim=1)[:, :, None]
        query_NKS, key_NKT = query_NJS[:, :-1], key_NJT[:, :-1]
        d_query_NKS, d_key_NKT, d_value_NKT = (torch.empty_like(x) for x in (out_NKS, value_NKT, value_NKT))
        for turn, weights_nST in _turns(query_NJS, key_NJT):
            torch.bmm(gradient_NKS[turn], weights_nST, out=d_value_NKT[turn])
            d_scores_nST = torch.bmm(gradient_NKS[turn].mT, value_NKT[turn]).sub_(row_sums_NS1[turn]).mul_(weights_nST)
            torch.bmm(key_NKT[turn], d_scores_nST.mT, out=d_query_NKS[turn])
            torch.bmm(query_NKS[turn], d_scores_nST, out=d_key_NKT[turn])
        d_memory_BT2E = out_NKS.new_empty(ctx.shape_of_memory)
        num_posts, length, width = ctx.shape_of_memory
        for part_BTE, d_NKT in zip(d_memory_BT2E.chunk(2, dim=2), (d_key_NKT, d_value_NKT), strict=True):
            part_BTE.copy_(d_NKT.view(num_posts, width // 2, -1).mT[:, :length])
        d_query_BSE = torch.mul(d_query_NKS.view(gradient_BSE.mT.shape).mT, ctx.scale)
        return d_query_BSE, d_memory_BT2E, None, None


def _mask(valid_BT: Tensor) -> Tensor:
    """0 at valid positions, -inf at others, and at least as many as `SMALLEST_MEMORY`."""
    missing = max(0, SMALLEST_MEMORY - valid_BT.shape[1])
    return torch.where(F.pad(valid_BT, (0, missing)), 0.0, float("-inf"))[:, None]


def _heads(x_BTE: Tensor, num_heads: int, length: int, last: Tensor | None = None) -> Tensor:
    """Heads (N, K, length), zeros after the end; with `last` (B or 1, 1, length) as one more number of each."""
    num_posts, num_positions, width = x_BTE.shape
    num_numbers = width // num_heads
    make = x_BTE.new_empty if length == num_positions else x_BTE.new_zeros
    heads_BHJT = make(num_posts, num_heads, num_numbers + (last is not None), length)
    heads_BHJT[:, :, :num_numbers, :num_positions] = x_BTE.mT.view(num_posts, num_heads, num_numbers, -1)
    if last is not None:
        heads_BHJT[:, :, num_numbers] = last
    return heads_BHJT.flatten(0, 1)


def _turns(query_NJS: Tensor, key_NJT: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some heads at a time, and their weights (n, S, T): equation (3)."""
    at_a_turn = max(1, SCORES_AT_A_TURN // (query_NJS.shape[2] * key_NJT.shape[2]))
    for start in range(0, len(query_NJS), at_a_turn):
        turn = slice(start, start + at_a_turn)
        yield turn, torch.bmm(query_NJS[turn].mT, key_NJT[turn]).softmax(dim=2)

"""Scaled dot-product attention for many short sequences and narrow heads on a CPU.

torch's own kernel calls a matrix product per head and post; with heads of 8 numbers and 20 to 100 positions the calls
cost more than the products. Here many heads share a call, and only as many as stay in the cache. The backward pass
works the weights out again (as Dao et al., arXiv 2205.14135, do), so no score outlives its turn.
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
from torch import Tensor

SCORES_AT_A_TURN = 2**18
"""one MiB of them"""
SMALLEST_MEMORY = 16
"""a softmax over fewer than a vector register holds is taken one number at a time, ten times slower"""


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

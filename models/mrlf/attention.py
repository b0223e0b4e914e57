"""Multi-head attention over sequences of different lengths, and the pooling that ends a branch.

Equations (3)-(5) of MRLF (arXiv 2306.07935) as reconstructed from LocTwi (Huang et al. 2019, which MRLF follows):
A_h = softmax(Q_h K_h^T / sqrt(d_k)),  O = [A_1 V_1; ...; A_H V_H],  R = relu(O W_1 + b_1) W_2 + b_2
Shape letters: B batch, S query positions, T memory positions, E width, H heads, K width per head.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.mrlf.config import Pooling
from models.mrlf.cpu_attention import cpu_attention, is_eager_cpu


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

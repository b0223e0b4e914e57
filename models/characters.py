"""The character branch: convolution, max-pool over windows, self-attention, pooled to one vector per filter size.

Equations (1), (2) of MRLF (arXiv 2306.07935), reconstructed; the pooling rule is that of LocTwi (Huang et al. 2019):
(1) m'_ij = relu(sum_u sum_v w_uv c_(i+u)v + b_j), k taps, centred: (k-1)//2 zeros to the left, the rest to the right
(2) m_ij  = max over the window of k positions that starts at (i-1) * stride, stride k-1
Law: padding moves nothing. Padded positions are 0 before the convolution and before the max-pool (after a ReLU 0 never
wins a window), and the n valid slots of a text of length L are ceil((L - k) / stride) + 1, at least 1.
Shape letters: B batch, L positions, D embedding, E filters, S slots after the max-pool.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import AttentionBlock, pool_positions
from models.batches import Padded
from models.config import MrlfConfig, PoolRule
from models.text import PAD_ID


class PooledMap(NamedTuple):
    """The output M of convolution and max-pool for one filter size, and which of its slots are real."""

    slots_BSE: Tensor
    valid_BS: Tensor


def pool_stride(filter_size: int, rule: PoolRule) -> int:
    """Stride of the max-pool whose window is `filter_size`: overlapping by one position, or side by side."""
    return filter_size - 1 if rule == "overlapping" else filter_size


def num_slots(lengths_B: Tensor, window: int, stride: int) -> Tensor:
    """Windows needed to cover each length; an empty text keeps one slot, of zeros, for attention to look at."""
    return ((lengths_B - window + stride - 1).div(stride, rounding_mode="floor") + 1).clamp(min=1)


class CharacterMaps(nn.Module):
    """Embedded characters with learned positions, convolved and max-pooled once per filter size."""

    def __init__(self, config: MrlfConfig, num_characters: int, max_chars: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_characters, config.char_dim, padding_idx=PAD_ID)
        self.positions = nn.Embedding(max_chars, config.char_dim) if config.char_positions else None
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.char_dim, config.num_filters, size) for size in config.char_filter_sizes
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(config.num_filters) if config.norm_after_pool else nn.Identity()
            for _ in config.char_filter_sizes
        )
        self.dropout = nn.Dropout(config.dropout)
        self.filter_sizes = config.char_filter_sizes
        self.pool_rule: PoolRule = config.char_pool

    def forward(self, chars: Padded) -> list[PooledMap]:
        """One map per filter size."""
        valid_BL = chars.valid_BL()
        chars_BLD = self.embedding(chars.ids_BL)
        if self.positions is not None:
            chars_BLD = chars_BLD + self.positions.weight[: chars.ids_BL.shape[1]]
        chars_BDL = (chars_BLD * valid_BL[:, :, None]).transpose(1, 2)
        layers = zip(self.filter_sizes, self.convolutions, self.norms, strict=True)
        return [self._map(chars_BDL, chars.lengths_B, valid_BL, *layer) for layer in layers]

    def _map(
        self,
        chars_BDL: Tensor,
        lengths_B: Tensor,
        valid_BL: Tensor,
        size: int,
        convolution: nn.Module,
        norm: nn.Module,
    ) -> PooledMap:
        left = (size - 1) // 2
        convolved_BEL = F.relu(convolution(F.pad(chars_BDL, (left, size - 1 - left)))) * valid_BL[:, None, :]
        stride = pool_stride(size, self.pool_rule)
        longest = max(1, -(-(valid_BL.shape[1] - size) // stride) + 1)
        filled_BEL = F.pad(convolved_BEL, (0, (longest - 1) * stride + size - valid_BL.shape[1]))
        slots_BSE = F.max_pool1d(filled_BEL, size, stride).transpose(1, 2)
        slots_B = num_slots(lengths_B, size, stride)
        valid_BS = torch.arange(longest, device=slots_B.device) < slots_B[:, None]
        return PooledMap(norm(self.dropout(slots_BSE)), valid_BS)


class CharacterBranch(nn.Module):
    """Attention over each map of its own, pooled over the slots and set side by side."""

    def __init__(self, config: MrlfConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                AttentionBlock(
                    config.num_filters,
                    config.num_heads,
                    config.ffn_dim,
                    config.dropout,
                    residual_and_norm=config.residual_and_norm,
                )
                for _ in range(config.num_attention_layers)
            )
            for _ in config.char_filter_sizes
        )
        self.pooling = config.pooling

    def forward(self, maps: list[PooledMap]) -> Tensor:
        """The character representation (B, filter sizes * E)."""
        pooled = []
        for layers, (slots_BSE, valid_BS) in zip(self.blocks, maps, strict=True):
            for layer in layers:  # type: ignore[attr-defined]
                slots_BSE = layer(slots_BSE, valid_BS)
            pooled.append(pool_positions(slots_BSE, valid_BS, self.pooling))
        return torch.cat(pooled, dim=1)

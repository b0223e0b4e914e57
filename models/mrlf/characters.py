"""The character branch: convolution, max-pool over windows, self-attention.

Equations (1), (2) of MRLF (arXiv 2306.07935), reconstructed; the pooling rule is that of LocTwi (Huang et al. 2019):
(1) m'_ij = relu(sum_u sum_v w_uv c_(i+u)v + b_j), k taps, centred: (k-1)//2 zeros to the left, the rest to the right
(2) m_ij  = max over the window of k positions that starts at (i-1) * stride, stride k-1
Law: padding moves nothing. A padded position is PADDED before the max-pool and the ReLU comes after it, so it never
wins a window; the n valid slots of a text of length L are ceil((L - k) / stride) + 1, at least 1. Learned positions
run on past the end of a text, as far as a filter can see.
Shape letters: B batch, L positions, D embedding, E filters, A the filters of all sizes, K taps, S slots after the
max-pool.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batches import Padded
from models.data.text import PAD_ID
from models.mrlf.attention import AttentionBlock, drop_channels_, pool_positions
from models.mrlf.config import MrlfConfig, Pooling, PoolRule
from models.mrlf.cpu_attention import is_eager_cpu
from models.mrlf.filters import side_by_side
from models.mrlf.look_up import look_up_convolution

PADDED = -1e4
"""Lower than any convolution of a text, and a number in bf16, too."""


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
        convolutions = [nn.Conv1d(config.char_dim, config.num_filters, size) for size in config.char_filter_sizes]
        self.convolutions: Sequence[nn.Conv1d] = nn.ModuleList(convolutions)  # type: ignore[assignment]
        self.norms = nn.ModuleList(
            nn.LayerNorm(config.num_filters) if config.norm_after_pool else nn.Identity()
            for _ in config.char_filter_sizes
        )
        self.filter_sizes, self.num_filters = config.char_filter_sizes, config.num_filters
        self.dropout = config.dropout
        self.pool_rule: PoolRule = config.char_pool

    def forward(self, chars: Padded) -> list[PooledMap]:
        """One map per filter size."""
        convolved = self.look_up(chars) if is_eager_cpu(self.embedding.weight) else self.convolve(chars)
        layers = zip(self.filter_sizes, convolved, self.norms, strict=True)
        return [self._map(convolved_BLE, chars.lengths_B, size, norm) for size, convolved_BLE, norm in layers]

    def convolve(self, chars: Padded) -> list[Tensor]:
        """Equation (1) before its ReLU, (B, L, E) per filter size: an embedding, then a convolution."""
        weight_ADK, bias_A, left = side_by_side(self.convolutions)
        right = weight_ADK.shape[2] - 1 - left
        chars_BLD = self.embedding(F.pad(chars.ids_BL, (0, right)))
        if self.positions is not None:
            chars_BLD = chars_BLD + self._positions_LD(chars_BLD.shape[1])
        convolved_BAL = F.conv1d(F.pad(chars_BLD.transpose(1, 2), (left, 0)), weight_ADK, bias_A)
        masked_BLA = torch.where(chars.valid_BL()[:, :, None], convolved_BAL.transpose(1, 2), PADDED)
        return list(torch.split(masked_BLA, self.num_filters, dim=2))

    def look_up(self, chars: Padded) -> list[Tensor]:
        """What `convolve` gives, by adding up rows of a table: several times faster on a CPU."""
        weight_ADK, bias_A, left = side_by_side(self.convolutions)
        added_LA = bias_A[None]
        if self.positions is not None:
            positions_LD = self._positions_LD(chars.ids_BL.shape[1] + weight_ADK.shape[2] - 1 - left)
            added_LA = F.conv1d(F.pad(positions_LD.T, (left, 0)), weight_ADK, bias_A).T
        embedded_VD = self.embedding(torch.arange(self.embedding.num_embeddings))  # padding stays without a gradient
        sums_BLA = look_up_convolution(chars.ids_BL, embedded_VD, weight_ADK, left, PADDED)
        parts = (torch.split(x, self.num_filters, dim=-1) for x in (sums_BLA, added_LA))
        return [sums_BLE + added_LE for sums_BLE, added_LE in zip(*parts, strict=True)]

    def _positions_LD(self, length: int) -> Tensor:
        """The learned positions, and zeros after the last of them."""
        positions_LD: Tensor = self.positions.weight[:length]  # type: ignore[union-attr]
        return F.pad(positions_LD, (0, 0, 0, length - len(positions_LD)))

    def _map(self, convolved_BLE: Tensor, lengths_B: Tensor, size: int, norm: nn.Module) -> PooledMap:
        """Equation (2): the max-pool, and the ReLU of (1)."""
        stride, length = pool_stride(size, self.pool_rule), convolved_BLE.shape[1]
        longest = max(1, -(-(length - size) // stride) + 1)
        missing = (longest - 1) * stride + size - length
        if missing > 0:
            convolved_BLE = F.pad(convolved_BLE, (0, 0, 0, missing), value=PADDED)
        image_BE1L = convolved_BLE.transpose(1, 2)[:, :, None]  # a max-pool of images is quick where channels are last
        slots_BSE = F.max_pool2d(image_BE1L, (1, size), (1, stride))[:, :, 0].transpose(1, 2)
        slots_B = num_slots(lengths_B, size, stride)
        valid_BS = torch.arange(longest, device=slots_B.device) < slots_B[:, None]
        return PooledMap(norm(drop_channels_(slots_BSE, self.dropout, self.training).relu_()), valid_BS)


class CharacterBranch(nn.Module):
    """Attention over each map of its own."""

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

    def forward(self, maps: list[PooledMap]) -> list[PooledMap]:
        """The maps after attention, one per filter size."""
        attended = []
        for layers, (slots_BSE, valid_BS) in zip(self.blocks, maps, strict=True):
            for layer in layers:  # type: ignore[attr-defined]
                slots_BSE = layer(slots_BSE, valid_BS)
            attended.append(PooledMap(slots_BSE, valid_BS))
        return attended


def pool_maps(maps: list[PooledMap], how: Pooling) -> Tensor:
    """The character representation (B, filter sizes * E): each map pooled over its slots, side by side."""
    return torch.cat([pool_positions(slots_BSE, valid_BS, how) for slots_BSE, valid_BS in maps], dim=1)

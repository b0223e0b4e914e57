"""Early fusion of caption and hashtag characters: attention between their convolution outputs.

Equations (6)-(8) of MRLF (arXiv 2306.07935), whose formulas are not public; two readings fit its words, both are here.
"early_cross" (default): Q = M_t W_Q, K = M_h W_K, V = M_h W_V: the caption asks, the hashtags answer.
"early_self": M = [M_t; M_h] along the sequence, one self-attention over it.
Then F = [A_1 V_1; ...; A_H V_H] W_O, per filter size, pooled over the asking positions.
Shape letters: B batch, S caption slots, T hashtag slots, E filters.
"""

import torch
from torch import Tensor, nn

from models.attention import MultiHeadAttention, pool_positions
from models.characters import PooledMap
from models.config import FusionMode, MrlfConfig


class EarlyFusion(nn.Module):
    """The fused representation F (B, filter sizes * E)."""

    def __init__(self, config: MrlfConfig) -> None:
        super().__init__()
        sizes = config.char_filter_sizes
        self.attentions = nn.ModuleList(MultiHeadAttention(config.num_filters, config.num_heads) for _ in sizes)
        self.outputs = nn.ModuleList(nn.Linear(config.num_filters, config.num_filters) for _ in sizes)
        self.mode: FusionMode = config.fusion
        self.pooling = config.pooling

    def forward(self, captions: list[PooledMap], hashtags: list[PooledMap]) -> Tensor:
        """One fusion per filter size, side by side."""
        fused = []
        for attention, output, caption, tags in zip(self.attentions, self.outputs, captions, hashtags, strict=True):
            asking, memory = (caption, tags) if self.mode == "early_cross" else (_join(caption, tags),) * 2
            fused_BSE = output(attention(asking.slots_BSE, memory.slots_BSE, memory.valid_BS))
            fused.append(pool_positions(fused_BSE, asking.valid_BS, self.pooling))
        return torch.cat(fused, dim=1)


def _join(caption: PooledMap, tags: PooledMap) -> PooledMap:
    return PooledMap(
        torch.cat([caption.slots_BSE, tags.slots_BSE], dim=1), torch.cat([caption.valid_BS, tags.valid_BS], dim=1)
    )

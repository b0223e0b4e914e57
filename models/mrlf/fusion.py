"""Fusion by attention: the representation F that joins two modalities.

Equations (6)-(8) of MRLF (arXiv 2306.07935), whose formulas are not public; two readings fit its words, both are here:
"early_cross" (default): Q = M_t W_Q, K = M_h W_K, V = M_h W_V: the caption asks, the hashtags answer.
"early_self": M = [M_t; M_h] along the sequence, one self-attention over it.
Then F = [A_1 V_1; ...; A_H V_H] W_O, per filter size, pooled over the asking positions. Of its two rivals in Fig. 3,
"late" is early_cross on the outputs of the character branches instead of the maps M, and "text_image" has the picture
ask and the caption's map M_t answer; how the paper did the latter is not stated, so this one is ours.
Shape letters: B batch, S caption slots, T hashtag slots, E filters, I image width.
"""

import torch
from torch import Tensor, nn

from models.mrlf.attention import MultiHeadAttention, pool_positions
from models.mrlf.characters import PooledMap
from models.mrlf.config import FusionMode, MrlfConfig


class TextFusion(nn.Module):
    """Caption and hashtags fused (B, filter sizes * E); early or late is a matter of the maps it is given."""

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
            asking, memory = (_join(caption, tags),) * 2 if self.mode == "early_self" else (caption, tags)
            fused_BSE = output(attention(asking.slots_BSE, memory.slots_BSE, memory.valid_BS))
            fused.append(pool_positions(fused_BSE, asking.valid_BS, self.pooling))
        return torch.cat(fused, dim=1)


class TextImageFusion(nn.Module):
    """What a picture (B, I) finds in its caption (B, filter sizes * E)."""

    def __init__(self, config: MrlfConfig) -> None:
        super().__init__()
        sizes, width = config.char_filter_sizes, config.num_filters
        self.attentions = nn.ModuleList(
            MultiHeadAttention(width, config.num_heads, query_dim=config.image_fc_dim) for _ in sizes
        )
        self.outputs = nn.ModuleList(nn.Linear(width, width) for _ in sizes)

    def forward(self, captions: list[PooledMap], image_BI: Tensor) -> Tensor:
        """One fusion per filter size, side by side."""
        fused = [
            output(attention(image_BI[:, None, :], caption.slots_BSE, caption.valid_BS)).squeeze(1)
            for attention, output, caption in zip(self.attentions, self.outputs, captions, strict=True)
        ]
        return torch.cat(fused, dim=1)


def _join(caption: PooledMap, tags: PooledMap) -> PooledMap:
    return PooledMap(
        torch.cat([caption.slots_BSE, tags.slots_BSE], dim=1), torch.cat([caption.valid_BS, tags.valid_BS], dim=1)
    )

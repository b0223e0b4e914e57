"""MRLF, the multi-modal representation learning framework of Dai et al. 2023 (arXiv 2306.07935), reconstructed.

(9)  Z = [F; T_c; H_c; T_w; H_w; I]: fused characters, characters and words of caption and hashtags, image
(10) y = W_z Z + b_z;  the loss (13) is the cross-entropy of softmax(y)
With `hidden_dim`, which is ours, y = W_z Z + b_z + W_o relu(W_y n(Z) + b_y), n(Z) = (Z - mean) / standard deviation.
The image comes in as features of a frozen VGG19 (`models.vision.backbones`) and passes one fully connected layer.
Every part of Z can be left out (`MrlfConfig.modalities`, `characters`, `words`, `fusion`): then it is not built.
The formulas and numbers are missing from every copy of the paper: see `mrlf.config` for what was chosen and why.

Fusion, equations (6)-(8): two readings fit the paper's words, both are here:
"early_cross" (default): Q = M_t W_Q, K = M_h W_K, V = M_h W_V: the caption asks, the hashtags answer.
"early_self": M = [M_t; M_h] along the sequence, one self-attention over it.
Then F = [A_1 V_1; ...; A_H V_H] W_O, per filter size, pooled over the asking positions. Of its two rivals in Fig. 3,
"late" is early_cross on the outputs of the character branches instead of the maps M, and "text_image" has the picture
ask and the caption's map M_t answer; how the paper did the latter is not stated, so this one is ours.
Shape letters: B batch, S caption slots, T hashtag slots, E filters, I image width, Z joined width, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batches import Batch, Padded
from models.data.network import Network
from models.data.text import Vocabulary
from models.mrlf.attention import MultiHeadAttention, pool_positions
from models.mrlf.branches import (
    CharacterBranch,
    CharacterMaps,
    ImageBranch,
    PooledMap,
    WordBranch,
    drop_hashtags,
    pool_maps,
)
from models.mrlf.config import FusionMode, MrlfConfig

__all__ = ["Mrlf", "MrlfConfig"]


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


class HiddenLayer(nn.Module):
    """What the parts of a post say together beyond what each says: scores (B, C), to be added to those of (10).

    The parts begin a few hundredths wide. Products of such numbers are next to nothing beside a bias, so without n(Z)
    the layer begins as a sum as well, and the posts are learnt by heart before it is anything else.
    """

    def __init__(self, width: int, config: MrlfConfig, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.inner = nn.Linear(width, config.hidden_dim)
        self.outer = nn.Linear(config.hidden_dim, num_classes, bias=False)
        self.dropout = nn.Dropout(config.head_dropout)

    def forward(self, joined_BZ: Tensor) -> Tensor:
        """In training mean and deviation are the batch's; one post alone has none and takes the running ones."""
        norm = self.norm
        if self.training and len(joined_BZ) == 1:
            normal_BZ = F.batch_norm(joined_BZ, norm.running_mean, norm.running_var, eps=norm.eps)
        else:
            normal_BZ = norm(joined_BZ)
        return self.outer(self.dropout(self.inner(self.dropout(normal_BZ)).relu()))  # type: ignore[no-any-return]


def _join(caption: PooledMap, tags: PooledMap) -> PooledMap:
    return PooledMap(
        torch.cat([caption.slots_BSE, tags.slots_BSE], dim=1), torch.cat([caption.valid_BS, tags.valid_BS], dim=1)
    )


class Mrlf(Network):
    """One post's caption, hashtags and image features to unnormalised class scores."""

    def __init__(self, config: MrlfConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.config: MrlfConfig = config
        text, hashtags, num_characters = config.reads("text"), config.reads("hashtags"), vocabulary.num_characters
        if text and config.characters:
            self.caption_maps = CharacterMaps(config, num_characters, config.max_caption_chars)
            self.caption_characters = CharacterBranch(config) if config.has_branch("text") else None
        if hashtags and config.characters:
            self.hashtag_maps = CharacterMaps(config, num_characters, config.max_hashtag_chars)
            self.hashtag_characters = CharacterBranch(config) if config.has_branch("hashtags") else None
        if config.has_fusion:
            self.fusion = TextImageFusion(config) if config.fusion == "text_image" else TextFusion(config)
        if text and config.words:
            self.caption_words = WordBranch(config, vocabulary.num_words)
        if hashtags and config.words:
            self.hashtag_words = WordBranch(config, vocabulary.num_hashtags)
        if config.reads("image"):
            self.image = ImageBranch(image_dim, config.image_fc_dim)
        self.head_dropout = nn.Dropout(config.head_dropout)
        width = _joined_width(config)
        self.head = nn.Linear(width, num_classes)
        self.hidden = HiddenLayer(width, config, num_classes) if config.hidden_dim else None

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C). How far the batch is padded does not move them."""
        config = self.config
        hashtag_words, hashtag_chars = self._hashtags(batch)
        image_BI = self.image(batch.image_BD, batch.has_image_B) if config.reads("image") else None
        parts = self._character_parts(batch.caption_chars, hashtag_chars, image_BI) if config.characters else []
        if config.words and config.reads("text"):
            parts.append(self.caption_words(batch.caption_words))
        if config.words and config.reads("hashtags"):
            parts.append(self.hashtag_words(hashtag_words))
        if image_BI is not None:
            parts.append(image_BI)
        joined_BZ = torch.cat(parts, dim=1)
        logits_BC: Tensor = self.head(self.head_dropout(joined_BZ))
        return logits_BC if self.hidden is None else logits_BC + self.hidden(joined_BZ)

    def _hashtags(self, batch: Batch) -> tuple[Padded, Padded]:
        """The hashtags by words and by characters; in training some of them vanish from both."""
        words, chars, rate = batch.hashtag_words, batch.hashtag_chars, self.config.hashtag_dropout
        if self.training and rate > 0 and self.config.reads("hashtags"):
            return drop_hashtags(words, chars, batch.hashtag_of_char_BL, rate)
        return words, chars

    def _character_parts(self, caption: Padded, hashtags: Padded, image_BI: Tensor | None) -> list[Tensor]:
        """F, T_c and H_c, as far as they are built."""
        config = self.config
        parts, fused = [], []
        for side, name, chars in (("text", "caption", caption), ("hashtags", "hashtag", hashtags)):
            if not config.reads(side):
                continue
            maps = getattr(self, f"{name}_maps")(chars)
            attended = getattr(self, f"{name}_characters")(maps) if config.has_branch(side) else maps
            fused.append(attended if config.fusion == "late" else maps)
            if config.has_own_characters(side):
                parts.append(pool_maps(attended, config.pooling))
        if config.has_fusion and config.fusion == "text_image":
            parts.insert(0, self.fusion(fused[0], image_BI))
        elif config.has_fusion:
            parts.insert(0, self.fusion(*fused))
        return parts


def _joined_width(config: MrlfConfig) -> int:
    """Width of Z in (9)."""
    num_texts = config.reads("text") + config.reads("hashtags")
    num_sides = sum(map(config.has_own_characters, ("text", "hashtags"))) + config.has_fusion
    num_maps = len(config.char_filter_sizes) * num_sides
    num_word_maps = len(config.word_filter_sizes) * num_texts * config.words
    return (num_maps + num_word_maps) * config.num_filters + config.image_fc_dim * config.reads("image")

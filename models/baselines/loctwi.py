"""LocTwi: a word transformer beside a character convolution (Huang, Tong, He and Maciejewski 2019, Frontiers in Big
Data 2:5; their code is public, its single head for city and country is one head for POIs here).

Words: embedding and learned positions, two layers of attention (10 heads, ReLU on queries, keys and values; residual,
layer norm; feed-forward 200-800-200; residual, layer norm), summed over the positions.
Characters: embedding and learned positions; per k = 3..7 a convolution without padding, ReLU, max-pool of window k and
stride k-1, dropout, layer norm; the maps are summed over the positions.
A trap of the released code: its loop over character layers is empty with the default settings, so the released model
has no character attention, though the paper describes it. `character_attention` adds it.
Ours: texts are padded on the right and padding moves nothing (theirs: on the left, and it takes part).
Shape letters: B batch, L positions, D embedding, E filters, S slots after the max-pool, H heads, K width per head.
"""

from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.baselines.joined_text import Reads, joined_characters, joined_words, space_id
from models.data.batches import Batch, Padded
from models.data.network import Network, embedding
from models.data.text import EMBEDDING_STD, MIN_HASHTAG_COUNT, PAD_ID, TextConfig, Vocabulary
from models.mrlf.attention import pool_positions
from models.mrlf.branches import num_slots
from models.mrlf.config import Pooling
from models.settings.config_values import require
from models.settings.train_config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class LocTwiConfig(TextConfig):
    """The sizes of the code; text limits are those of MRLF, since captions are longer than tweets (140, 30)."""

    min_hashtag_count: int = 10
    """a hashtag is a word among others there"""
    reads: Reads = "caption_and_hashtags"
    """a tweet holds its hashtags, so the whole text of a post is read"""
    word_dim: int = 200
    num_word_layers: int = 2
    num_word_heads: int = 10
    word_ffn_dim: int = 800
    char_dim: int = 100
    char_filter_sizes: tuple[int, ...] = (3, 4, 5, 6, 7)
    num_filters: int = 64
    character_attention: bool = True
    """True as in the paper, False as the released model is"""
    num_char_heads: int = 8
    char_ffn_dim: int = 256
    pooling: Pooling = "sum"
    dropout: float = 0.3
    embedding_std: float = EMBEDDING_STD

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "char_filter_sizes", tuple(self.char_filter_sizes))
        for name, kind in (("reads", Reads), ("pooling", Pooling)):
            require(getattr(self, name) in get_args(kind), name, f"one of {get_args(kind)}", getattr(self, name))
        for name in ("word_dim", "num_word_heads", "word_ffn_dim", "char_dim", "num_filters", "num_char_heads"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        require(self.num_word_layers >= 0, "num_word_layers", "at least 0", self.num_word_layers)
        sizes = self.char_filter_sizes
        require(min(sizes, default=0) >= 2, "char_filter_sizes", "one or more sizes of at least 2", sizes)
        for width, heads in (("word_dim", "num_word_heads"), ("num_filters", "num_char_heads")):
            fits = getattr(self, width) % getattr(self, heads) == 0
            require(fits, width, f"divisible by {heads} ({getattr(self, heads)})", getattr(self, width))
        require(0 <= self.dropout < 1, "dropout", "in [0, 1)", self.dropout)
        require(self.embedding_std > 0, "embedding_std", "above 0", self.embedding_std)

    @classmethod
    def paper(cls) -> "LocTwiConfig":
        """The sizes that the paper states."""
        return cls()

    @classmethod
    def small(cls) -> "LocTwiConfig":
        """For fewer than about 5,000 posts, where a minimum of 10 would leave few words."""
        return cls(
            min_char_count=2,
            min_word_count=2,
            min_hashtag_count=MIN_HASHTAG_COUNT,
            word_dim=60,
            word_ffn_dim=120,
            char_dim=32,
            char_filter_sizes=(3, 5),
            num_filters=32,
            num_char_heads=4,
            char_ffn_dim=64,
            pooling="mean",
        )

    @classmethod
    def paper_training(cls) -> TrainConfig:
        """Adam 1e-4 in batches of 128, 30 epochs at most, as the paper states."""
        return TrainConfig(optimiser="adam", learning_rate=1e-4, batch_size=128)

    @classmethod
    def small_training(cls) -> TrainConfig:
        """At 1e-4 thirty epochs of a thousand posts end before anything is learnt."""
        return TrainConfig.small_adam()


class LocTwi(Network):
    """One post's words and characters to unnormalised class scores."""

    def __init__(self, config: LocTwiConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.config: LocTwiConfig = config
        self.space, self.num_words = space_id(vocabulary), vocabulary.num_words
        std, num_words = config.embedding_std, vocabulary.num_words + vocabulary.num_hashtags
        self.words = embedding(num_words, config.word_dim, std=std, padding_idx=PAD_ID)
        self.word_positions = embedding(config.max_caption_words + config.max_hashtags, config.word_dim, std=std)
        self.word_layers = nn.ModuleList(
            ReluAttentionLayer(config.word_dim, config.num_word_heads, config.word_ffn_dim, config.dropout)
            for _ in range(config.num_word_layers)
        )
        self.characters = embedding(vocabulary.num_characters, config.char_dim, std=std, padding_idx=PAD_ID)
        num_chars = config.max_caption_chars + config.max_hashtag_chars + 1
        self.char_positions = embedding(num_chars, config.char_dim, std=std)
        self.maps = nn.ModuleList(CharacterMap(config, size) for size in config.char_filter_sizes)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.word_dim + len(config.char_filter_sizes) * config.num_filters, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C). How far the batch is padded does not move them."""
        words = joined_words(batch, self.config.reads, self.num_words)
        chars = joined_characters(batch, self.config.reads, self.space)
        chars_BLD = self._embed(chars, self.characters, self.char_positions)
        maps = [one_map(chars_BLD, chars.lengths_B) for one_map in self.maps]
        pooled = [pool_positions(slots_BSE, valid_BS, self.config.pooling) for slots_BSE, valid_BS in maps]
        parts = [self._words(words), *pooled]
        return self.head(self.dropout(torch.cat(parts, dim=1)))  # type: ignore[no-any-return]

    def _words(self, words: Padded) -> Tensor:
        words_BLD = self.dropout(self._embed(words, self.words, self.word_positions))
        valid_BL = words.valid_BL()
        valid_BL[:, 0] = True  # a post without words keeps one slot, of the first position, to look at
        for layer in self.word_layers:
            words_BLD = layer(words_BLD, valid_BL)
        return pool_positions(words_BLD, valid_BL, self.config.pooling)

    def _embed(self, padded: Padded, tokens: nn.Embedding, positions: nn.Embedding) -> Tensor:
        valid_BL1 = padded.valid_BL()[:, :, None]
        embedded_BLD: Tensor = (tokens(padded.ids_BL) + positions.weight[: padded.ids_BL.shape[1]]) * valid_BL1
        return embedded_BLD


class CharacterMap(nn.Module):
    """The map of one filter size and which of its slots are real, with attention over it where that is asked for."""

    def __init__(self, config: LocTwiConfig, size: int) -> None:
        super().__init__()
        self.size = size
        self.convolution = nn.Conv1d(config.char_dim, config.num_filters, size)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.num_filters)
        self.attention = (
            ReluAttentionLayer(config.num_filters, config.num_char_heads, config.char_ffn_dim, config.dropout)
            if config.character_attention
            else None
        )

    def forward(self, chars_BLD: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, E) and (B, S)."""
        size, longest = self.size, chars_BLD.shape[1]
        filled_BDL = F.pad(chars_BLD.transpose(1, 2), (0, max(0, size - longest)))
        convolved_BEL = F.relu(self.convolution(filled_BDL))
        num_windows_B = (lengths_B - size + 1).clamp(min=0)
        width = convolved_BEL.shape[2]
        is_real_BL = torch.arange(width, device=lengths_B.device) < num_windows_B[:, None]
        convolved_BEL = convolved_BEL * is_real_BL[:, None, :]
        longest_slots = max(1, -(-(width - size) // (size - 1)) + 1)
        filled_BEL = F.pad(convolved_BEL, (0, (longest_slots - 1) * (size - 1) + size - width))
        slots_BSE = self.norm(self.dropout(F.max_pool1d(filled_BEL, size, size - 1).transpose(1, 2)))
        slots_B = num_slots(num_windows_B, size, size - 1)
        valid_BS = torch.arange(longest_slots, device=lengths_B.device) < slots_B[:, None]
        if self.attention is not None:
            slots_BSE = self.attention(slots_BSE, valid_BS)
        return slots_BSE, valid_BS


class ReluAttentionLayer(nn.Module):
    """Self-attention with a ReLU on its three projections, then a feed-forward layer; residuals and layer norms."""

    def __init__(self, dim: int, num_heads: int, ffn_dim: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.projections = nn.Linear(dim, 3 * dim)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(ffn_dim, dim))
        self.attention_norm, self.ffn_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        """(B, L, D); each row needs a valid position, what stands at the others is of no meaning."""
        projected_BLD = F.relu(self.projections(x_BLD)).chunk(3, dim=2)
        query_BHLK, key_BHLK, value_BHLK = (
            part_BLD.reshape(*part_BLD.shape[:2], self.num_heads, -1).transpose(1, 2) for part_BLD in projected_BLD
        )
        mask_B11L = valid_BL[:, None, None, :]
        mixed_BHLK = F.scaled_dot_product_attention(query_BHLK, key_BHLK, value_BHLK, attn_mask=mask_B11L)
        attended_BLD = self.attention_norm(x_BLD + mixed_BHLK.transpose(1, 2).flatten(2))
        return self.ffn_norm(attended_BLD + self.ffn(attended_BLD))  # type: ignore[no-any-return]

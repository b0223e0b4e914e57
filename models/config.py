"""The settings of MRLF, the network.

MRLF's own numbers are missing from every copy of the paper (arXiv 2306.07935). The defaults are a reconstruction: from
its closest ancestor LocTwi (Huang et al. 2019), from TextCNN, or from trials; each field is one choice to vary.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from models.attention import Pooling
from models.config_values import require
from models.text import TextConfig

PoolRule = Literal["overlapping", "disjoint"]
FusionMode = Literal["early_cross", "early_self"]


@dataclass(frozen=True, kw_only=True)
class MrlfConfig(TextConfig):
    """The network and its text limits; the defaults are `paper()`."""

    char_dim: int = 100
    char_positions: bool = True
    """learned positions are added to the characters (LocTwi)"""
    char_filter_sizes: tuple[int, ...] = (3, 4, 5, 6, 7)
    char_pool: PoolRule = "overlapping"
    """max-pool window k with stride k-1 (LocTwi) or k"""
    norm_after_pool: bool = False
    """a layer norm on the pooled map (LocTwi)"""
    num_filters: int = 64
    """per filter size, of characters and of words"""
    num_heads: int = 8
    num_attention_layers: int = 1
    ffn_dim: int = 256
    residual_and_norm: bool = True
    """residuals and layer norms round attention and feed-forward (LocTwi)"""
    pooling: Pooling = "mean"
    fusion: FusionMode = "early_cross"
    word_dim: int = 200
    word_filter_sizes: tuple[int, ...] = (3, 4, 5)
    image_fc_dim: int = 256
    dropout: float = 0.3
    head_dropout: float = 0.5
    hashtag_dropout: float = 0.3
    """share of a training post's hashtags that vanish before both of its hashtag encoders"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("char_filter_sizes", "word_filter_sizes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("char_dim", "num_filters", "num_heads", "ffn_dim", "word_dim", "image_fc_dim"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("dropout", "head_dropout", "hashtag_dropout"):
            require(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        require(self.num_attention_layers >= 0, "num_attention_layers", "at least 0", self.num_attention_layers)
        heads_fit = self.num_filters % self.num_heads == 0
        require(heads_fit, "num_filters", f"divisible by num_heads ({self.num_heads})", self.num_filters)
        smallest_char_size = 2 if self.char_pool == "overlapping" else 1
        for name, smallest in (("char_filter_sizes", smallest_char_size), ("word_filter_sizes", 1)):
            sizes = getattr(self, name)
            require(min(sizes, default=0) >= smallest, name, f"one or more sizes of at least {smallest}", sizes)
        for name, kind in (("pooling", Pooling), ("char_pool", PoolRule), ("fusion", FusionMode)):
            require(getattr(self, name) in get_args(kind), name, f"one of {get_args(kind)}", getattr(self, name))

    @classmethod
    def paper(cls) -> "MrlfConfig":
        """The reconstruction at the paper's scale, about 5,000 posts and more."""
        return cls()

    @classmethod
    def small(cls) -> "MrlfConfig":
        """For fewer than about 5,000 posts, where a vocabulary minimum of 10 or 50 would leave nothing."""
        return cls(
            min_char_count=2,
            min_word_count=2,
            min_hashtag_count=2,
            char_dim=32,
            word_dim=64,
            char_filter_sizes=(3, 5),
            word_filter_sizes=(3, 5),
            num_filters=32,
            num_heads=4,
            ffn_dim=64,
            image_fc_dim=64,
        )

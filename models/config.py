"""The settings of MRLF and of its training.

MRLF's own numbers are missing from every copy of the paper (arXiv 2306.07935). The defaults are a reconstruction: from
its closest ancestor LocTwi (Huang et al. 2019), from TextCNN, or from trials; each field is one choice to vary.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from models.attention import Pooling
from models.text import TextConfig

PoolRule = Literal["overlapping", "disjoint"]
FusionMode = Literal["early_cross", "early_self"]
Config = TypeVar("Config")


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
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("dropout", "head_dropout", "hashtag_dropout"):
            _require(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        _require(self.num_attention_layers >= 0, "num_attention_layers", "at least 0", self.num_attention_layers)
        heads_fit = self.num_filters % self.num_heads == 0
        _require(heads_fit, "num_filters", f"divisible by num_heads ({self.num_heads})", self.num_filters)
        smallest_char_size = 2 if self.char_pool == "overlapping" else 1
        for name, smallest in (("char_filter_sizes", smallest_char_size), ("word_filter_sizes", 1)):
            sizes = getattr(self, name)
            _require(min(sizes, default=0) >= smallest, name, f"one or more sizes of at least {smallest}", sizes)
        for name, kind in (("pooling", Pooling), ("char_pool", PoolRule), ("fusion", FusionMode)):
            _require(getattr(self, name) in get_args(kind), name, f"one of {get_args(kind)}", getattr(self, name))

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


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """RMSprop with a learning rate that falls when the validation loss rests (the paper's factor is 0.8)."""

    learning_rate: float = 1e-3
    batch_size: int = 32
    """under about 5,000 posts; 128 lost up to 15 points there"""
    max_epochs: int = 30
    plateau_factor: float = 0.8
    plateau_patience: int = 3
    early_stop_patience: int = 8
    """epochs without a lower validation loss"""
    seed: int = 0
    num_threads: int | None = None
    """CPU threads while training; None leaves torch's setting"""
    device: str = "auto"
    """"auto" takes the GPU where there is one, else a name torch knows"""

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        _require(0 < self.plateau_factor < 1, "plateau_factor", "in (0, 1)", self.plateau_factor)
        for name in ("batch_size", "max_epochs", "early_stop_patience"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(self.plateau_patience >= 0, "plateau_patience", "at least 0", self.plateau_patience)
        _require(self.seed >= 0, "seed", "at least 0", self.seed)
        _require(self.num_threads is None or self.num_threads >= 1, "num_threads", "at least 1", self.num_threads)

    @classmethod
    def paper(cls) -> "TrainConfig":
        """The reconstruction at the paper's scale."""
        return cls(batch_size=128)

    @classmethod
    def small(cls) -> "TrainConfig":
        """For fewer than about 5,000 posts; on a CPU its steps are too small for two threads to help."""
        return cls(num_threads=1)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch measured. `seconds` is wall time and not stored with a model: it is NaN in a loaded one."""

    epoch: int
    """counted from 1"""
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


def config_from_json(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The configuration stored as `values`.

    Raises:
        ValueError: a field is missing or unknown, so the file belongs to another version of this code.
    """
    names = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if names != set(values):
        raise ValueError(
            f"stored {kind.__name__} has unknown fields {sorted(set(values) - names)} and lacks "
            f"{sorted(names - set(values))}; it was written by another version: train the model again"
        )
    arguments: Any = dict(values)
    return kind(**arguments)


def _require(is_right: bool, name: str, expected: str, found: object) -> None:
    if not is_right:
        raise ValueError(f"{name} must be {expected}, got {found}")

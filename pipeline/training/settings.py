"""The settings of `train_mrlf`: every choice of the network and its training, by the name `models.config` has."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.cities import Settings

if TYPE_CHECKING:
    from models.config import MrlfConfig
    from models.train_config import TrainConfig

SMALL_BELOW_POSTS = 5000


class TrainMrlfSettings(Settings):
    """A preset, and what differs from it; None means as the preset says."""

    preset: Literal["auto", "small", "paper"] = Field(
        "auto", description=f"Sizes to begin with; auto takes small below {SMALL_BELOW_POSTS} training posts."
    )
    max_caption_chars: int | None = Field(None, description="Characters of a caption that are read.")
    max_caption_words: int | None = Field(None, description="Words of a caption that are read.")
    max_hashtags: int | None = Field(None, description="Hashtags of a post that are read.")
    max_hashtag_chars: int | None = Field(None, description="Characters of a post's hashtags that are read.")
    min_char_count: int | None = Field(None, description="Characters seen less often in training are unknown.")
    min_word_count: int | None = Field(None, description="Words seen less often in training are unknown.")
    min_hashtag_count: int | None = Field(None, description="Hashtags seen less often in training are unknown.")
    char_dim: int | None = Field(None, description="Width of a character's embedding.")
    char_positions: bool | None = Field(None, description="Learned positions are added to the characters.")
    char_filter_sizes: list[int] | None = Field(None, description="Widths of the convolutions over characters.")
    char_pool: Literal["overlapping", "disjoint"] | None = Field(None, description="Max-pool stride k-1 or k.")
    norm_after_pool: bool | None = Field(None, description="A layer norm on the pooled map.")
    num_filters: int | None = Field(None, description="Filters per width.")
    num_heads: int | None = Field(None, description="Attention heads.")
    num_attention_layers: int | None = Field(None, description="Attention layers over characters.")
    ffn_dim: int | None = Field(None, description="Width of the feed-forward layer.")
    residual_and_norm: bool | None = Field(None, description="Residuals and layer norms round attention.")
    pooling: Literal["mean", "sum"] | None = Field(None, description="How positions become one vector.")
    fusion: Literal["early_cross", "early_self"] | None = Field(None, description="How caption and tags are fused.")
    word_dim: int | None = Field(None, description="Width of a word's embedding.")
    word_filter_sizes: list[int] | None = Field(None, description="Widths of the convolutions over words.")
    image_fc_dim: int | None = Field(None, description="Width of the layer after the picture features.")
    dropout: float | None = Field(None, description="Dropout in the branches.")
    head_dropout: float | None = Field(None, description="Dropout before the last layer.")
    hashtag_dropout: float | None = Field(None, description="Share of hashtags hidden while training.")
    learning_rate: float | None = Field(None, description="RMSprop's learning rate to begin with.")
    batch_size: int | None = Field(None, description="Posts in one step.")
    max_epochs: int | None = Field(None, description="Epochs at most.")
    plateau_factor: float | None = Field(None, description="The learning rate falls by this when validation rests.")
    plateau_patience: int | None = Field(None, description="Epochs without gain before it falls.")
    early_stop_patience: int | None = Field(None, description="Epochs without gain before training ends.")
    seed: int | None = Field(None, description="Seed of weights, order and dropout.")
    num_threads: int | None = Field(None, description="CPU threads.")
    device: str | None = Field(None, description="auto, cpu, cuda or cuda:N.")

    def configs(self, num_train_posts: int) -> "tuple[MrlfConfig, TrainConfig]":
        """The preset with what differs from it.

        Raises:
            ValueError: a value is out of range.
        """
        import dataclasses

        from models.config import MrlfConfig
        from models.train_config import TrainConfig

        is_small = self.preset == "small" or (self.preset == "auto" and num_train_posts < SMALL_BELOW_POSTS)
        network, training = (
            (MrlfConfig.small(), TrainConfig.small()) if is_small else (MrlfConfig.paper(), TrainConfig.paper())
        )
        given = self.model_dump(exclude={"preset"}, exclude_none=True)
        of_network = {name: value for name, value in given.items() if hasattr(network, name)}
        of_training = {name: value for name, value in given.items() if hasattr(training, name)}
        return dataclasses.replace(network, **of_network), dataclasses.replace(training, **of_training)

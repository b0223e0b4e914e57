"""The settings of `train_mrlf`: every choice of the network and its training, by the name `models.mrlf.config` has."""

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from models.settings.presets import SMALL_BELOW_POSTS, Preset, check_best, is_small
from pipeline.cities import Settings

if TYPE_CHECKING:
    from models.mrlf.config import MrlfConfig
    from models.settings.train_config import TrainConfig


DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"


class TrainMrlfSettings(Settings):
    """A preset, and what differs from it; None means as the preset says."""

    model_config = ConfigDict(allow_inf_nan=False)

    preset: Preset = Field(
        "auto",
        description=f"Sizes to begin with; auto takes small below {SMALL_BELOW_POSTS} training posts, else paper; "
        "best is MRLF blended with a wide linear path.",
    )
    modalities: list[str] | None = Field(None, description="What is read of a post: any of text, hashtags, image.")
    characters: bool | None = Field(None, description="Caption and hashtags are read by characters.")
    words: bool | None = Field(None, description="Caption and hashtags are read by words.")
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
    fusion: Literal["early_cross", "early_self", "late", "concat", "text_image"] | None = Field(
        None, description="How caption and hashtags, or caption and picture, are fused."
    )
    word_dim: int | None = Field(None, description="Width of a word's embedding.")
    word_filter_sizes: list[int] | None = Field(None, description="Widths of the convolutions over words.")
    image_fc_dim: int | None = Field(None, description="Width of the layer after the picture features.")
    dropout: float | None = Field(None, description="Dropout in the branches.")
    head_dropout: float | None = Field(None, description="Dropout before the last layer.")
    hashtag_dropout: float | None = Field(None, description="Share of hashtags hidden while training.")
    optimiser: Literal["rmsprop", "adam", "adamw"] | None = Field(None, description="How the weights are moved.")
    learning_rate: float | None = Field(None, description="Learning rate to begin with.")
    weight_decay: float | None = Field(None, description="Pull of the weights towards zero.")
    clip: float | None = Field(None, description="Largest norm of the gradient.")
    class_weights: bool | None = Field(None, description="Rare classes weigh more in the training loss.")
    label_smoothing: float | None = Field(None, description="Share of each target spread over all classes.")
    batch_size: int | None = Field(None, description="Posts in one step.")
    max_epochs: int | None = Field(None, description="Epochs at most.")
    plateau_factor: float | None = Field(None, description="The learning rate falls by this when validation rests.")
    plateau_patience: int | None = Field(None, description="Epochs without gain before it falls.")
    early_stop_patience: int | None = Field(None, description="Epochs without gain before training ends.")
    seed: int | None = Field(None, le=2**63 - 1, description="Seed of weights, order and dropout.")
    num_threads: int | None = Field(None, le=1024, description="CPU threads.")
    device: str | None = Field(None, pattern=DEVICE, description="auto, cpu, cuda or cuda:N.")
    precision: Literal["auto", "fp32", "bf16"] | None = Field(None, description="auto: bf16 on a GPU, else fp32.")
    compile: bool | None = Field(None, description="False: plain steps on a GPU; true: torch.compile as well.")

    @model_validator(mode="after")
    def _best_reads_all(self) -> Self:
        if self.preset == "best" and self.modalities:
            check_best(self.modalities)
        return self

    def configs(self, num_train_posts: int) -> "tuple[MrlfConfig, TrainConfig]":
        """The preset with what differs from it.

        Raises:
            ValueError: a value is out of range.
        """
        import dataclasses

        from models.mrlf.config import MrlfConfig
        from models.settings.train_config import TrainConfig

        network, training = (
            (MrlfConfig.small(), TrainConfig.small())
            if is_small(self.preset, num_train_posts)
            else (MrlfConfig.paper(), TrainConfig.paper())
        )
        given = self.model_dump(exclude={"preset"}, exclude_none=True)
        of_training = {name: value for name, value in given.items() if hasattr(training, name)}
        return dataclasses.replace(network, **self.of_network()), dataclasses.replace(training, **of_training)

    def of_network(self) -> dict[str, Any]:
        """What was given of the network's own settings."""
        import dataclasses

        from models.mrlf.config import MrlfConfig

        names = {field.name for field in dataclasses.fields(MrlfConfig)}
        return {name: value for name, value in self.model_dump(exclude_none=True).items() if name in names}

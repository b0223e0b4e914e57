"""The settings of training, the sizes that "auto" means, what "best" cannot do, and what an epoch measured.

No torch here: the pipeline's settings are checked before anything is trained.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self, TypeVar, get_args

from models.settings.config_values import require

Preset = Literal["auto", "small", "paper"]
"""the size of networks"""
SMALL_BELOW_POSTS = 5000
"""training posts; "auto" is "small" below and "paper" from here on"""
Optimiser = Literal["rmsprop", "adam", "adamw"]
Precision = Literal["auto", "fp32", "bf16"]


def meant(preset: str, num_train_posts: int) -> str:
    """The preset that "auto" stands for with so many training posts; any other is itself."""
    if preset != "auto":
        return preset
    return "small" if num_train_posts < SMALL_BELOW_POSTS else "paper"


def is_small(preset: str, num_train_posts: int) -> bool:
    """Whether the small sizes are meant; "best" begins with the sizes that fit the number of posts."""
    return meant("auto" if preset == "best" else preset, num_train_posts) == "small"


class Sized(Protocol):
    """A configuration that comes in both sizes."""

    @classmethod
    def small(cls) -> Self: ...

    @classmethod
    def paper(cls) -> Self: ...


SizedT = TypeVar("SizedT", bound=Sized)


def sized(kind: type[SizedT], preset: str, num_train_posts: int) -> SizedT:
    """The configuration of this kind in the sizes that the preset means with so many training posts."""
    return kind.small() if is_small(preset, num_train_posts) else kind.paper()


def check_best(modalities: Collection[str]) -> None:
    """Raises ValueError where "best" is asked for with other modalities than all three."""
    if set(modalities) != {"text", "hashtags", "image"}:
        raise ValueError(
            "best reads text, hashtags and image, and its linear part cannot leave one out: leave modalities away, "
            "or take MRLF alone (model: mrlf)"
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """RMSprop with a learning rate that falls when the validation loss rests (the paper's factor is 0.8)."""

    optimiser: Annotated[Optimiser, "Optimiser."] = "rmsprop"
    """the paper's; of the others only torch's defaults were tried"""
    rmsprop_alpha: Annotated[float, "RMSprop: share of the squared gradients' mean that each step keeps."] = 0.99
    """torch's; the papers do not tell theirs"""
    learning_rate: Annotated[float, "Initial learning rate."] = 1e-3
    weight_decay: Annotated[float, "Weight decay (L2)."] = 0.0
    clip: Annotated[float | None, "Gradient clipping: maximum norm."] = None
    """the gradient's norm is brought down to this where it is above; None leaves it"""
    class_weights: Annotated[bool, "Weight classes in the training loss by inverse frequency."] = False
    """a class's posts weigh n / (classes met * posts of the class) in the training loss, so that rare ones count"""
    label_smoothing: Annotated[float, "Label smoothing."] = 0.0
    """share of each training target that is spread over all classes"""
    batch_size: Annotated[int, "Batch size in posts."] = 32
    """under about 5,000 posts; 128 lost up to 15 points there"""
    max_epochs: Annotated[int, "Maximum number of epochs."] = 30
    plateau_factor: Annotated[float, "Factor by which the learning rate is reduced on a validation plateau."] = 0.8
    plateau_patience: Annotated[int, "Epochs without improvement before the learning rate is reduced."] = 3
    early_stop_patience: Annotated[int, "Epochs without improvement before training stops."] = 8
    """epochs without a lower validation loss"""
    seed: Annotated[int, "Random seed of initial weights, order of posts and dropout."] = 0
    num_threads: Annotated[int | None, "Number of CPU threads; by default torch's."] = None
    """CPU threads while training; None leaves torch's setting"""
    device: Annotated[str, "Device: auto, cpu, cuda or cuda:N."] = "auto"
    """"auto" takes the GPU where there is one, else a name torch knows"""
    precision: Annotated[Precision, "Precision; auto: bf16 on a GPU, else fp32."] = "auto"
    """"auto" is bf16 autocast on a GPU and fp32 on a CPU, where bf16 was slower; weights are fp32 always"""
    compile: Annotated[bool | None, "false: no CUDA graphs; true: torch.compile; by default CUDA graphs on a GPU."] = (
        None
    )
    """None captures whole steps as CUDA graphs on a GPU; True compiles the network as well, also on a CPU; False
    runs plain steps"""

    def __post_init__(self) -> None:
        for name, kind in (("optimiser", Optimiser), ("precision", Precision)):
            require(getattr(self, name) in get_args(kind), name, f"one of {get_args(kind)}", getattr(self, name))
        require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        require(0 <= self.rmsprop_alpha < 1, "rmsprop_alpha", "in [0, 1)", self.rmsprop_alpha)
        require(self.weight_decay >= 0, "weight_decay", "at least 0", self.weight_decay)
        require(self.clip is None or self.clip > 0, "clip", "above 0", self.clip)
        require(0 <= self.label_smoothing < 1, "label_smoothing", "in [0, 1)", self.label_smoothing)
        require(0 < self.plateau_factor < 1, "plateau_factor", "in (0, 1)", self.plateau_factor)
        for name in ("batch_size", "max_epochs", "early_stop_patience"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        require(self.plateau_patience >= 0, "plateau_patience", "at least 0", self.plateau_patience)
        require(self.seed >= 0, "seed", "at least 0", self.seed)
        require(self.num_threads is None or self.num_threads >= 1, "num_threads", "at least 1", self.num_threads)

    @classmethod
    def paper(cls) -> "TrainConfig":
        """The reconstruction at the paper's scale."""
        return cls(batch_size=128)

    @classmethod
    def small(cls) -> "TrainConfig":
        """For fewer than about 5,000 posts, whose epochs are short; on a CPU two threads do not help such steps."""
        return cls(num_threads=1, max_epochs=60)

    @classmethod
    def small_adam(cls) -> "TrainConfig":
        """For fewer than about 5,000 posts, of the networks whose papers train with Adam: more and larger steps."""
        return cls(optimiser="adam", learning_rate=1e-3, batch_size=32)


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

"""Which sizes "auto" means, and what "best" cannot do.

No torch here: the pipeline's settings are checked before anything is trained.
"""

from collections.abc import Collection
from typing import Literal, Protocol, Self, TypeVar

Preset = Literal["auto", "small", "paper", "best"]
SMALL_BELOW_POSTS = 5000
"""training posts; "auto" is "small" below and "paper" from here on"""


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
    """Raises ValueError where the preset "best" is asked for with other modalities than all three."""
    if set(modalities) != {"text", "hashtags", "image"}:
        raise ValueError(
            "preset best reads text, hashtags and image, and its linear part cannot leave one out: leave "
            "modalities away, or take preset small or paper"
        )

"""Which sizes "auto" means, and what "best" cannot do.

No torch here: the pipeline's settings are checked before anything is trained.
"""

from collections.abc import Collection
from typing import Literal

Preset = Literal["auto", "small", "paper", "best"]
SMALL_BELOW_POSTS = 5000
"""training posts; "auto" is "small" below and "paper" from here on"""


def is_small(preset: str, num_train_posts: int) -> bool:
    """Whether the small sizes are meant; "best" begins with the sizes that fit the number of posts."""
    return preset == "small" or (preset in ("auto", "best") and num_train_posts < SMALL_BELOW_POSTS)


def check_best(modalities: Collection[str]) -> None:
    """Raises ValueError where the preset "best" is asked for with other modalities than all three."""
    if set(modalities) != {"text", "hashtags", "image"}:
        raise ValueError(
            "preset best reads text, hashtags and image, and its linear part cannot leave one out: leave "
            "modalities away, or take preset small or paper"
        )

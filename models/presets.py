"""Which sizes "auto" means. No torch here: the pipeline's settings name the number before anything is trained."""

from typing import Literal

Preset = Literal["auto", "small", "paper", "best"]
SMALL_BELOW_POSTS = 5000
"""training posts; "auto" is "small" below and "paper" from here on"""


def is_small(preset: str, num_train_posts: int) -> bool:
    """Whether the small sizes are meant; "best" begins with the sizes that fit the number of posts."""
    return preset == "small" or (preset in ("auto", "best") and num_train_posts < SMALL_BELOW_POSTS)

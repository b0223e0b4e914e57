"""Logistic regressions on each modality and on all of them: the honest baselines that the papers leave out.

None of the papers reports a linear model on the same posts, yet on a few hundred real posts it beat MRLF. Every table
of ours shows them.
They read the features of `linear.wide_features`: tf-idf of characters and of words, multi-hot hashtags, and image
features standardised as for MRLF, each block of a post of a length of about 1.
"""

from dataclasses import dataclass

from models.data.samples import Samples
from models.linear.linear_model import LinearModel, fit_linear
from models.linear.wide_features import Block


@dataclass(frozen=True)
class LogisticBaseline:
    """Multinomial logistic regression on the chosen blocks of features; `has_text` is characters and words."""

    has_text: bool = False
    has_hashtags: bool = False
    has_image: bool = False
    has_characters: bool = False

    def fit(self, train: Samples, num_classes: int) -> LinearModel:
        """Fit; training samples of a single class, or without any feature, give the classes' shares."""
        return fit_linear(train, num_classes, self._blocks())

    def _blocks(self) -> list[Block]:
        asked: dict[Block, bool] = {
            "characters": self.has_text or self.has_characters,
            "words": self.has_text,
            "hashtags": self.has_hashtags,
            "image": self.has_image,
        }
        return [block for block, is_asked in asked.items() if is_asked]

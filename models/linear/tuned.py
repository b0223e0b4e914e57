"""The linear model on all three modalities with its settings chosen: the rival that a network has to beat.

Chosen on the validation posts by log loss: how strongly the weights are held down, and how hashtags are weighted.
What is chosen is fitted on all posts that were handed over for training.
"""

from itertools import product

import numpy as np

from models.data.samples import Samples, check_split
from models.linear.experts import Expert, fit_expert, rounded
from models.linear.linear_model import LinearConfig, LinearModel
from models.linear.pool import mean_loss
from models.linear.wide_features import Block, WideFeatures

SCALE = 1.5
"""of every block, as trials on other cities chose"""
INVERSE_REGULARISATIONS = (1.0, 3.0, 10.0, 30.0)
HASHTAGS: tuple[Block, ...] = ("hashtags_idf", "hashtags")
MIDDLE = (3.0, HASHTAGS[0])
"""taken where there is nothing to choose on"""


def fit_tuned(train: Samples, validation: Samples, num_classes: int) -> LinearModel:
    """The model; validation posts that `train` holds too are left out of it while the settings are chosen.

    Raises:
        ValueError: no samples, fewer than 2 classes, or a label outside 0..num_classes-1.
    """
    check_split("train", train, num_classes)
    choice, hashtags = choose(train, validation, num_classes)
    expert = _expert(hashtags)
    blocks: list[Block] = list(expert.scales)
    features = WideFeatures.learn(train, blocks)
    layer = fit_expert(expert, features.transform(train), train.labels_N, num_classes, choice)
    config = LinearConfig(blocks=blocks, inverse_regularisation=choice)
    return LinearModel(features=features, layer=rounded(layer), config=config)


def choose(train: Samples, validation: Samples, num_classes: int) -> tuple[float, Block]:
    """The settings of lowest loss on validation posts, of models that were not fitted on them."""
    held_out = set(validation.keys)
    inside = train.take(np.array([key not in held_out for key in train.keys], dtype=bool))
    asked = validation.take(np.isin(validation.labels_N, inside.labels_N))
    if len(asked) == 0:
        return MIDDLE
    features = WideFeatures.learn(inside)
    blocks, asked_blocks = features.transform(inside), features.transform(asked)

    def loss(tried: tuple[float, Block]) -> float:
        choice, hashtags = tried
        layer = fit_expert(_expert(hashtags), blocks, inside.labels_N, num_classes, choice)
        return mean_loss(layer.logits(asked_blocks), asked.labels_N)

    return min(product(INVERSE_REGULARISATIONS, HASHTAGS), key=loss)


def _expert(hashtags: Block) -> Expert:
    return Expert({"characters": SCALE, "words": SCALE, hashtags: SCALE, "image": SCALE}, INVERSE_REGULARISATIONS)

"""A logistic regression that answers by itself: fitted at one go, without a network, and its folder on disk.

It is the baseline `logistic_all`, as it is. A folder holds `linear.json` and the two files of `linear.wide_files`.
scikit-learn is imported where it is used: the networks beside this room are trained where it is not installed.
Shape letters: N samples, C classes.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samples import Samples, check_split
from models.linear.experts import Expert, LinearLayer, fit_expert, rounded
from models.linear.pool import log_softmax
from models.linear.wide_features import Block, WideFeatures
from models.linear.wide_files import NUMBERS, TERMS, is_of_one_piece, load_wide, read_description, save_wide
from models.settings.config_values import config_from_json
from models.settings.train_config import Epoch

LINEAR_FORMAT = 1
LINEAR_DESCRIPTION = "linear.json"
FIELDS = {"format", "num_classes", "wide_sha256", "terms_sha256", "config"}
INVERSE_REGULARISATION = 3.0
"""scikit-learn's C, fixed so that no baseline is tuned on the split it is compared on"""
BLOCKS_OF: Mapping[str, tuple[Block, ...]] = {
    "text": ("characters", "words"),
    "hashtags": ("hashtags",),
    "image": ("image",),
}
"""What a linear model reads of each modality."""
ALL_BLOCKS = tuple(chain.from_iterable(BLOCKS_OF.values()))


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """What a linear model reads, and how strongly its weights are held down."""

    blocks: list[Block]
    inverse_regularisation: float


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """Features and one layer over them; a `models.trained.TrainedModel`."""

    features: WideFeatures
    layer: LinearLayer
    config: LinearConfig

    @property
    def history(self) -> list[Epoch]:
        """No epoch: it is fitted at one go."""
        return []

    @property
    def best_epoch(self) -> int:
        """0, as no epoch has."""
        return 0

    @property
    def configs(self) -> tuple[Any, ...]:
        """Its settings."""
        return (self.config,)

    @property
    def num_classes(self) -> int:
        """How many classes the model tells apart."""
        return len(self.layer.bias_C)

    @property
    def num_parameters(self) -> int:
        """Numbers that were learned."""
        return self.layer.bias_C.size + sum(weights_FC.size for weights_FC in self.layer.weights.values())

    @property
    def device(self) -> str:
        """The processor."""
        return "cpu"

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities (N, C), float64, each row summing to 1; a class without a training post gets 0."""
        if len(samples) == 0:
            return np.zeros((0, self.num_classes))
        logits_NC = self.layer.logits(self.features.transform(samples))
        return np.asarray(np.exp(log_softmax(np.where(self.layer.seen_C, logits_NC, -np.inf))))

    def save(self, folder: Path) -> list[str]:
        """Write the model into `folder`, and return the names of its files."""
        content = {
            "format": LINEAR_FORMAT,
            "num_classes": self.num_classes,
            **save_wide(folder, self.features, self.layer),
            "config": dataclasses.asdict(self.config),
        }
        (folder / LINEAR_DESCRIPTION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return [LINEAR_DESCRIPTION, TERMS, NUMBERS]

    @classmethod
    def load(cls, folder: Path) -> "LinearModel":
        """The model that `save` wrote.

        Raises:
            ValueError: a file is damaged, is of another version, or does not belong to the others.
            OSError: a file is missing.
        """
        path = folder / LINEAR_DESCRIPTION
        content = read_description(path)
        if set(content) != FIELDS or content["format"] != LINEAR_FORMAT:
            raise ValueError(f"{path} describes no model of format {LINEAR_FORMAT}; train it again")
        features, layer, _ = load_wide(folder, content)
        if not is_of_one_piece(features, layer, content["num_classes"]):
            raise ValueError(f"the parts of the model in {folder} do not fit each other; restore the folder")
        return cls(features=features, layer=layer, config=config_from_json(LinearConfig, content["config"]))


def fit_linear(train: Samples, num_classes: int, blocks: Sequence[Block] = ALL_BLOCKS) -> LinearModel:
    """The model, as it is stored; of posts of one class, or without any feature, it learns the classes' shares.

    Raises:
        ValueError: no samples, fewer than 2 classes, or a label outside 0..num_classes-1.
    """
    check_split("train", train, num_classes)
    features = WideFeatures.learn(train, blocks)
    expert = Expert(dict.fromkeys(blocks, 1.0), (INVERSE_REGULARISATION,))
    layer = fit_expert(expert, features.transform(train), train.labels_N, num_classes, INVERSE_REGULARISATION)
    config = LinearConfig(blocks=list(blocks), inverse_regularisation=INVERSE_REGULARISATION)
    return LinearModel(features=features, layer=rounded(layer), config=config)

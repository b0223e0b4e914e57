"""The model of preset `best`: one linear layer over sparse features beside MRLF networks, and its folder on disk.

A folder holds `best.json`, the two files of `linear.wide_files` (the deep part's weight among the numbers) and each
network in a folder of its own (`training.fitted`). Equal models give equal bytes; nothing is pickled. Loading is
strict: every field and tensor, and the digests that tie all files to best.json.
Shape letters: N samples, C classes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.network import Network
from models.data.samples import ImageScaler, Samples
from models.data.text import TextConfig, Vocabulary
from models.linear.experts import LinearLayer
from models.linear.pool import log_softmax
from models.linear.wide_features import WideFeatures
from models.linear.wide_files import NUMBERS, TERMS, is_of_one_piece, load_wide, read_description, save_wide
from models.settings.config_values import config_from_json
from models.settings.train_config import Epoch, TrainConfig
from models.training.fitted import Fitted

BEST_FORMAT = 1
DESCRIPTION = "best.json"
LEAST_PROBABILITY = 1e-12
FIELDS = {"format", "num_classes", "wide_sha256", "terms_sha256", "networks", "story"}


@dataclass(frozen=True, kw_only=True)
class FitSummary:
    """How the weights came about: what the samples that they were found on showed."""

    num_samples: int
    is_cross_fitted: bool
    """else they are validation samples"""
    is_pooled: bool
    """False: the pool did no better than the linear model, which therefore stands alone"""
    expert_weights: dict[str, float]
    inverse_regularisations: dict[str, float]
    prior_weight: float
    """of the log shares of the classes in training"""
    linear_accuracy: float
    pool_accuracy: float
    """of weights found on other folds; likewise the loss"""
    linear_loss: float
    pool_loss: float


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Linear layer and networks with what stands before them; a `models.trained.TrainedModel`."""

    features: WideFeatures
    layer: LinearLayer
    networks: tuple[Fitted, ...]
    deep_weight: float
    """of the mean of the networks' log probabilities, beside the layer's scores"""
    summary: FitSummary

    @property
    def model(self) -> Network:
        """The first network of the deep part."""
        return self.networks[0].model

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the first network; likewise the scaler."""
        return self.networks[0].vocabulary

    @property
    def scaler(self) -> ImageScaler:
        return self.networks[0].scaler

    @property
    def history(self) -> list[Epoch]:
        """The epochs of all networks, numbered on from one to the next."""
        epochs = [epoch for network in self.networks for epoch in network.history]
        return [dataclasses.replace(epoch, epoch=number) for number, epoch in enumerate(epochs, start=1)]

    @property
    def best_epoch(self) -> int:
        """The epoch of `history` with the lowest validation loss, counted from 1."""
        return min(self.history, key=lambda epoch: epoch.validation_loss).epoch

    @property
    def model_config(self) -> TextConfig:
        return self.networks[0].model_config

    @property
    def train_config(self) -> TrainConfig:
        return self.networks[0].train_config

    @property
    def configs(self) -> tuple[Any, ...]:
        """The settings of its networks and of their training."""
        return self.networks[0].configs

    @property
    def num_classes(self) -> int:
        return len(self.layer.bias_C)

    @property
    def num_parameters(self) -> int:
        """Numbers that were learned, of both parts."""
        wide = self.layer.bias_C.size + sum(weights_FC.size for weights_FC in self.layer.weights.values())
        return wide + sum(network.num_parameters for network in self.networks)

    @property
    def device(self) -> str:
        return self.networks[0].device

    def scores(self, samples: Samples) -> np.ndarray:
        """Class scores (N, C), float64: the layer's, and the deep part's times its weight."""
        wide_NC = self.layer.logits(self.features.transform(samples))
        return wide_NC + self.deep_weight * log_proba(self.networks, samples) if self.deep_weight else wide_NC

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities (N, C), float64, each row summing to 1; the labels of `samples` are not looked at."""
        if len(samples) == 0:
            return np.zeros((0, self.num_classes))
        return np.asarray(np.exp(log_softmax(self.scores(samples))))

    def save(self, folder: Path) -> list[str]:
        """Write the model into `folder`, and return the names of its files."""
        digests = save_wide(folder, self.features, self.layer, {"deep_weight": np.array([self.deep_weight])})
        names = [DESCRIPTION, TERMS, NUMBERS]
        for number, network in enumerate(self.networks):
            names += [f"network_{number}/{name}" for name in network.save(folder / f"network_{number}")]
        content = {
            "format": BEST_FORMAT,
            "num_classes": self.num_classes,
            **digests,
            "networks": [_network_sha256(folder, number) for number in range(len(self.networks))],
            "story": dataclasses.asdict(self.summary),
        }
        (folder / DESCRIPTION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return names

    @classmethod
    def load(cls, folder: Path) -> "Ensemble":
        """The model that `save` wrote, on the CPU.

        Raises:
            ValueError: a file is damaged, is of another version, or does not belong to the others.
            OSError: a file is missing.
        """
        content = read_description(folder / DESCRIPTION)
        if set(content) != FIELDS or content["format"] != BEST_FORMAT:
            raise ValueError(f"{folder / DESCRIPTION} describes no model of format {BEST_FORMAT}; train it again")
        features, layer, arrays = load_wide(folder, content)
        networks = tuple(_read_network(folder, number, sha256) for number, sha256 in enumerate(content["networks"]))
        best = cls(
            features=features,
            layer=layer,
            networks=networks,
            deep_weight=float(arrays["deep_weight"][0]),
            summary=config_from_json(FitSummary, {"prior_weight": 0.0, **content["story"]}),
        )
        _check_fit(best, content["num_classes"], folder)
        return best


def log_proba(networks: Sequence[Fitted], samples: Samples) -> np.ndarray:
    """The mean (N, C) of what the networks predict, as log probabilities."""
    logs = [np.log(np.maximum(network.predict_proba(samples), LEAST_PROBABILITY)) for network in networks]
    return np.asarray(np.mean(logs, axis=0))


def _check_fit(best: Ensemble, num_classes: int, folder: Path) -> None:
    classes = {network.num_classes for network in best.networks}
    if classes != {num_classes} or not is_of_one_piece(best.features, best.layer, num_classes):
        raise ValueError(f"the parts of the model in {folder} do not fit each other; restore the folder")


def _read_network(folder: Path, number: int, sha256: str) -> Fitted:
    if _network_sha256(folder, number) != sha256:
        raise ValueError(f"network_{number} in {folder} is not the one that {DESCRIPTION} names; restore the folder")
    return Fitted.load(folder / f"network_{number}")


def _network_sha256(folder: Path, number: int) -> str:
    return _sha256((folder / f"network_{number}" / "config.json").read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""A trained network (MRLF or one it is compared with) with all it needs to predict, and its folder on disk.

A folder holds `model.safetensors` (network and image scaler), `config.json` and `vocab.json`; equal models give equal
bytes. Loading is strict: every tensor, every field, and the digests that tie the three files together. A stored model
names the network it is of; `NETWORKS` has of every name the settings and the module they make.
Shape letters: N samples, C classes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from models.baselines.deepgeo import Deepgeo, DeepgeoConfig
from models.baselines.finetuned import Finetuned, FinetunedConfig
from models.baselines.loctwi import LocTwi, LocTwiConfig
from models.baselines.picture_head import PictureHead, PictureHeadConfig
from models.data.batches import scoring_batches
from models.data.digest import tensors_sha256
from models.data.encoded_split import EncodedSplit
from models.data.network import Network
from models.data.samples import ImageScaler, Samples
from models.data.text import TextConfig, Vocabulary
from models.mrlf.config import MrlfConfig
from models.mrlf.mrlf import Mrlf
from models.settings.config_values import config_from_json
from models.settings.train_config import Epoch, TrainConfig

MODEL_FORMAT = 3
SCORING_BATCH_SIZE = 128
BEFORE = {
    "embedding_std": 1.0,
    "even_kernels": "right",
    "fused": "joins",
    "hidden_dim": 0,
    "rmsprop_alpha": 0.99,
}
CONFIG_FIELDS = {
    *("format", "network", "num_classes", "image_dim", "best_epoch", "weights_sha256", "vocabulary_sha256"),
    *("model_config", "train_config", "history"),
}


@dataclass(frozen=True)
class NetworkKind:
    """The class of a network's settings, and its constructor `(config, vocabulary, *, image_dim, num_classes)`."""

    config: type[TextConfig]
    make: Callable[..., Network]


NETWORKS: Mapping[str, NetworkKind] = {
    "mrlf": NetworkKind(MrlfConfig, Mrlf),
    "deepgeo": NetworkKind(DeepgeoConfig, Deepgeo),
    "loctwi": NetworkKind(LocTwiConfig, LocTwi),
    "picture_head": NetworkKind(PictureHeadConfig, PictureHead),
    "finetuned": NetworkKind(FinetunedConfig, Finetuned),
}


def network_name(config: TextConfig) -> str:
    """The name in `NETWORKS` of the network that `config` belongs to."""
    names = [name for name, kind in NETWORKS.items() if kind.config is type(config)]
    if not names:
        raise ValueError(f"{type(config).__name__} belongs to no network; there are {', '.join(NETWORKS)}")
    return names[0]


def build_network(config: TextConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> Network:
    """The network of `config` with fresh weights from torch's generator."""
    make = NETWORKS[network_name(config)].make
    return make(config, vocabulary, image_dim=image_dim, num_classes=num_classes)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The network at its best epoch, what stands before it, and how it came about."""

    model: Network
    vocabulary: Vocabulary
    scaler: ImageScaler
    history: list[Epoch]
    model_config: TextConfig
    train_config: TrainConfig
    best_epoch: int
    """the epoch of lowest validation loss, counted from 1"""

    @property
    def configs(self) -> tuple[Any, ...]:
        """The settings of the network and of its training."""
        return self.model_config, self.train_config

    @property
    def num_classes(self) -> int:
        """How many classes the model tells apart."""
        return self.model.num_classes

    @property
    def num_parameters(self) -> int:
        """Numbers that were learned."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def device(self) -> str:
        """Where the network lies: cpu or cuda."""
        return next(self.model.parameters()).device.type

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities (N, C), float64, each row summing to 1; the labels of `samples` are not looked at."""
        device = next(self.model.parameters()).device
        split = EncodedSplit.of(samples, self.vocabulary, self.scaler, self.model_config)
        proba_NC = np.empty((len(samples), self.num_classes))
        self.model.eval()
        with torch.inference_mode():
            for rows in scoring_batches(split.text, SCORING_BATCH_SIZE):
                logits_BC = self.model(split.batch(rows, device)).double()
                proba_NC[rows] = logits_BC.softmax(dim=1).cpu().numpy()
        return proba_NC

    def save(self, folder: Path) -> list[str]:
        """Write the three files into `folder`, and return their names."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = self._tensors()
        vocabulary = self.vocabulary.to_json()
        config = {
            "format": MODEL_FORMAT,
            "network": network_name(self.model_config),
            "num_classes": self.num_classes,
            "image_dim": len(self.scaler.mean_D),
            "best_epoch": self.best_epoch,
            "weights_sha256": tensors_sha256(tensors),
            "vocabulary_sha256": _sha256(vocabulary),
            "model_config": dataclasses.asdict(self.model_config),
            "train_config": dataclasses.asdict(self.train_config),
            "history": [_without_seconds(epoch) for epoch in self.history],
        }
        (folder / "model.safetensors").write_bytes(safetensors.torch.save(tensors))
        (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        return ["model.safetensors", "vocab.json", "config.json"]

    def _tensors(self) -> dict[str, Tensor]:
        network = {f"network.{name}": tensor.cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        scaler = {f"scaler.{name}": torch.from_numpy(array) for name, array in self.scaler.arrays().items()}
        return network | scaler

    @classmethod
    def load(cls, folder: Path) -> "Fitted":
        """The model that `save` wrote, on the CPU.

        Raises:
            ValueError: a file is damaged, is of another version, or does not belong to the others.
            OSError: a file is missing.
        """
        config = _read_config(folder / "config.json")
        vocabulary_text = (folder / "vocab.json").read_text(encoding="utf-8")
        if _sha256(vocabulary_text) != config["vocabulary_sha256"]:
            raise ValueError(f"vocab.json in {folder} is not the one this model was trained with; restore the folder")
        vocabulary = Vocabulary.from_json(vocabulary_text)
        kind = _kind(config["network"], folder).config
        model_config = config_from_json(kind, _of_before(kind) | config["model_config"])
        tensors = _read_tensors(folder / "model.safetensors", config["weights_sha256"])
        model = build_network(
            model_config, vocabulary, image_dim=config["image_dim"], num_classes=config["num_classes"]
        )
        try:
            model.load_state_dict(_under("network.", tensors), strict=True)
        except RuntimeError as error:
            raise ValueError(
                f"the weights in {folder} do not fit config.json ({error}); restore the folder"
            ) from error
        arrays = {name: tensor.numpy() for name, tensor in _under("scaler.", tensors).items()}
        return cls(
            model=model.eval(),
            vocabulary=vocabulary,
            scaler=ImageScaler.from_arrays(arrays),
            history=[Epoch(**entry, seconds=float("nan")) for entry in config["history"]],
            model_config=model_config,
            train_config=config_from_json(TrainConfig, _of_before(TrainConfig) | config["train_config"]),
            best_epoch=config["best_epoch"],
        )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); restore the folder or train the model again") from error
    if not isinstance(content, dict) or set(content) != CONFIG_FIELDS or content["format"] != MODEL_FORMAT:
        raise ValueError(f"{path} describes no model of format {MODEL_FORMAT}; train it again")
    return content


def _kind(name: str, folder: Path) -> NetworkKind:
    if name not in NETWORKS:
        raise ValueError(
            f"the model in {folder} is of a network {name!r} that this version does not know; train it again"
        )
    return NETWORKS[name]


def _of_before(kind: type[Any]) -> dict[str, Any]:
    """What models that were stored before these settings were there were trained with."""
    return {name: value for name, value in BEFORE.items() if name in kind.__dataclass_fields__}


def _read_tensors(path: Path, weights_sha256: str) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); restore the folder or train the model again") from error
    if tensors_sha256(tensors) != weights_sha256:
        raise ValueError(f"{path} does not hold the weights that config.json names; restore the folder")
    return tensors


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _without_seconds(epoch: Epoch) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(epoch).items() if name != "seconds"}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

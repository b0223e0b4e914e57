"""Every network by its name: the settings it has and the module they make. A stored model names the one it is of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.baselines.deepgeo import Deepgeo, DeepgeoConfig
from models.baselines.finetuned import Finetuned, FinetunedConfig
from models.baselines.loctwi import LocTwi, LocTwiConfig
from models.baselines.picture_head import PictureHead, PictureHeadConfig
from models.data.network import Network
from models.data.text import TextConfig, Vocabulary
from models.mrlf.config import MrlfConfig
from models.mrlf.mrlf import Mrlf


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

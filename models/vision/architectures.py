"""The architectures that weights can be of: how each checks a state dict and builds its network.

Law: a state is checked strictly, names and shapes, before a module sees it. Each network's module is imported when it
is asked for, so that knowing the names costs nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from torch import Tensor, nn

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network's shape.

    check_state(state, origin): the state with the names of our module, float32. Raises ValueError, which names
    `origin`, where a tensor is missing, has another shape or does not belong to the network.
    build(state): the network of a checked state, evaluating.
    """

    name: str
    check_state: Callable[[Mapping[str, object], str], State]
    build: Callable[[Mapping[str, Tensor]], nn.Module]


def _check_u2net(name: str, state: Mapping[str, object], origin: str) -> State:
    from models.vision.u2net_weights import check_state

    return check_state(state, name, origin)


def _build_u2net(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    from models.vision.u2net_weights import build

    return build(name, state)


def _check_lama(state: Mapping[str, object], origin: str) -> State:
    from models.vision.lama_weights import check_state

    return check_state(state, origin)


def _build_lama(state: Mapping[str, Tensor]) -> nn.Module:
    from models.vision.lama_weights import build

    return build(state)


def _check_backbone(name: str, state: Mapping[str, object], origin: str) -> State:
    from models.vision.backbone_weights import check_state

    return check_state(state, name, origin)


def _build_backbone(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    from models.vision.backbone_weights import build

    return build(name, state)


def _architectures() -> dict[str, Architecture]:
    known = {"big_lama": Architecture(name="big_lama", check_state=_check_lama, build=_build_lama)}
    for name in ("u2net", "u2netp"):
        known[name] = Architecture(
            name=name, check_state=partial(_check_u2net, name), build=partial(_build_u2net, name)
        )
    for name in ("vgg19", "vgg16", "resnet50", "resnet101", "densenet121", "efficientnet_lite0"):
        known[name] = Architecture(
            name=name, check_state=partial(_check_backbone, name), build=partial(_build_backbone, name)
        )
    return known


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(_architectures())
"""by name"""

"""torchvision's backbones with few layers and channels: the kinds, names and heads of the true ones, soon trained."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from torchvision.models.densenet import DenseNet
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.models.vgg import VGG, make_layers

from models.vision.backbone_weights import BACKBONES
from models.vision.backbones import fixed_seed_sha256
from models.vision.efficientnet_lite import EfficientNetLite0


@contextmanager
def small_backbones() -> Iterator[None]:
    """Small networks in the place of the backbones; what is remembered of the true ones is drawn anew."""
    with pytest.MonkeyPatch.context() as patch:
        make_backbones_small(patch)
        fixed_seed_sha256.cache_clear()
        yield
    fixed_seed_sha256.cache_clear()


def make_backbones_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a small network in the place of each backbone."""
    for name, (make, num_features) in SMALL.items():
        small = dataclasses.replace(BACKBONES[name], make=make, num_features=num_features)
        monkeypatch.setitem(BACKBONES, name, small)


def _vgg(num_last: int) -> VGG:
    """Five halvings, and so many convolutions before the last of them."""
    return VGG(make_layers([16, "M", 32, "M", 64, "M", 64, "M", *[64] * num_last, "M"]))


class _Narrow(Bottleneck):
    """A residual block that hands on a quarter of the channels."""

    expansion = 1


def _resnet(*num_blocks: int) -> ResNet:
    return ResNet(_Narrow, [*num_blocks], width_per_group=8)


def _densenet() -> DenseNet:
    return DenseNet(growth_rate=16, block_config=(2, 2, 2, 2), num_init_features=32)


SMALL_STAGES = ((1, 3, 1, 1, 16), (1, 3, 2, 2, 24), (2, 5, 2, 2, 32), (1, 3, 2, 2, 48), (1, 3, 2, 2, 64))

SMALL = {
    "vgg16": (lambda: _vgg(1), 64),
    "vgg19": (lambda: _vgg(2), 64),
    "resnet50": (lambda: _resnet(1, 1, 1, 1), 512),
    "resnet101": (lambda: _resnet(1, 1, 3, 1), 512),
    "densenet121": (_densenet, 64),
    "efficientnet_lite0": (lambda: EfficientNetLite0(SMALL_STAGES, 64), 64),
}

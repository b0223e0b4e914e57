"""The backbones with weights drawn from a seed, which stand in where no trained weights are to be had.

None of them learned from a picture, so each is called `vgg19_fixed_seed` and the like, never by the network's name.
"""

import math
from functools import cache

import torch
from torch import Tensor

from models.data.digest import tensors_sha256
from models.vision.backbone_weights import headless
from models.vision.state_dict import COUNTER

FIXED_BIAS = 1.0
RELU_VARIANCE = 0.751088
"""variance of relu(x) for x normal with mean 1 and variance 1"""
CENTRE_TAP = 2
"""how much heavier the middle of a 3 x 3 filter is drawn than its rim"""
BRANCH_WEIGHT = 0.4
"""how much of a residual block's branch is added, so that a hundred layers neither drown nor repeat the first"""
LAST_BIAS = 2.0
"""of DenseNet's last batch norm: at 1 one of its 1024 channels never left zero"""


def fixed_seed_name(backbone: str) -> str:
    """What features by the drawn `backbone` are called."""
    return f"{backbone}_fixed_seed"


def fixed_seed_weights(backbone: str = "vgg19", seed: int = 0) -> dict[str, Tensor]:
    """Random weights that keep pictures apart, bit for bit the same on every machine and from every thread count.

    With the usual (He) initialisation each ReLU adds a common positive part to all channels; sixteen layers on, the
    features of any two pictures have a cosine of .99 and two directions hold nearly all the variance. Three changes,
    none of which looks at a picture: every filter but the first layer's sums to zero, so the common part is not
    handed on; a bias of 1 keeps most units in their linear half, so that small differences neither vanish nor blow
    up; the middle tap is heavier, so that depth mixes channels more than it blurs positions. Each layer of VGG then
    keeps a mean of 1 and a deviation of 1.0 to 1.3 before its ReLU. Random crops of 9 photographs, separated by a
    linear model (VGG19): .83 before, .89 to .94 after over two seeds; effective directions 2 before, 6 to 9 after. A
    feature varies between pictures by a sixth of its mean, 300 times the rounding of float16.
    A bias of 0.5 tore like textures apart (.55, here .84); uncentred filters left differences of 3 to 5 % of the mean.
    Batch norms are the identity but for that bias. Of a residual branch 0.4 is added: with all of it the textures of
    ResNet101 fell from .9 to .5. Integers are drawn and centred exactly, then scaled once, so no rounding depends on
    the machine.
    """
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    for name, empty in headless(backbone).state_dict().items():
        if empty.ndim == 4:
            weights[name] = _filters(empty.shape, generator, is_first=not weights)
        elif not name.endswith(COUNTER):
            weights[name] = torch.full(empty.shape, _constant(name))
    return weights


def _constant(name: str) -> float:
    """The value of a tensor that is not drawn; bn3 ends a residual branch, norm5 a DenseNet."""
    if name.endswith("running_mean"):
        return 0.0
    if name.endswith("running_var"):
        return 1.0
    if name.endswith("weight"):
        return BRANCH_WEIGHT if "bn3" in name else 1.0
    if "norm5" in name:
        return LAST_BIAS
    return 0.0 if "bn3" in name else FIXED_BIAS


def _filters(shape: torch.Size, generator: torch.Generator, *, is_first: bool) -> Tensor:
    tap = torch.ones(shape[2:], dtype=torch.int64)
    if tap.numel() > 1:
        tap[shape[2] // 2, shape[3] // 2] = CENTRE_TAP
    drawn = torch.randint(-127, 128, shape, generator=generator) * tap
    num_inputs, fan_in = shape[1], drawn[0].numel()
    spread = math.sqrt((255**2 - 1) / 12 * int((tap**2).sum()))
    if is_first:
        scale = 1 / (spread * math.sqrt(num_inputs))
    else:
        drawn = drawn * fan_in - drawn.sum(dim=(1, 2, 3), keepdim=True)
        scale = 1 / (spread * fan_in * math.sqrt(num_inputs * RELU_VARIANCE))
    return (drawn.double() * scale).float()


@cache
def fixed_seed_sha256(backbone: str = "vgg19", seed: int = 0) -> str:
    """The digest that stands beside what this network made; over the names within torchvision's `features`."""
    weights = fixed_seed_weights(backbone, seed)
    return tensors_sha256({name.removeprefix("features."): tensor for name, tensor in weights.items()})

"""VGG19 with weights drawn from a seed: what looks at pictures where nobody has trained weights.

It never learned from a picture, so it is called `vgg19_fixed_seed` and never `vgg19`.
"""

import math

import torch
from torch import Tensor

from models.backbone_weights import headless
from models.digest import tensors_sha256

FIXED_SEED = "vgg19_fixed_seed"
FIXED_BIAS = 1.0
RELU_VARIANCE = 0.751088
"""variance of relu(x) for x normal with mean 1 and variance 1"""
CENTRE_TAP = 2
"""how much heavier the middle of a 3 x 3 filter is drawn than its rim"""


def fixed_seed_weights(seed: int = 0) -> dict[str, Tensor]:
    """Random weights that keep pictures apart, bit for bit the same on every machine and from every thread count.

    With the usual (He) initialisation each ReLU adds a common positive part to all channels; sixteen layers on, the
    features of any two pictures have a cosine of .99 and two directions hold nearly all the variance. Three changes,
    none of which looks at a picture: every filter but the first layer's sums to zero, so the common part is not
    handed on; a bias of 1 keeps most units in their linear half, so that small differences neither vanish nor blow
    up; the middle tap is heavier, so that depth mixes channels more than it blurs positions. Each layer then keeps a
    mean of 1 and a deviation of 1.0 to 1.3 before its ReLU. Random crops of 9 photographs, told apart by a linear
    model: .83 before, .89 to .94 after over two seeds; effective directions 2 before, 6 to 9 after. A feature varies
    between pictures by a sixth of its mean, 300 times the rounding of float16.
    A bias of 0.5 tore like textures apart (.55, here .84); uncentred filters left differences of 3 to 5 % of the mean.
    Integers are drawn and centred exactly, then scaled once, so no rounding depends on the machine.
    """
    generator = torch.Generator().manual_seed(seed)
    tap_33 = torch.ones(3, 3, dtype=torch.int64)
    tap_33[1, 1] = CENTRE_TAP
    spread = math.sqrt((255**2 - 1) / 12 * int((tap_33**2).sum()))
    weights: dict[str, Tensor] = {}
    for name, empty in headless("vgg19").get_submodule("features").state_dict().items():
        if name.endswith("bias"):
            weights[name] = torch.full(empty.shape, FIXED_BIAS)
            continue
        drawn = torch.randint(-127, 128, empty.shape, generator=generator) * tap_33
        num_inputs, fan_in = drawn.shape[1], drawn[0].numel()
        if num_inputs == 3:
            scale = 1 / (spread * math.sqrt(num_inputs))
        else:
            drawn = drawn * fan_in - drawn.sum(dim=(1, 2, 3), keepdim=True)
            scale = 1 / (spread * fan_in * math.sqrt(num_inputs * RELU_VARIANCE))
        weights[name] = (drawn.double() * scale).float()
    return weights


def fixed_seed_sha256(seed: int = 0) -> str:
    """The digest that stands beside what this network made."""
    return tensors_sha256(fixed_seed_weights(seed))

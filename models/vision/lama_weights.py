"""Weights of Big-LaMa: what the official generator holds, checked strictly, and the network built from it.

Names and shapes are facts of the official source (github.com/advimman/lama, Apache-2.0): class `FFCResNetGenerator` in
`saicinpainting/training/modules/ffc.py` at commit f92ceab7626d060ffb90e0ec1d25484995e3914f, built with
`configs/training/big-lama.yaml` at 55619b2d62f83a75ba37327662d4e96171818083. They are written down here and not taken
from our module.
"""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from models.vision.lama import Lama, LamaOnPixels
from models.vision.state_dict import COUNTER, require_mapping, require_tensors

PREFIXES = ("model.generator.", "generator.", "")
"""before each name in `big-lama.pt` (`JITWrapper` of `bin/to_jit.py`), in a training checkpoint, in a generator"""
BATCH_NORM_EPS = 1e-5
Value = TypeVar("Value")
_PARTS = ("weight", "bias", "running_mean", "running_var")
NETWORK = "Big-LaMa"
ADVICE = "Take big-lama.pt, the TorchScript file that simple-lama-inpainting uses"

_CONVOLUTIONS: dict[str, tuple[int, ...]] = {
    "model.1.ffc.convl2l": (64, 4, 7, 7),
    "model.2.ffc.convl2l": (128, 64, 3, 3),
    "model.3.ffc.convl2l": (256, 128, 3, 3),
    "model.4.ffc.convl2l": (128, 256, 3, 3),
    "model.4.ffc.convl2g": (384, 256, 3, 3),
    "{block}.ffc.convl2l": (128, 128, 3, 3),
    "{block}.ffc.convl2g": (384, 128, 3, 3),
    "{block}.ffc.convg2l": (128, 384, 3, 3),
    "{block}.ffc.convg2g.conv1.0": (192, 384, 1, 1),
    "{block}.ffc.convg2g.fu.conv_layer": (384, 384, 1, 1),
    "{block}.ffc.convg2g.conv2": (384, 192, 1, 1),
    "model.24": (512, 256, 3, 3),
    "model.27": (256, 128, 3, 3),
    "model.30": (128, 64, 3, 3),
    "model.34": (3, 64, 7, 7),
}
_BIASES = {"model.24": 256, "model.27": 128, "model.30": 64, "model.34": 3}
_BATCH_NORMS = {
    "model.1.bn_l": 64,
    "model.2.bn_l": 128,
    "model.3.bn_l": 256,
    "model.4.bn_l": 128,
    "model.4.bn_g": 384,
    "{block}.bn_l": 128,
    "{block}.bn_g": 384,
    "{block}.ffc.convg2g.conv1.1": 192,
    "{block}.ffc.convg2g.fu.bn": 384,
    "model.25": 256,
    "model.28": 128,
    "model.31": 64,
}
_BLOCKS = [f"model.{number}.conv{half}" for number in range(5, 23) for half in (1, 2)]

_FOLDED_INTO = {
    "model.1.bn_l": ["model.1.ffc.convl2l"],
    "model.2.bn_l": ["model.2.ffc.convl2l"],
    "model.3.bn_l": ["model.3.ffc.convl2l"],
    "model.4.bn_l": ["model.4.ffc.convl2l"],
    "model.4.bn_g": ["model.4.ffc.convl2g"],
    "{block}.bn_l": ["{block}.ffc.convl2l", "{block}.ffc.convg2l"],
    "{block}.bn_g": ["{block}.ffc.convl2g", "{block}.ffc.convg2g.conv2"],
    "{block}.ffc.convg2g.conv1.1": ["{block}.ffc.convg2g.conv1.0"],
    "{block}.ffc.convg2g.fu.bn": ["{block}.ffc.convg2g.fu.conv_layer"],
    "model.25": ["model.24"],
    "model.28": ["model.27"],
    "model.31": ["model.30"],
}
"""the convolutions whose sum each batch norm scales; the first of them takes the shift"""
_TRANSPOSED = ("model.24", "model.27", "model.30")


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape of everything in the official generator's state dict."""
    shapes = {f"{name}.weight": shape for name, shape in _for_each_block(_CONVOLUTIONS).items()}
    shapes |= {f"{name}.bias": (size,) for name, size in _BIASES.items()}
    for name, size in _for_each_block(_BATCH_NORMS).items():
        shapes |= {f"{name}.{part}": (size,) for part in _PARTS}
        shapes[f"{name}.{COUNTER}"] = ()
    return shapes


def check_state(stored: object, origin: str) -> dict[str, Tensor]:
    """The state dict of the generator, named as in `Lama()`, float32; the one prefix that all names carry is removed.

    Raises:
        ValueError: `stored` is not Big-LaMa: a tensor is missing, unknown, of another shape, or not finite.
    """
    found = require_mapping(stored, network=NETWORK, origin=origin, advice=ADVICE)
    prefix = next((p for p in PREFIXES if all(name.startswith(f"{p}model.") for name in found)), "")
    found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return require_tensors(found, expected_shapes(), network=NETWORK, origin=origin, advice=ADVICE)


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """The network for pictures (`LamaOnPixels`), folded, evaluating, float32, from a state that `check_state` gave."""
    lama = Lama(is_folded=True)
    lama.load_state_dict(fold(state), strict=True, assign=True)
    return LamaOnPixels(lama).eval().requires_grad_(False)


def fold(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `Lama(is_folded=True)`: the same function with fewer steps."""
    all_folded_into = _folded_into()
    folded = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in all_folded_into}
    for norm, convolutions in all_folded_into.items():
        weight, bias, mean, variance = (state[f"{norm}.{part}"].double() for part in _PARTS)
        scale = weight / torch.sqrt(variance + BATCH_NORM_EPS)
        shift = bias - mean * scale
        for name in convolutions:
            kernel = folded[f"{name}.weight"].double()
            out_axis = 1 if name in _TRANSPOSED else 0
            shape = [-1 if axis == out_axis else 1 for axis in range(4)]
            folded[f"{name}.weight"] = (kernel * scale.reshape(shape)).float()
        first = f"{convolutions[0]}.bias"
        folded[first] = (shift + folded[first].double() * scale if first in folded else shift).float()
    folded["model.34.weight"], folded["model.34.bias"] = _four_pixels(state["model.34.weight"], state["model.34.bias"])
    return folded


def _four_pixels(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution of stride 2 that gives what `kernel` gives at 2 x 2 neighbours, in pixel_shuffle's order."""
    num_out, num_in, side, _ = kernel.shape
    wide = kernel.new_zeros(num_out, 2, 2, num_in, side + 1, side + 1)
    for down in (0, 1):
        for right in (0, 1):
            wide[:, down, right, :, down : down + side, right : right + side] = kernel
    return wide.flatten(0, 2), bias.repeat_interleave(4)


def _for_each_block(table: Mapping[str, Value]) -> dict[str, Value]:
    blocks = {name: _BLOCKS if "{block}" in name else [""] for name in table}
    return {name.format(block=block): value for name, value in table.items() for block in blocks[name]}


def _folded_into() -> dict[str, list[str]]:
    return {
        norm.format(block=block): [name.format(block=block) for name in convolutions]
        for norm, convolutions in _FOLDED_INTO.items()
        for block in (_BLOCKS if "{block}" in norm else [""])
    }

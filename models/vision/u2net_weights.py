"""Weights of U²-Net and U²-Net-P: what the official files hold, how batch norm is folded, how a network is built.

The list of names, shapes and dilations is a fact taken from the official source (github.com/xuebinqin/U-2-Net,
Apache-2.0, model/u2net.py of commit 04bd5f1f6326364d6b26f1628ca41f7d04d41778) and not from our module: loading
compares the two. The order is the one in which the official forward pass runs its convolutions, and so the order of
the Conv nodes in an exported graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from models.vision.state_dict import COUNTER, require_mapping, require_tensors
from models.vision.u2net import U2Net, U2NetP

BLOCKS = {
    "RSU7": "in 1 2 3 4 5 6 7:2 6d 5d 4d 3d 2d 1d",
    "RSU6": "in 1 2 3 4 5 6:2 5d 4d 3d 2d 1d",
    "RSU5": "in 1 2 3 4 5:2 4d 3d 2d 1d",
    "RSU4": "in 1 2 3 4:2 3d 2d 1d",
    "RSU4F": "in 1 2:2 3:4 4:8 3d:4 2d:2 1d",
}
"""The convolutions of each block of the official source, in running order, with their dilation where it is not 1."""
STAGES = {
    "u2net": {
        "stage1": ("RSU7", 3, 32, 64), "stage2": ("RSU6", 64, 32, 128), "stage3": ("RSU5", 128, 64, 256),
        "stage4": ("RSU4", 256, 128, 512), "stage5": ("RSU4F", 512, 256, 512), "stage6": ("RSU4F", 512, 256, 512),
        "stage5d": ("RSU4F", 1024, 256, 512), "stage4d": ("RSU4", 1024, 128, 256), "stage3d": ("RSU5", 512, 64, 128),
        "stage2d": ("RSU6", 256, 32, 64), "stage1d": ("RSU7", 128, 16, 64),
    },
    "u2netp": {
        "stage1": ("RSU7", 3, 16, 64), "stage2": ("RSU6", 64, 16, 64), "stage3": ("RSU5", 64, 16, 64),
        "stage4": ("RSU4", 64, 16, 64), "stage5": ("RSU4F", 64, 16, 64), "stage6": ("RSU4F", 64, 16, 64),
        "stage5d": ("RSU4F", 128, 16, 64), "stage4d": ("RSU4", 128, 16, 64), "stage3d": ("RSU5", 128, 16, 64),
        "stage2d": ("RSU6", 128, 16, 64), "stage1d": ("RSU7", 128, 16, 64),
    },
}  # fmt: skip
"""Block, input channels, middle channels, output channels."""
SIDE_INPUTS = {"u2net": (64, 64, 128, 256, 512, 512), "u2netp": (64, 64, 64, 64, 64, 64)}
MODULES: dict[str, type[U2Net]] = {"u2net": U2Net, "u2netp": U2NetP}
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


class Convolution(NamedTuple):
    """One convolution as a graph without names holds it: weight (out, in, k, k), bias (out), dilation."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    dilation: int


class Expected(NamedTuple):
    """What the official source says of one convolution."""

    name: str
    shape: tuple[int, int, int, int]
    dilation: int
    has_norm: bool

    @property
    def norm(self) -> str:
        """The name of its batch norm."""
        return self.name.replace("conv_s1", "bn_s1")


def expected_convolutions(architecture: str) -> list[Expected]:
    """The convolutions of "u2net" or "u2netp" in running order."""
    sides = enumerate(SIDE_INPUTS[architecture], start=1)
    return [
        *(found for name, stage in STAGES[architecture].items() for found in _block(name, *stage)),
        *(Expected(f"side{level}", (1, num_in, 3, 3), 1, False) for level, num_in in sides),
        Expected("outconv", (1, 6, 1, 1), 1, False),
    ]


def _block(stage: str, block: str, num_in: int, num_mid: int, num_out: int) -> Iterator[Expected]:
    for word in BLOCKS[block].split():
        short, _, dilation = word.partition(":")
        first = {"in": num_in, "1": num_out}.get(short, 2 * num_mid if short.endswith("d") else num_mid)
        last = num_out if short in ("in", "1d") else num_mid
        yield Expected(f"{stage}.rebnconv{short}.conv_s1", (last, first, 3, 3), int(dilation or 1), True)


def expected_shapes(architecture: str, *, is_folded: bool) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the official state dict, or of the one with batch norm folded in."""
    shapes: dict[str, tuple[int, ...]] = {}
    for convolution in expected_convolutions(architecture):
        width = convolution.shape[:1]
        shapes |= {f"{convolution.name}.weight": convolution.shape, f"{convolution.name}.bias": width}
        if convolution.has_norm and not is_folded:
            shapes |= {f"{convolution.norm}.{part}": width for part in BATCH_NORM}
            shapes[f"{convolution.norm}.{COUNTER}"] = ()
    return shapes


def check_state(state: object, architecture: str, origin: str) -> dict[str, Tensor]:
    """The tensors under the official names, float32: with batch norm, or folded where `state` has none.

    Raises:
        ValueError: a tensor is missing, has another shape, holds no finite numbers or does not belong there.
    """
    advice = f"Take the official file of {architecture}, or name the architecture that this one is of"
    found = require_mapping(state, network=architecture, origin=origin, advice=advice)
    shapes = expected_shapes(architecture, is_folded=_is_folded(found))
    counters = {name: torch.tensor(0) for name in shapes if name.endswith(COUNTER)}
    return require_tensors(counters | found, shapes, network=architecture, origin=origin, advice=advice)


def from_folded(convolutions: Sequence[Convolution], architecture: str, origin: str) -> dict[str, Tensor]:
    """The folded state dict from convolutions without names, in running order.

    Raises:
        ValueError: their number, or the shape or dilation of one of them, is not the architecture's.
    """
    expected = expected_convolutions(architecture)
    if len(convolutions) != len(expected):
        raise ValueError(
            f"{origin} is not {architecture}: it has {len(convolutions)} convolutions where {architecture} has "
            f"{len(expected)}. Take rembg's {architecture} file, or name the architecture that this one is of"
        )
    state: dict[str, Tensor] = {}
    for number, (found, wanted) in enumerate(zip(convolutions, expected, strict=True), start=1):
        given = f"{tuple(found.weight.shape)} with {found.bias.size} biases and dilation {found.dilation}"
        should = f"{wanted.shape} with {wanted.shape[0]} biases and dilation {wanted.dilation}"
        if given != should:
            raise ValueError(
                f"{origin} is not {architecture}: its convolution number {number} is {given}; {wanted.name} should "
                f"stand there, which is {should}"
            )
        state[f"{wanted.name}.weight"] = torch.from_numpy(found.weight)
        state[f"{wanted.name}.bias"] = torch.from_numpy(found.bias)
    return check_state(state, architecture, origin)


def fold(state: Mapping[str, Tensor], architecture: str) -> dict[str, Tensor]:
    """A checked state dict with each batch norm folded into its convolution; a folded one as it is.

    w' = w s, b' = (b - mean) s + beta with s = gamma / sqrt(var + eps), computed in double precision.
    """
    if _is_folded(state):
        return dict(state)
    folded: dict[str, Tensor] = {}
    for convolution in expected_convolutions(architecture):
        weight, bias = state[f"{convolution.name}.weight"].double(), state[f"{convolution.name}.bias"].double()
        if convolution.has_norm:
            gamma, beta, mean, variance = (state[f"{convolution.norm}.{part}"].double() for part in BATCH_NORM)
            weight, bias = fuse_conv_bn_weights(weight, bias, mean, variance, nn.BatchNorm2d(1).eps, gamma, beta)
        folded[f"{convolution.name}.weight"], folded[f"{convolution.name}.bias"] = weight.float(), bias.float()
    return folded


def build(architecture: str, state: Mapping[str, Tensor]) -> U2Net:
    """The network with these weights, batch norm folded, evaluating, fp32.

    Raises:
        ValueError: the weights are not this architecture's.
    """
    checked = fold(check_state(state, architecture, "the state dict"), architecture)
    with torch.device("meta"):
        network = MODULES[architecture](is_folded=True)
    network.load_state_dict(checked, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def random_state(architecture: str, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of the true shape under the official names, for tests and benchmarks; they know no portrait.

    He's initialisation with filters that sum to zero and random statistics of batch norm around those of the signal,
    so that no map vanishes or blows up on the way; of smooth noise half the fused map is above a threshold of 0.5.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = MODULES[architecture]().eval()
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                layer.weight -= layer.weight.mean(dim=(1, 2, 3), keepdim=True)
            elif isinstance(layer, nn.BatchNorm2d):
                is_after_sum = "rebnconvin" in name and not name.startswith("stage1.")
                _draw_statistics(layer, expected_variance=3.0 if is_after_sum else 1.2)
        noise_N3HW = sum(F.interpolate(torch.randn(2, 3, side, side), size=128) for side in (4, 16, 128))
        logits_N1HW = torch.logit(network(noise_N3HW))
        scale = 1.5 / logits_N1HW.std()
        state = network.state_dict()
        state["outconv.weight"] *= scale
        state["outconv.bias"].sub_(logits_N1HW.median()).mul_(scale)
    return state


def _draw_statistics(norm: nn.BatchNorm2d, expected_variance: float) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    norm.weight.uniform_(0.8, 1.2)
    norm.bias.normal_(0.0, 0.2)
    norm.running_mean.normal_(0.0, 0.1)
    norm.running_var.uniform_(0.7 * expected_variance, 1.3 * expected_variance)


def _is_folded(state: Mapping[str, object]) -> bool:
    return not any(".bn_s1." in name for name in state)

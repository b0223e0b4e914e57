"""Weights of VGG19's convolutions: from a file, from torchvision, or drawn with a fixed seed.

Architecture: Simonyan and Zisserman 2014 (arXiv 1409.1556), configuration E, with torchvision's names (BSD-3-Clause).
No pickle is executed: files are read as safetensors or with `weights_only`.
"""

import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

POOL = 0
WIDTHS = (64, 64, POOL, 128, 128, POOL, *[256] * 4, POOL, *[512] * 4, POOL, *[512] * 4, POOL)
"""Output channels of each convolution; POOL is a 2 x 2 max-pool."""
NUM_FEATURES = 512
FIXED_BIAS = 1.0
RELU_VARIANCE = 0.751088
"""variance of relu(x) for x normal with mean 1 and variance 1"""
CENTRE_TAP = 2
"""how much heavier the middle of a 3 x 3 filter is drawn than its rim"""
DOWNLOAD_TIMEOUT_S = 30.0


class WeightsUnavailableError(Exception):
    """The ImageNet weights could not be fetched, with the reason."""


def convolutions() -> nn.Sequential:
    """VGG19's `features`, its parameters without memory or values, so that no random number is drawn."""
    layers: list[nn.Module] = []
    num_inputs = 3
    with torch.device("meta"):
        for width in WIDTHS:
            if width == POOL:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(num_inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                num_inputs = width
    return nn.Sequential(*layers)


def fixed_seed_weights(seed: int) -> dict[str, Tensor]:
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
    for name, empty in convolutions().state_dict().items():
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


def read_weights(path: Path) -> dict[str, Tensor]:
    """The convolution weights in a file of VGG19 (with or without its classifier), .safetensors or torch's own format.

    Raises:
        ValueError: the file is damaged, is a pickle of something else, or holds another network.
    """
    try:
        if path.suffix == ".safetensors":
            stored = safetensors.torch.load(path.read_bytes())
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way, and all mean the same
        raise ValueError(
            f"{path} cannot be read as weights ({type(error).__name__}: {error}); it is not loaded in any other way. "
            "Take torchvision's vgg19 file, or save the state dict as safetensors"
        ) from error
    return convolution_weights(stored, str(path))


def download_weights() -> dict[str, Tensor]:
    """torchvision's ImageNet weights, kept in torch's own cache; the download is checked against their digest.

    Raises:
        WeightsUnavailableError: no network, no space, or something else arrived.
    """
    from torchvision.models import VGG19_Weights  # slow to import, and needed here only

    weights = VGG19_Weights.IMAGENET1K_V1
    try:
        with _socket_timeout(DOWNLOAD_TIMEOUT_S):
            stored = weights.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:
        reason = f"{weights.url} could not be downloaded ({type(error).__name__}: {error})"
        raise WeightsUnavailableError(reason) from error
    return convolution_weights(stored, weights.url)


def convolution_weights(stored: object, origin: str) -> dict[str, Tensor]:
    """The tensors of `features` in a state dict, named 0.weight, 0.bias, ...; `classifier.*` is left aside.

    Raises:
        ValueError: a tensor is missing, has another shape or does not belong to VGG19.
    """
    expected = {f"features.{name}": tuple(empty.shape) for name, empty in convolutions().state_dict().items()}
    if not isinstance(stored, Mapping):
        raise ValueError(f"{origin} holds a {type(stored).__name__}, not a state dict of VGG19")
    found = {name: tensor for name, tensor in stored.items() if not str(name).startswith("classifier.")}
    problems = [f"lacks {name}" for name in expected if name not in found]
    problems += [f"holds {name}, unknown to VGG19" for name in found if name not in expected]
    problems += [
        f"has {name} of shape {tuple(found[name].shape)}, not {shape}"
        for name, shape in expected.items()
        if name in found and tuple(found[name].shape) != shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more differences" if len(problems) > 3 else ""
        raise ValueError(f"{origin} is not VGG19: it {'; it '.join(problems[:3])}{more}. Take torchvision's vgg19")
    return {name.removeprefix("features."): tensor.float() for name, tensor in found.items()}


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """New connections give up after `seconds` of silence; torch's downloader itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

"""The pipeline's networks with random weights of the true shape: for figures of speed, which weights do not change.

Needs torch and torchvision only.
Shape letters: N pictures, S side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.vision import backbone_weights, lama_weights, u2net_weights
from models.vision.lama import Lama
from models.vision.portraits import PortraitNetwork


@dataclass(frozen=True)
class Network:
    """A network as a stage runs it, with the side in pixels at which it sees a picture.

    make_inputs: N and S to uint8 CPU tensors as the stage hands them over.
    """

    name: str
    side_px: int
    make_module: Callable[[], nn.Module]
    make_inputs: Callable[[int, int], tuple[Tensor, ...]]


def pixels(number: int, side_px: int) -> tuple[Tensor, ...]:
    """Smooth pictures with grain: (N, 3, S, S), uint8."""
    generator = torch.Generator().manual_seed(0)
    picture_N3SS = torch.full((number, 3, side_px, side_px), 128.0)
    for size in (3, 8, 30, side_px):
        blobs = torch.randn(number, 3, size, size, generator=generator) * 30
        picture_N3SS += nn.functional.interpolate(blobs, size=side_px, mode="bilinear")
    return (picture_N3SS.clamp(0, 255).to(torch.uint8),)


def pixels_and_holes(number: int, side_px: int) -> tuple[Tensor, ...]:
    """The same with a square hole in each: (N, 3, S, S) and (N, 1, S, S)."""
    holes_N1SS = torch.zeros(number, 1, side_px, side_px, dtype=torch.uint8)
    holes_N1SS[:, :, side_px // 4 : side_px // 2, side_px // 4 : side_px // 2] = 1
    return *pixels(number, side_px), holes_N1SS


def random_lama_state(seed: int = 0) -> dict[str, Tensor]:
    """He's initialisation, batch norms with the statistics of one smooth picture: no map vanishes or blows up."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in lama_weights.expected_shapes().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(shape, dtype=torch.int64)
        elif len(shape) == 4:
            state[name] = torch.randn(shape, generator=generator) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        else:
            state[name] = torch.ones(shape) if name.endswith(("running_var", ".weight")) else torch.zeros(shape)
    lama = Lama()
    lama.load_state_dict(state, strict=True, assign=True)
    for layer in lama.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    picture_N3SS, holes_N1SS = (tensor.float() for tensor in pixels_and_holes(2, 64))
    with torch.no_grad():
        lama.train()(torch.cat([picture_N3SS / 255 * (1 - holes_N1SS), holes_N1SS], dim=1))
    return lama.state_dict()


def _u2net() -> nn.Module:
    return PortraitNetwork(u2net_weights.build("u2net", u2net_weights.random_state("u2net"))).eval()


def _lama() -> nn.Module:
    return lama_weights.build(random_lama_state())


def _vgg19() -> nn.Module:
    state = backbone_weights.random_state("vgg19")
    return backbone_weights.build("vgg19", backbone_weights.check_state(state, "vgg19", "random weights"))


U2NET = Network("u2net", 320, _u2net, pixels)
LAMA = Network("lama", 512, _lama, pixels_and_holes)
VGG19 = Network("vgg19", 224, _vgg19, pixels)
NETWORKS = (U2NET, LAMA, VGG19)

"""Features of a picture: a frozen network, and the mean over the positions of its last map.

VGG19 is what MRLF (arXiv 2306.07935) reads its images with, before its one trained layer; VGG16, ResNet50, ResNet101
and DenseNet121 stand beside it, and EfficientNet-Lite0, which needs a fiftieth of the arithmetic. Their sources:
`models.vision.backbone_weights`.
Weights drawn from a seed stand in where no trained ones are to be had. Such a network learned from no picture, so it
is called `vgg19_fixed_seed` and the like, never by the network's name.
Shape letters: N pictures, H height, W width, S side of the network's input, R side before the middle is cut out.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.digest import tensors_sha256
from models.vision.backbone_weights import BACKBONES, build, headless
from models.vision.running import Runner, Running
from models.vision.state_dict import COUNTER

MIN_IMAGE_SIZE = 32
"""five halvings leave one position"""
GROUP = 32
"""pictures whose pixels are held at a time"""
FIXED_BIAS = 1.0
RELU_VARIANCE = 0.751088
"""variance of relu(x) for x normal with mean 1 and variance 1"""
CENTRE_TAP = 2
"""how much heavier the middle of a 3 x 3 filter is drawn than its rim"""
BRANCH_WEIGHT = 0.4
"""how much of a residual block's branch is added, so that a hundred layers neither drown nor repeat the first"""
HANDED_ON = 0.5
"""how much of its channel a filter of one channel hands on"""
LAST_BIAS = 2.0
"""of DenseNet's last batch norm: at 1 one of its 1024 channels never left zero"""


class ImageFeatures:
    """Pictures to features (N, 512), (N, 1024), (N, 1280) or (N, 2048).

    backbone: a name of `BACKBONES`, which says the preprocessing. module: its network by `build`, or
    OpenVINO's file of it.
    name: what the features are called, unless they are the published weights'; `vgg19_fixed_seed` where drawn.
    """

    def __init__(
        self,
        backbone: str,
        weights_sha256: str,
        module: nn.Module | Path,
        running: Running,
        *,
        image_size: int = 224,
        batch_size: int | None = None,
        name: str | None = None,
    ) -> None:
        if image_size < MIN_IMAGE_SIZE:
            raise ValueError(f"image_size must be at least {MIN_IMAGE_SIZE}, got {image_size}")
        self.backbone = name or backbone
        self.weights_sha256 = weights_sha256
        self.image_size = image_size
        self.num_features = BACKBONES[backbone].num_features
        self.input_side_px = resized_side(backbone, image_size)
        """a picture whose shorter side is longer than this may be decoded at reduced scale"""
        self._runner = Runner(module, running, batch_size=batch_size)

    @property
    def running(self) -> Running:
        """Where and how exactly the network runs."""
        return self._runner.running

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Features (N, F), float32, of RGB pictures (H, W, 3) of type uint8 and any size."""
        features_NF = np.empty((len(images), self.num_features), dtype=np.float32)
        for start in range(0, len(images), GROUP):
            pixels = [
                preprocess(image, self.image_size, self.input_side_px) for image in images[start : start + GROUP]
            ]
            features_NF[start : start + GROUP] = self._runner(torch.stack(pixels)).numpy()
        return features_NF


def fixed_seed_features(
    running: Running, *, backbone: str = "vgg19", image_size: int = 224, seed: int = 0, batch_size: int | None = None
) -> ImageFeatures:
    """The network that nobody trained, the same on every machine."""
    weights = fixed_seed_weights(backbone, seed)
    return ImageFeatures(
        backbone,
        sha256_of(weights),
        build(backbone, weights),
        running,
        image_size=image_size,
        batch_size=batch_size,
        name=fixed_seed_name(backbone),
    )


def resized_side(backbone: str, image_size: int) -> int:
    """R: the side to which the recipe of these weights resizes a picture's shorter side, before it cuts S out."""
    recipe = BACKBONES[backbone].recipe
    return round(image_size * (recipe.resize_px / recipe.crop_px))


def preprocess(image_HW3: np.ndarray, image_size: int, resized: int) -> Tensor:
    """The middle of the picture as uint8 (3, S, S): torchvision's recipe, at any size.

    The middle square is cut out first and resized then: the same picture, without resizing what is thrown away.
    """
    if image_HW3.ndim != 3 or image_HW3.shape[2] != 3 or image_HW3.dtype != np.uint8 or 0 in image_HW3.shape:
        found = f"{image_HW3.dtype} of shape {image_HW3.shape}"
        raise ValueError(f"a picture must be uint8 of shape (H, W, 3), got {found}; convert it to RGB first")
    height, width = image_HW3.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square_HW3 = np.require(image_HW3[top : top + side, left : left + side], requirements=["C", "W"])
    square_13HW = torch.from_numpy(square_HW3).permute(2, 0, 1)[None]
    resized_3RR = F.interpolate(square_13HW, size=(resized, resized), mode="bilinear", antialias=True)[0]
    margin = (resized - image_size) // 2
    return resized_3RR[:, margin : margin + image_size, margin : margin + image_size]


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
    ResNet101 fell from .9 to .5. A filter of one channel hands half of it on beside what it finds: with edges of edges
    alone EfficientNet-Lite0 told textures apart by .83 to .94, now by .92 to 1.0; no feature reaches its cap at 6.
    Integers are drawn and centred exactly, then scaled once, so no rounding depends on the machine.
    """
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    network = headless(backbone)
    for name, empty in network.state_dict().items():
        if empty.ndim == 4:
            weights[name] = _filters(empty.shape, generator, is_first=not weights)
        elif not name.endswith(COUNTER):
            block = network.get_submodule(name.rpartition(".bn3.")[0])
            weights[name] = torch.full(empty.shape, _constant(name, has_skip=getattr(block, "has_skip", True)))
    return weights


def _constant(name: str, *, has_skip: bool) -> float:
    """The value of a tensor that is not drawn; bn3 ends a residual branch, norm5 a DenseNet."""
    if name.endswith("running_mean"):
        return 0.0
    if name.endswith("running_var"):
        return 1.0
    if name.endswith("weight"):
        return BRANCH_WEIGHT if "bn3" in name and has_skip else 1.0
    if "norm5" in name:
        return LAST_BIAS
    return 0.0 if "bn3" in name else FIXED_BIAS


def _filters(shape: torch.Size, generator: torch.Generator, *, is_first: bool) -> Tensor:
    if shape[1] == 1:
        return _filters_of_one_channel(shape, generator)
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


def _filters_of_one_channel(shape: torch.Size, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(-127, 128, shape, generator=generator)
    fan_in = drawn[0].numel()
    centred = (drawn * fan_in - drawn.sum(dim=(1, 2, 3), keepdim=True)).double()
    filters = centred / (fan_in * math.sqrt((255**2 - 1) / 12 * fan_in))
    filters[:, :, shape[2] // 2, shape[3] // 2] += HANDED_ON
    return filters.float()


@cache
def fixed_seed_sha256(backbone: str = "vgg19", seed: int = 0) -> str:
    """The digest that stands beside what this network made; over the names within torchvision's `features`."""
    return sha256_of(fixed_seed_weights(backbone, seed))


def sha256_of(weights: Mapping[str, Tensor]) -> str:
    """The digest of weights that were drawn already."""
    return tensors_sha256({name.removeprefix("features."): tensor for name, tensor in weights.items()})

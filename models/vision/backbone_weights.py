"""The backbones that make picture features, their weights checked and batch norm folded.

Architectures and ImageNet weights: torchvision (BSD-3-Clause). VGG: Simonyan and Zisserman 2014 (arXiv 1409.1556);
ResNet: He et al. 2015 (arXiv 1512.03385); DenseNet: Huang et al. 2016 (arXiv 1608.06993). EfficientNet-Lite0, which
torchvision has not: `efficientnet_lite`. Names and shapes of the weights are the modules', without the classifier.
In evaluation a convolution and the batch norm after it are both linear, so one layer does for two. Which pairs there
are is read from the traced graph (torch.fx), not from the order in which layers were registered.
Shape letters: N pictures, C channels, H height, W width, F features.
"""

import copy
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torchvision.models as vision
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.vision.efficientnet_lite import NUM_FEATURES, EfficientNetLite0, our_name
from models.vision.state_dict import COUNTER, require_mapping, require_tensors

OLD_DENSENET_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""the published DenseNet file has `norm.1.weight` where the module has `norm1.weight`"""


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """A copy, evaluating, with equal output: folded convolutions have a bias, their batch norms are gone (Identity).

    A batch norm that follows something else stays as it is.
    """
    folded = copy.deepcopy(module).eval()
    for convolution, norm in foldable_pairs(folded):
        layers = cast(nn.Conv2d, folded.get_submodule(convolution)), cast(nn.BatchNorm2d, folded.get_submodule(norm))
        fused = fuse_conv_bn_eval(*layers)
        folded.set_submodule(convolution, fused)
        folded.set_submodule(norm, nn.Identity())
    return folded


def foldable_pairs(module: nn.Module) -> list[tuple[str, str]]:
    """Names of (Conv2d, BatchNorm2d): the norm sees the convolution's output, nobody else does, each runs once."""
    layers = [node for node in fx.symbolic_trace(module).graph.nodes if node.op == "call_module"]
    num_runs = Counter(str(node.target) for node in layers)
    pairs = []
    for node in layers:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        convolution, norm = str(before.target), str(node.target)
        kinds = [type(module.get_submodule(name)) for name in (convolution, norm)]
        if kinds == [nn.Conv2d, nn.BatchNorm2d] and num_runs[convolution] == num_runs[norm] == 1:
            pairs.append((convolution, norm))
    return pairs


@dataclass(frozen=True)
class Recipe:
    """How a picture is shown to a network: as it was in training.

    The shorter side is resized bilinearly to resize_px, then the middle crop_px x crop_px pixels are seen; at another
    size in the same ratio. mean, sd: by colour, of pixels from 0 to 1; taken away, and divided by.
    """

    mean: tuple[float, float, float]
    sd: tuple[float, float, float]
    resize_px: int = 256
    crop_px: int = 224


def _without_old_names(key: str) -> str:
    return OLD_DENSENET_NAME.sub(r"\1\2", key)


IMAGENET = Recipe((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""of torchvision's first weights of all five"""
LITE = Recipe((127 / 255,) * 3, (128 / 255,) * 3)
"""of the official code; with ImageNet's mean a photograph of a horse is taken for a dog"""


@dataclass(frozen=True)
class Backbone:
    """A network without its classifier.

    head: the name of the classifier, which is left out. num_features: F. recipe: of the published weights. advice:
    what to take where a file holds another network. rename: a name of the published file to that of the module.
    """

    make: Callable[[], nn.Module]
    head: str
    num_features: int
    recipe: Recipe = IMAGENET
    advice: str = "Take torchvision's"
    rename: Callable[[str], str] = _without_old_names


BACKBONES: Mapping[str, Backbone] = {
    "vgg19": Backbone(vision.vgg19, "classifier", 512),
    "vgg16": Backbone(vision.vgg16, "classifier", 512),
    "resnet50": Backbone(vision.resnet50, "fc", 2048),
    "resnet101": Backbone(vision.resnet101, "fc", 2048),
    "densenet121": Backbone(vision.densenet121, "classifier", 1024),
    "efficientnet_lite0": Backbone(
        EfficientNetLite0, "fc", NUM_FEATURES, LITE, "Take `mrlf weights fetch`'s", our_name
    ),
}


class MeanOverPositions(nn.Module):
    """(N, C, H, W) to (N, C), summed in fp32."""

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """The mean over H and W."""
        return map_NCHW.float().mean(dim=(2, 3))


class FeatureNetwork(nn.Module):
    """uint8 RGB pixels (N, 3, S, S) to features (N, F), with the preprocessing that the weights were trained with."""

    mean_311: Tensor
    sd_311: Tensor

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean_311", torch.tensor(recipe.mean)[:, None, None])
        self.register_buffer("sd_311", torch.tensor(recipe.sd)[:, None, None])

    def forward(self, pixels_N3SS: Tensor) -> Tensor:
        """The features."""
        features_NF: Tensor = self.network(self.normalised(pixels_N3SS))
        return features_NF

    def normalised(self, pixels_N3SS: Tensor) -> Tensor:
        """What the network itself sees, as in its training."""
        return (pixels_N3SS.float() / 255 - self.mean_311) / self.sd_311


def headless(name: str) -> nn.Module:
    """The network up to its pooled last map, on the meta device: without memory or values, no random number drawn."""
    backbone = BACKBONES[name]
    with torch.device("meta"):
        network = backbone.make()
    setattr(network, backbone.head, nn.Identity())
    if hasattr(network, "avgpool"):
        network.avgpool = MeanOverPositions()
    return network.eval()


def check_state(state: object, name: str, origin: str) -> dict[str, Tensor]:
    """The tensors of the network `name` without classifier, float32, out of the state dict of a published file.

    Raises:
        ValueError: a tensor is missing, has another shape, holds no finite numbers, or does not belong to the network.
    """
    backbone = BACKBONES[name]
    advice = f"{backbone.advice} {name}"
    renamed = {
        backbone.rename(key): tensor
        for key, tensor in require_mapping(state, network=name, origin=origin, advice=advice).items()
    }
    found = {
        key: tensor
        for key, tensor in renamed.items()
        if not key.startswith(f"{backbone.head}.") and not key.endswith(COUNTER)
    }
    expected = headless(name).state_dict().items()
    shapes = {key: tuple(empty.shape) for key, empty in expected if not key.endswith(COUNTER)}
    return require_tensors(found, shapes, network=name, origin=origin, advice=advice)


def build(name: str, state: Mapping[str, Tensor]) -> FeatureNetwork:
    """The network with these (checked) weights: frozen, evaluating, fp32, batch norm folded, preprocessing inside."""
    network = headless(name)
    network.load_state_dict(state, strict=True, assign=True)
    return FeatureNetwork(fold_batch_norm(network), BACKBONES[name].recipe).requires_grad_(False).eval()


def random_state(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of the module, as torchvision's file has them; the classifier is zeros.

    He's initialisation and batch norms as after training: values stay about 1 from the first map to the last.
    """
    with torch.device("meta"):
        empty = BACKBONES[name].make().state_dict()
    generator = torch.Generator().manual_seed(seed)
    return {key: _drawn(key, tensor, generator) for key, tensor in empty.items()}


def _drawn(key: str, empty: Tensor, generator: torch.Generator) -> Tensor:
    if not empty.is_floating_point() or key.startswith(("classifier.", "fc.")):
        return torch.zeros(empty.shape, dtype=empty.dtype)
    if key.endswith("bn3.weight"):  # what a residual block adds is small, or depth makes it large
        return torch.rand(empty.shape, generator=generator) * 0.2 + 0.1
    if key.endswith("running_var") or (empty.ndim == 1 and key.endswith("weight")):
        return torch.rand(empty.shape, generator=generator) * 0.4 + 0.8
    if empty.ndim == 1:
        return torch.randn(empty.shape, generator=generator) * 0.1
    return torch.randn(empty.shape, generator=generator) * math.sqrt(2 / empty[0].numel())

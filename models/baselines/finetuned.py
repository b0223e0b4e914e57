"""The picture alone, learnt from pixels: a whole network of torchvision trained further on the posts' pictures.

VGG16/19 (Simonyan and Zisserman 2014, arXiv 1409.1556), ResNet50/101 (He et al. 2015, arXiv 1512.03385), DenseNet121
(Huang et al. 2016, arXiv 1608.06993). MRLF (arXiv 2306.07935) compares with them and does not state how they were
trained. Ours: all weights at a rate of 1e-4 with Adam, a fresh linear head on the pooled last map, and training
pictures that are shifted and mirrored.
The weights to begin with come from the caller, or are drawn when that is asked for by name; nothing is downloaded.
Drawn ones are He's (2015, arXiv 1502.01852); each residual block begins as the identity (Goyal et al. 2017, arXiv
1706.02677, 5.1), without which ResNet101 stayed at chance. VGG without batch norm then begins slowly: at 32 px VGG19's
features of two pictures differ by 0.003, and over 64 posts it took nine passes where VGG16 took four.
torchvision is imported where it is used: the other networks are trained where it is not installed.
Shape letters: B batch, C colours (3), H = W = S side of a picture, F features.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batches import Batch
from models.data.network import Network
from models.data.text import TextConfig, Vocabulary
from models.settings.config_values import require
from models.settings.train_config import TrainConfig

BackboneName = Literal["vgg19", "vgg16", "resnet50", "resnet101", "densenet121"]
MIN_SIDE_PX = 32
"""five halvings leave one position"""


@dataclass(frozen=True, kw_only=True)
class FinetunedConfig(TextConfig):
    """Which network, and how a training picture is varied; the text limits are of no use here."""

    backbone: BackboneName = "vgg19"
    max_shift: float = 0.125
    """a training picture is moved by up to this share of its side each way, its border mirrored"""
    mirror: bool = True
    """half of the training pictures are seen in a mirror"""
    head_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.backbone in get_args(BackboneName), "backbone", f"one of {get_args(BackboneName)}", self.backbone)
        require(0 <= self.max_shift < 0.5, "max_shift", "in [0, 0.5)", self.max_shift)
        require(0 <= self.head_dropout < 1, "head_dropout", "in [0, 1)", self.head_dropout)

    @classmethod
    def training(cls) -> TrainConfig:
        """Adam 1e-4 on all weights, whatever the number of posts."""
        return TrainConfig(optimiser="adam", learning_rate=1e-4, batch_size=32)


class Finetuned(Network):
    """One post's picture to unnormalised class scores."""

    mean_C11: Tensor
    sd_C11: Tensor

    def __init__(self, config: FinetunedConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> None:
        from models.vision.backbone_weights import BACKBONES, headless

        super().__init__(config, num_classes)
        self.config: FinetunedConfig = config
        backbone = BACKBONES[config.backbone]
        self.network = headless(config.backbone).to_empty(device="cpu")
        self.network.apply(_draw).apply(_begin_as_identity)
        self.register_buffer("mean_C11", torch.tensor(backbone.recipe.mean)[:, None, None])
        self.register_buffer("sd_C11", torch.tensor(backbone.recipe.sd)[:, None, None])
        self.stand_in_F = nn.Parameter(torch.zeros(backbone.num_features))
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(backbone.num_features, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C); a post without picture has a learned row of features in its place.

        Raises:
            ValueError: the samples hold no pixels, or pictures too small for the network.
        """
        pixels_BCHW = _checked(batch.pixels_BCHW, self.config.backbone)
        if self.training:
            pixels_BCHW = vary(pixels_BCHW, self.config.max_shift, mirror=self.config.mirror)
        seen_BCHW = (pixels_BCHW.float() / 255 - self.mean_C11) / self.sd_C11
        seen_BCHW = seen_BCHW * batch.has_image_B[:, None, None, None]
        features_BF = torch.where(batch.has_image_B[:, None], self._features(seen_BCHW), self.stand_in_F)
        return self.head(self.dropout(features_BF))  # type: ignore[no-any-return]

    def _features(self, seen_BCHW: Tensor) -> Tensor:
        """A single picture has no spread of its own: batch norm takes what it measured before."""
        is_alone = self.training and len(seen_BCHW) == 1
        norms = [layer for layer in self.network.modules() if isinstance(layer, nn.BatchNorm2d)] if is_alone else []
        for layer in norms:
            layer.eval()
        features_BF: Tensor = self.network(seen_BCHW)
        for layer in norms:
            layer.train()
        return features_BF


def _draw(layer: nn.Module) -> None:
    """Fresh weights from torch's generator, for a network that is to learn from nothing: He's initialisation."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        layer.reset_parameters()


def _begin_as_identity(layer: nn.Module) -> None:
    """A drawn residual block adds nothing at first: with a hundred layers of noise to add, nothing is learnt."""
    from torchvision.models.resnet import Bottleneck

    if isinstance(layer, Bottleneck):
        nn.init.zeros_(layer.bn3.weight)


def initial_weights(backbone: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of torchvision's `backbone`, checked, under the names that `Finetuned` has for them.

    Raises:
        ValueError: the state dict is another network's or damaged.
    """
    from models.vision.backbone_weights import check_state

    checked = check_state(state, backbone, f"the state dict to begin finetuned_{backbone} with")
    return {f"network.{name}": tensor for name, tensor in checked.items()}


def vary(pixels_BCHW: Tensor, max_shift: float, *, mirror: bool) -> Tensor:
    """The pictures, each shifted and perhaps mirrored by chance (torch's generator); their size and type stay."""
    num, _, side_h, side_w = pixels_BCHW.shape
    device = pixels_BCHW.device
    reach = math.floor(max_shift * min(side_h, side_w))
    padded_BCHW = F.pad(pixels_BCHW.float(), (reach,) * 4, mode="reflect").to(pixels_BCHW.dtype)
    top_B1, left_B1 = torch.randint(0, 2 * reach + 1, (2, num, 1), device=device)
    is_mirrored_B1 = torch.rand(num, 1, device=device) < (0.5 if mirror else 0.0)
    row_BH = top_B1 + torch.arange(side_h, device=device)
    place_W = torch.arange(side_w, device=device)
    column_BW = left_B1 + torch.where(is_mirrored_B1, side_w - 1 - place_W, place_W)
    taken_BHCW = padded_BCHW.transpose(1, 2)[torch.arange(num, device=device)[:, None], row_BH]
    return taken_BHCW.transpose(1, 2).gather(3, column_BW[:, None, None, :].expand(-1, 3, side_h, -1))


def _checked(pixels_BCHW: Tensor | None, backbone: str) -> Tensor:
    if pixels_BCHW is None:
        raise ValueError(f"finetuned_{backbone} learns from pixels and the samples hold none; give pixels_NHWC")
    if min(pixels_BCHW.shape[2:]) < MIN_SIDE_PX:
        found = tuple(pixels_BCHW.shape[2:])
        raise ValueError(f"finetuned_{backbone} needs pictures of at least {MIN_SIDE_PX} px a side, got {found}")
    return pixels_BCHW

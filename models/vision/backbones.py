"""Features of a picture: a frozen network of torchvision, and the mean over the positions of its last map.

VGG19 is what MRLF (arXiv 2306.07935) reads its images with, before its one trained layer; VGG16, ResNet50, ResNet101
and DenseNet121 stand beside it. Their sources: `models.vision.backbone_weights`.
Shape letters: N pictures, H height, W width, S side of the network's input, R side before the middle is cut out.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.vision.backbone_weights import BACKBONES, build
from models.vision.fixed_seed import fixed_seed_name, fixed_seed_sha256, fixed_seed_weights
from models.vision.running import Runner, Running

MIN_IMAGE_SIZE = 32
"""five halvings leave one position"""
GROUP = 32
"""pictures whose pixels are held at a time"""


class ImageFeatures:
    """Pictures to features (N, 512), (N, 1024) or (N, 2048).

    backbone: a name of `BACKBONES`, which says the preprocessing. module: its network by `build`.
    name: what the features are called, unless they are the published weights'; `vgg19_fixed_seed` where drawn.
    """

    def __init__(
        self,
        backbone: str,
        weights_sha256: str,
        module: nn.Module,
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
    return ImageFeatures(
        backbone,
        fixed_seed_sha256(backbone, seed),
        build(backbone, fixed_seed_weights(backbone, seed)),
        running,
        image_size=image_size,
        batch_size=batch_size,
        name=fixed_seed_name(backbone),
    )


def resized_side(backbone: str, image_size: int) -> int:
    """R: the side to which the recipe of these weights resizes a picture's shorter side, before it cuts S out."""
    recipe = BACKBONES[backbone].weights.transforms()
    ratio: float = recipe.resize_size[0] / recipe.crop_size[0]
    return round(image_size * ratio)


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

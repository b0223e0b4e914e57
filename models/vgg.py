"""Features of a picture: VGG19's convolutions, all frozen, and the mean over the positions of the last map.

What MRLF (arXiv 2306.07935) reads its images with, before its one trained layer. Architecture: Simonyan and Zisserman
2014 (arXiv 1409.1556); ImageNet weights: torchvision (BSD-3-Clause).
A network that was drawn at random is called `vgg19_fixed_seed` and never pre-trained.
Shape letters: N pictures, H height, W width, S side of the network's input.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.digest import tensors_sha256
from models.vgg_weights import (
    NUM_FEATURES,
    WeightsUnavailableError,
    convolutions,
    download_weights,
    fixed_seed_weights,
    read_weights,
)

Weights = Literal["builtin", "auto", "require"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)
RESIZE_RATIO = 256 / 224
"""torchvision's recipe for these weights: the shorter side to 256, then the middle 224 x 224"""
MIN_IMAGE_SIZE = 32
"""five halvings leave one position"""
BATCH_SIZE = {"cpu": 8, "cuda": 64}
_log = logging.getLogger(__name__)


class Vgg19Features:
    """Pictures to features (N, 512).

    weights: "builtin" draws the network with `seed`; "auto" takes `weights_file` where there is one, else downloads,
    else falls back to "builtin" and says so; "require" fails where "auto" falls back.

    Raises:
        ValueError: `weights_file` is not VGG19.
        FileNotFoundError: "require" found neither a file nor a network.
    """

    def __init__(
        self,
        weights: Weights = "auto",
        weights_file: Path | None = None,
        image_size: int = 224,
        seed: int = 0,
        *,
        device: str = "auto",
    ) -> None:
        if image_size < MIN_IMAGE_SIZE:
            raise ValueError(f"image_size must be at least {MIN_IMAGE_SIZE}, got {image_size}")
        self.image_size = image_size
        self.fell_back: str | None = None
        """why "auto" had to take the fixed-seed network"""
        self.backbone = "vgg19"
        state = self._weights(weights, weights_file, seed)
        self.weights_sha256 = tensors_sha256(state)
        self._device = torch.device(device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
        network = convolutions()
        network.load_state_dict(state, strict=True, assign=True)
        network.requires_grad_(False).eval()
        self._network = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _weights(self, weights: Weights, weights_file: Path | None, seed: int) -> dict[str, Tensor]:
        if weights == "builtin":
            if weights_file is not None:
                _log.warning("weights=builtin: the file %s is not used.", weights_file)
            self.backbone = "vgg19_fixed_seed"
            return fixed_seed_weights(seed)
        if weights_file is not None and weights_file.exists():
            return read_weights(weights_file)
        try:
            return download_weights()
        except WeightsUnavailableError as error:
            if weights == "require":
                place = weights_file or "a path of yours and name it as weights_file"
                raise FileNotFoundError(
                    f"the ImageNet weights of VGG19 are required, but {error}. Put torchvision's vgg19 file at "
                    f"{place}, connect to the network, or choose weights=builtin"
                ) from error
            _log.warning("No ImageNet weights: %s. A network of fixed random weights takes their place.", error)
            self.fell_back, self.backbone = str(error), "vgg19_fixed_seed"
            return fixed_seed_weights(seed)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Features (N, 512), float32, of RGB pictures (H, W, 3) of type uint8 and any size."""
        batch_size = BATCH_SIZE.get(self._device.type, 8)
        features_NF = np.empty((len(images), NUM_FEATURES), dtype=np.float32)
        for start in range(0, len(images), batch_size):
            batch = [preprocess(image, self.image_size) for image in images[start : start + batch_size]]
            features_NF[start : start + batch_size] = self._forward(torch.stack(batch)).cpu().numpy()
        return features_NF

    def _forward(self, pixels_N3SS: Tensor) -> Tensor:
        pixels_N3SS = pixels_N3SS.to(self._device).contiguous(memory_format=torch.channels_last)
        is_cuda = self._device.type == "cuda"
        with torch.inference_mode(), torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=is_cuda):
            features_NF: Tensor = self._network(normalise(pixels_N3SS)).float().mean(dim=(2, 3))
        return features_NF


def preprocess(image_HW3: np.ndarray, image_size: int) -> Tensor:
    """The middle of the picture as uint8 (3, S, S): torchvision's recipe, at any size.

    The middle square is cut out first and resized then: the same picture, without resizing what is thrown away.
    """
    if image_HW3.ndim != 3 or image_HW3.shape[2] != 3 or image_HW3.dtype != np.uint8 or 0 in image_HW3.shape:
        found = f"{image_HW3.dtype} of shape {image_HW3.shape}"
        raise ValueError(f"a picture must be uint8 of shape (H, W, 3), got {found}; convert it to RGB first")
    height, width = image_HW3.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square_HW3 = np.ascontiguousarray(image_HW3[top : top + side, left : left + side])
    square_13HW = torch.from_numpy(square_HW3).permute(2, 0, 1)[None]
    resized = round(image_size * RESIZE_RATIO)
    resized_3HW = F.interpolate(square_13HW, size=(resized, resized), mode="bilinear", antialias=True)[0]
    margin = (resized - image_size) // 2
    return resized_3HW[:, margin : margin + image_size, margin : margin + image_size]


def normalise(pixels_N3SS: Tensor) -> Tensor:
    """uint8 to the range the weights were trained on."""
    mean_31 = torch.tensor(IMAGENET_MEAN, device=pixels_N3SS.device)[:, None, None]
    sd_31 = torch.tensor(IMAGENET_SD, device=pixels_N3SS.device)[:, None, None]
    return (pixels_N3SS.float() / 255 - mean_31) / sd_31

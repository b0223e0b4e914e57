"""U²-Net as a finder of portraits: decoded pictures in, masks at the asked sizes out.

What the weights want stands beside them: 320 x 320 pixels, divided by the brightest of the picture, ImageNet's mean
and deviation (the official data_loader.py, github.com/xuebinqin/U-2-Net, Apache-2.0, commit 04bd5f1f6326). The
official scripts stretch every map to the full range from 0 to 1 afterwards; that is not done here, since in a picture
without people it makes a mask of noise.
Shape letters: N pictures, H height, W width, S side of the network's input.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.vision.masks import PortraitMask, portrait_mask
from models.vision.running import Runner, Running

INPUT_SIDE_PX = 320
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


class PortraitNetwork(nn.Module):
    """A U²-Net that takes bytes: its arithmetic goes to the GPU and into an exported graph with it."""

    mean_311: Tensor
    sd_311: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean_311", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("sd_311", torch.tensor(IMAGENET_SD)[:, None, None], persistent=False)

    def forward(self, pixels_N3SS: Tensor) -> Tensor:
        """Probabilities (N, 1, S, S), float32, of uint8 RGB pictures."""
        pixels_N3SS = pixels_N3SS.float()
        brightest_N111 = pixels_N3SS.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1)  # a black picture stays black
        probability_N1SS: Tensor = self.network((pixels_N3SS / brightest_N111 - self.mean_311) / self.sd_311)
        return probability_N1SS


class U2NetPortraits:
    """Finds people with the network that `models.vision.u2net_weights.build` made.

    module: the network, or the path of a `PortraitNetwork` that OpenVINO wrote.
    network: the name of the weights, weights_sha256: of the published file; both are written beside every mask.
    threshold: the probability above which a pixel belongs to a person. min_portrait_ratio: a smaller share of the
    picture than this counts as nobody.
    """

    input_side_px: int | None = INPUT_SIDE_PX

    def __init__(
        self,
        network: str,
        weights_sha256: str,
        module: nn.Module | Path,
        running: Running,
        *,
        threshold: float = 0.5,
        min_portrait_ratio: float = 0.001,
        batch_size: int | None = None,
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1, got {threshold}")
        if not 0 <= min_portrait_ratio < 1:
            raise ValueError(f"min_portrait_ratio must be at least 0 and less than 1, got {min_portrait_ratio}")
        self.network = network
        self.weights_sha256 = weights_sha256
        self.running = running
        self._threshold = threshold
        self._min_portrait_ratio = min_portrait_ratio
        whole = module if isinstance(module, Path) else PortraitNetwork(module)
        self._runner = Runner(whole, running, batch_size=batch_size)

    def __call__(self, pictures: Sequence[NDArray[np.uint8]], sizes: Sequence[tuple[int, int]]) -> list[PortraitMask]:
        """A mask of size (H, W) for each RGB picture (h, w, 3); the picture may be a smaller copy of what is masked.

        A picture gives the same whatever others are with it; one that the network cannot judge gives a reason.
        """
        return [
            self._mask(probability_SS, size)
            for probability_SS, size in zip(self.probabilities(pictures), sizes, strict=True)
        ]

    def probabilities(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """The network's own maps (N, S, S), float32, neither enlarged nor stretched."""
        if not pictures:
            return torch.empty(0, INPUT_SIDE_PX, INPUT_SIDE_PX)
        return self._runner(torch.cat([squeezed(picture) for picture in pictures]))[:, 0]

    def _mask(self, probability_SS: Tensor, size: tuple[int, int]) -> PortraitMask:
        probability_HW = resized(probability_SS[None, None], size)[0, 0]
        return portrait_mask(probability_HW.numpy(), size, self._threshold, self._min_portrait_ratio)


def squeezed(picture_HW3: NDArray[np.uint8]) -> Tensor:
    """The whole picture as uint8 (1, 3, S, S), its aspect not kept: so the weights were trained."""
    if picture_HW3.ndim != 3 or picture_HW3.shape[2] != 3 or picture_HW3.dtype != np.uint8 or 0 in picture_HW3.shape:
        found = f"{picture_HW3.dtype} of shape {picture_HW3.shape}"
        raise ValueError(f"a picture must be uint8 of shape (H, W, 3), got {found}; convert it to RGB first")
    pixels_13HW = torch.from_numpy(np.require(picture_HW3, requirements=("C", "W"))).permute(2, 0, 1)[None]
    return resized(pixels_13HW, (INPUT_SIDE_PX, INPUT_SIDE_PX))


def resized(x_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear; where it shrinks, every pixel counts."""
    return F.interpolate(x_NCHW, size=size, mode="bilinear", align_corners=False, antialias=True)

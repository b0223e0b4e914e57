"""U²-Net and its small form U²-Net-P: which pixels of a picture show a portrait.

Architecture: Qin et al. 2020 (arXiv 2005.09007); names of the modules as in the official code, so that its weights
load as they are (github.com/xuebinqin/U-2-Net, Apache-2.0, model/u2net.py of commit 04bd5f1f6326).
A U-shaped network whose every stage is a small U-shaped network with a residual connection (RSU).
Only the fused map is returned; it is made of all six side maps, so every weight is in use.
Shape letters: N pictures, C channels, H height, W width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Stage(NamedTuple):
    """One RSU: its height (7 is RSU-7) and channels; a dilated one keeps its resolution (RSU-4F)."""

    height: int
    num_in: int
    num_mid: int
    num_out: int
    is_dilated: bool = False


U2NET_STAGES = {
    "stage1": Stage(7, 3, 32, 64),
    "stage2": Stage(6, 64, 32, 128),
    "stage3": Stage(5, 128, 64, 256),
    "stage4": Stage(4, 256, 128, 512),
    "stage5": Stage(4, 512, 256, 512, is_dilated=True),
    "stage6": Stage(4, 512, 256, 512, is_dilated=True),
    "stage5d": Stage(4, 1024, 256, 512, is_dilated=True),
    "stage4d": Stage(4, 1024, 128, 256),
    "stage3d": Stage(5, 512, 64, 128),
    "stage2d": Stage(6, 256, 32, 64),
    "stage1d": Stage(7, 128, 16, 64),
}
U2NETP_STAGES = {
    name: stage._replace(num_in=3 if name == "stage1" else 128 if "d" in name else 64, num_mid=16, num_out=64)
    for name, stage in U2NET_STAGES.items()
}
NUM_LEVELS = 6


class ConvolutionBlock(nn.Module):
    """Convolution, batch norm, ReLU; folded, the norm is in the convolution's weights."""

    def __init__(self, num_in: int, num_out: int, dilation: int, *, is_folded: bool) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(num_in, num_out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.Identity() if is_folded else nn.BatchNorm2d(num_out)
        self.relu_s1 = nn.ReLU(inplace=True)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, num_out, H, W), of the input's height and width."""
        result: Tensor = self.relu_s1(self.bn_s1(self.conv_s1(x_NCHW)))
        return result


class ResidualUBlock(nn.Module):
    """RSU: down to `height` levels, back up with skip connections, plus what went in; equal height and width out."""

    def __init__(self, stage: Stage, *, is_folded: bool) -> None:
        super().__init__()
        self._height = stage.height
        self._is_dilated = stage.is_dilated
        mid, out = stage.num_mid, stage.num_out

        def add(name: str, num_in: int, num_out: int, dilation: int) -> None:
            self.add_module(f"rebnconv{name}", ConvolutionBlock(num_in, num_out, dilation, is_folded=is_folded))

        add("in", stage.num_in, out, 1)
        for level in range(1, stage.height):
            add(str(level), out if level == 1 else mid, mid, self._dilation(level))
        add(str(stage.height), mid, mid, 8 if stage.is_dilated else 2)
        for level in range(stage.height - 1, 0, -1):
            add(f"{level}d", 2 * mid, out if level == 1 else mid, self._dilation(level))

    def _dilation(self, level: int) -> int:
        """A dilated block looks as far as the others do after halving."""
        return 2 ** (level - 1) if self._is_dilated else 1

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, num_out, H, W)."""
        entry_NCHW: Tensor = self.get_submodule("rebnconvin")(x_NCHW)
        x: Tensor = entry_NCHW
        skips: list[Tensor] = []
        for level in range(1, self._height):
            if level > 1 and not self._is_dilated:
                x = halve(x)
            x = self.get_submodule(f"rebnconv{level}")(x)
            skips.append(x)
        x = self.get_submodule(f"rebnconv{self._height}")(x)
        for level in range(self._height - 1, 0, -1):
            x = self.get_submodule(f"rebnconv{level}d")(join(x, skips[level - 1]))
        return x + entry_NCHW


class U2Net(nn.Module):
    """Normalised pictures to probabilities.

    is_folded: without batch norm, for weights into which it is folded already.
    """

    STAGES = U2NET_STAGES

    def __init__(self, *, is_folded: bool = False) -> None:
        super().__init__()
        for name, stage in self.STAGES.items():
            self.add_module(name, ResidualUBlock(stage, is_folded=is_folded))
        for level in range(1, NUM_LEVELS + 1):
            self.add_module(f"side{level}", nn.Conv2d(self.STAGES[_decoder(level)].num_out, 1, 3, padding=1))
        self.outconv = nn.Conv2d(NUM_LEVELS, 1, 1)

    def forward(self, x_N3HW: Tensor) -> Tensor:
        """Probabilities (N, 1, H, W), float32: the official network's first output."""
        maps: dict[str, Tensor] = {}
        x = x_N3HW
        for level in range(1, NUM_LEVELS + 1):
            x = maps[f"stage{level}"] = self.get_submodule(f"stage{level}")(x if level == 1 else halve(x))
        for level in range(NUM_LEVELS - 1, 0, -1):
            skip = maps[f"stage{level}"]
            x = maps[f"stage{level}d"] = self.get_submodule(f"stage{level}d")(join(x, skip))
        sides = [self.get_submodule(f"side{level}")(maps[_decoder(level)]) for level in range(1, NUM_LEVELS + 1)]
        logits_N1HW = self.outconv(torch.cat([enlarge(side, sides[0]) for side in sides], dim=1))
        return torch.sigmoid(logits_N1HW.float())  # bf16 would round probabilities around 0.5 to steps of 0.004


class U2NetP(U2Net):
    """The small form, a fortieth of the weights."""

    STAGES = U2NETP_STAGES


def halve(x_NCHW: Tensor) -> Tensor:
    """Max-pool to half the height and width, rounded up."""
    return F.max_pool2d(x_NCHW, 2, stride=2, ceil_mode=True)


def enlarge(x_NCHW: Tensor, like_NCHW: Tensor) -> Tensor:
    """Bilinear, to the height and width of the other map."""
    size = like_NCHW.shape[2:]
    if x_NCHW.shape[2:] == size:
        return x_NCHW
    return F.interpolate(x_NCHW, size=size, mode="bilinear", align_corners=False)


def join(x_NCHW: Tensor, skip_NCHW: Tensor) -> Tensor:
    """A map enlarged to the size of a skip connection, and that behind it."""
    return torch.cat((enlarge(x_NCHW, skip_NCHW), skip_NCHW), dim=1)


def _decoder(level: int) -> str:
    """The stage whose map is the side output of a level; the lowest has no decoder."""
    return "stage6" if level == NUM_LEVELS else f"stage{level}d"

"""LaMa's generator in the shape of Big-LaMa: fast Fourier convolutions that fill the holes of pictures.

Suvorov et al. 2022 (arXiv 2109.07161); fast Fourier convolution: Chi, Jiang and Mu 2020. Layers, their order and names
as in the official generator (github.com/advimman/lama, Apache-2.0): `saicinpainting/training/modules/ffc.py` at commit
f92ceab7626d060ffb90e0ec1d25484995e3914f, `configs/training/big-lama.yaml` at 55619b2d62f83a75ba37327662d4e96171818083;
what goes in: `saicinpainting/training/trainers/default.py` at 552cd55c94c9a143080aa855e7a8bdb2998d55bb.
A folded network gives the same output sooner: its batch norms are inside the convolutions, and the last one makes four
pixels at a time, since three output channels would leave most of a vector unit empty.
Shape letters: N pictures, H height, W width, L local channels, G global channels, h = H / 8, w = W / 8.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.vision.fourier import FourierMatrices, fourier_matrices, irfft2, rfft2

STRIDE = 8
"""sides of the input are multiples of it"""
MIN_SIDE_PX = 16
"""at the bottom reflection needs two positions"""
NUM_BLOCKS = 18
LOCAL, GLOBAL = 128, 384
WIDTH = 64
_DOWN = (2, 3)
_TO_GLOBAL = 4
_BLOCKS = range(5, 5 + NUM_BLOCKS)
_UP = (24, 27, 30)
_OUT = 34


class SpectralTransform(nn.Module):
    """1 x 1 convolution, convolution of the spectrum, 1 x 1 convolution: every position sees every other."""

    def __init__(self, *, is_folded: bool) -> None:
        super().__init__()
        half = GLOBAL // 2
        self.conv1 = nn.Sequential(nn.Conv2d(GLOBAL, half, 1, bias=is_folded), _norm(half, is_folded))
        self.fu = nn.ModuleDict(
            {"conv_layer": nn.Conv2d(2 * half, 2 * half, 1, bias=is_folded), "bn": _norm(2 * half, is_folded)}
        )
        self.conv2 = nn.Conv2d(half, GLOBAL, 1, bias=False)

    def forward(self, global_NGhw: Tensor, matrices: FourierMatrices) -> Tensor:
        """Maps of the same shape."""
        maps = F.relu(self.conv1(global_NGhw))
        spectra = F.relu(self.fu["bn"](self.fu["conv_layer"](rfft2(maps, matrices))))
        out: Tensor = self.conv2(maps + irfft2(spectra, matrices))
        return out


class FourierConvolution(nn.Module):
    """Local and global maps, each from both: three 3 x 3 convolutions and one spectral transform."""

    def __init__(self, *, is_folded: bool) -> None:
        super().__init__()
        self.ffc = nn.ModuleDict(
            {
                "convl2l": nn.Conv2d(LOCAL, LOCAL, 3, bias=is_folded),
                "convl2g": nn.Conv2d(LOCAL, GLOBAL, 3, bias=is_folded),
                "convg2l": nn.Conv2d(GLOBAL, LOCAL, 3, bias=False),
                "convg2g": SpectralTransform(is_folded=is_folded),
            }
        )
        self.bn_l, self.bn_g = _norm(LOCAL, is_folded), _norm(GLOBAL, is_folded)

    def forward(self, local_NLhw: Tensor, global_NGhw: Tensor, matrices: FourierMatrices) -> tuple[Tensor, Tensor]:
        """Local and global maps of the same shapes."""
        padded_l, padded_g = _reflected(local_NLhw, 1), _reflected(global_NGhw, 1)
        out_l = self.ffc["convl2l"](padded_l) + self.ffc["convg2l"](padded_g)
        out_g = self.ffc["convl2g"](padded_l) + self.ffc["convg2g"](global_NGhw, matrices)
        return F.relu(self.bn_l(out_l)), F.relu(self.bn_g(out_g))


class FourierBlock(nn.Module):
    """Two Fourier convolutions and a way past them."""

    def __init__(self, *, is_folded: bool) -> None:
        super().__init__()
        self.conv1 = FourierConvolution(is_folded=is_folded)
        self.conv2 = FourierConvolution(is_folded=is_folded)

    def forward(self, local_NLhw: Tensor, global_NGhw: Tensor, matrices: FourierMatrices) -> tuple[Tensor, Tensor]:
        """Local and global maps of the same shapes."""
        out_l, out_g = self.conv2(*self.conv1(local_NLhw, global_NGhw, matrices), matrices)
        return local_NLhw + out_l, global_NGhw + out_g


class Convolution(nn.Module):
    """A reflecting convolution with ReLU, to local maps and, if asked, to global ones."""

    def __init__(self, num_in: int, num_local: int, num_global: int, kernel: int, stride: int, *, is_folded: bool):
        super().__init__()
        self.ffc = nn.ModuleDict()
        self.ffc["convl2l"] = nn.Conv2d(num_in, num_local, kernel, stride, bias=is_folded)
        self.bn_l = _norm(num_local, is_folded)
        if num_global:
            self.ffc["convl2g"] = nn.Conv2d(num_in, num_global, kernel, stride, bias=is_folded)
            self.bn_g = _norm(num_global, is_folded)
        self._padding = kernel // 2

    def forward(self, maps: Tensor) -> Tensor:
        """Local maps."""
        return F.relu(self.bn_l(self.ffc["convl2l"](_reflected(maps, self._padding))))

    def both(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Local and global maps."""
        padded = _reflected(maps, self._padding)
        return F.relu(self.bn_l(self.ffc["convl2l"](padded))), F.relu(self.bn_g(self.ffc["convl2g"](padded)))


class Lama(nn.Module):
    """Big-LaMa's generator: RGB from 0 to 1, black in the hole, and the mask (1 = hole) in, RGB (N, 3, H, W) out.

    H and W are multiples of 8, at least 16. The parameters have no values yet: load a state with `assign=True`.
    """

    def __init__(self, *, is_folded: bool = False) -> None:
        super().__init__()
        self._is_folded = is_folded
        layers: list[nn.Module] = [
            nn.Identity() for _ in range(_OUT + 1)
        ]  # numbers are names, gaps hold no parameters
        with torch.device("meta"):  # no values yet, and no random number drawn
            layers[1] = Convolution(4, WIDTH, 0, 7, 1, is_folded=is_folded)
            for number, num_in in zip(_DOWN, (WIDTH, 2 * WIDTH), strict=True):
                layers[number] = Convolution(num_in, 2 * num_in, 0, 3, 2, is_folded=is_folded)
            layers[_TO_GLOBAL] = Convolution(4 * WIDTH, LOCAL, GLOBAL, 3, 2, is_folded=is_folded)
            for number in _BLOCKS:
                layers[number] = FourierBlock(is_folded=is_folded)
            for number, num_in in zip(_UP, (8 * WIDTH, 4 * WIDTH, 2 * WIDTH), strict=True):
                layers[number] = nn.ConvTranspose2d(num_in, num_in // 2, 3, 2, padding=1, output_padding=1)
                layers[number + 1] = _norm(num_in // 2, is_folded)
            layers[_OUT] = nn.Conv2d(WIDTH, 12, 8, stride=2) if is_folded else nn.Conv2d(WIDTH, 3, 7)
        self.model = nn.Sequential(*layers)

    def forward(self, holed_N4HW: Tensor, matrices: FourierMatrices | None = None) -> Tensor:
        """Predicted pictures (N, 3, H, W) from 0 to 1; `matrices` for maps of h x w, made here where not given."""
        maps = self.model[1](holed_N4HW)
        for number in _DOWN:
            maps = self.model[number](maps)
        to_global = self.model[_TO_GLOBAL]
        assert isinstance(to_global, Convolution)
        local_NLhw, global_NGhw = to_global.both(maps)
        matrices = matrices or fourier_matrices(local_NLhw.shape[2], local_NLhw.shape[3], local_NLhw)
        for number in _BLOCKS:
            local_NLhw, global_NGhw = self.model[number](local_NLhw, global_NGhw, matrices)
        maps = torch.cat([local_NLhw, global_NGhw], dim=1)
        for number in _UP:
            maps = F.relu(self.model[number + 1](self.model[number](maps)))
        out = self.model[_OUT](_reflected(maps, 3))
        return torch.sigmoid((F.pixel_shuffle(out, 2) if self._is_folded else out).float())


class LamaOnPixels(nn.Module):
    """LaMa from pixels to pixels: uint8 RGB (N, 3, H, W) and masks (N, 1, H, W; 1 = hole) in, floats 0 to 255 out.

    The prediction covers the whole picture; pasting it into the hole is the caller's.
    """

    def __init__(self, lama: Lama) -> None:
        super().__init__()
        self.lama = lama

    def forward(self, pixels_N3HW: Tensor, masks_N1HW: Tensor, *matrices: Tensor) -> Tensor:
        """Predicted pictures (N, 3, H, W), not rounded; `matrices` as `shape_constants` gives them, or none."""
        masks = masks_N1HW.float()
        holed = pixels_N3HW.float() / 255 * (1 - masks)
        given = FourierMatrices(*matrices) if matrices else None
        out: Tensor = self.lama(torch.cat([holed, masks], dim=1), given) * 255
        return out

    def shape_constants(self, pixels_N3HW: Tensor, masks_N1HW: Tensor) -> FourierMatrices:
        """What the network needs beside pictures of this shape: with it one export serves every shape."""
        height, width = pixels_N3HW.shape[2:]
        return fourier_matrices(height // STRIDE, width // STRIDE, torch.empty(0))

    def smallest_inputs(self) -> tuple[Tensor, Tensor]:
        """A picture and a mask to export the network with."""
        side = 2 * MIN_SIDE_PX
        return torch.zeros(1, 3, side, side, dtype=torch.uint8), torch.ones(1, 1, side, side, dtype=torch.uint8)


def _norm(num_channels: int, is_folded: bool) -> nn.Module:
    return nn.Identity() if is_folded else nn.BatchNorm2d(num_channels)


def _reflected(maps: Tensor, size: int) -> Tensor:
    return F.pad(maps, (size, size, size, size), mode="reflect")

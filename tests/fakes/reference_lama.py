"""Big-LaMa written a second time, from the paper and the names of its weights, with `torch.fft` and batch norms.

What `models.vision.lama` is measured against, and the inside of files that look like `big-lama.pt`. Slow and plain on
purpose: nothing of `models` is used here.
"""

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_BLOCKS = 18
SIZE = {"local": 128, "global": 384}


def convolution(num_in: int, num_out: int, side: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that reflects the picture at its borders."""
    return nn.Conv2d(num_in, num_out, side, stride, padding=side // 2, bias=False, padding_mode="reflect")


class Spectrum(nn.Module):
    """Chi et al. 2020: convolution, batch norm and ReLU on real and imaginary parts, in turn for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        parts = torch.view_as_real(torch.fft.rfftn(x, dim=(2, 3), norm="ortho"))  # n, c, h, w // 2 + 1, 2
        y = parts.permute(0, 1, 4, 2, 3).reshape(n, 2 * c, h, -1)
        y = F.relu(self.bn(self.conv_layer(y)))
        y = y.reshape(n, c, 2, h, -1).permute(0, 1, 3, 4, 2).contiguous()
        return torch.fft.irfftn(torch.complex(y[..., 0], y[..., 1]), s=(h, w), dim=(2, 3), norm="ortho")


class Transform(nn.Module):
    """The global-to-global way."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.fu = Spectrum(half)
        self.conv2 = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class Paths(nn.Module):
    """The four ways between local and global maps, those that exist."""

    def __init__(self, num_in: tuple[int, int], num_out: tuple[int, int], side: int, stride: int) -> None:
        super().__init__()
        self.convl2l = convolution(num_in[0], num_out[0], side, stride)
        if num_out[1]:
            self.convl2g = convolution(num_in[0], num_out[1], side, stride)
        if num_in[1]:
            self.convg2l = convolution(num_in[1], num_out[0], side, stride)
            self.convg2g = Transform(num_in[1])


class Layer(nn.Module):
    """Paths, batch norm, ReLU; a pair (local, global) in and out, None where there are no global maps."""

    def __init__(self, num_in: tuple[int, int], num_out: tuple[int, int], side: int, stride: int = 1) -> None:
        super().__init__()
        self.ffc = Paths(num_in, num_out, side, stride)
        self.bn_l = nn.BatchNorm2d(num_out[0])
        self.bn_g = nn.BatchNorm2d(num_out[1]) if num_out[1] else nn.Identity()
        self.has_global = num_in[1] > 0, num_out[1] > 0

    def forward(self, local: Tensor, wide: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        to_local = self.ffc.convl2l(local)
        if self.has_global[0]:
            to_local = to_local + self.ffc.convg2l(wide)
        to_wide = None
        if self.has_global[1]:
            to_wide = self.ffc.convl2g(local)
            if self.has_global[0]:
                to_wide = to_wide + self.ffc.convg2g(wide)
            to_wide = F.relu(self.bn_g(to_wide))
        return F.relu(self.bn_l(to_local)), to_wide


class Block(nn.Module):
    """Two layers with a way past them."""

    def __init__(self) -> None:
        super().__init__()
        both = (SIZE["local"], SIZE["global"])
        self.conv1, self.conv2 = Layer(both, both, 3), Layer(both, both, 3)

    def forward(self, local: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        inside, inside_wide = self.conv2(*self.conv1(local, wide))
        return local + inside, wide + inside_wide


class ReferenceGenerator(nn.Module):
    """(N, 4, H, W) to (N, 3, H, W); with fewer blocks than the true one has, the layers behind keep their numbers."""

    def __init__(self, num_blocks: int = NUM_BLOCKS) -> None:
        super().__init__()
        self.num_blocks = num_blocks
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), Layer((4, 0), (64, 0), 7)]
        layers += [Layer((64, 0), (128, 0), 3, 2), Layer((128, 0), (256, 0), 3, 2)]
        layers += [Layer((256, 0), (SIZE["local"], SIZE["global"]), 3, 2)]
        layers += [Block() for _ in range(num_blocks)]
        layers += [nn.Identity() for _ in range(NUM_BLOCKS - num_blocks + 1)]
        for width in (512, 256, 128):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [up, nn.BatchNorm2d(width // 2), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Sigmoid()]
        layers[1].ffc.convl2l.padding = (0, 0)  # the layer before has padded
        layers[1].ffc.convl2l._reversed_padding_repeated_twice = [0, 0, 0, 0]
        self.model = nn.Sequential(*layers)

    def forward(self, holed: Tensor) -> Tensor:
        local, wide = holed, None
        for layer in self.model[:5]:
            local, wide = layer(local, wide) if isinstance(layer, Layer) else (layer(local), wide)
        for block in self.model[5 : 5 + self.num_blocks]:
            local, wide = block(local, wide)
        return self.model[24:](torch.cat([local, wide], dim=1))


class Wrapper(nn.Module):
    """What `bin/to_jit.py` of the official source traces: the trained module and, in it, `generator`."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.generator = generator

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        predicted = self.model.generator(torch.cat([image * (1 - mask), mask], dim=1))
        return mask * predicted + (1 - mask) * image


@lru_cache(maxsize=1)
def drawn_generator(seed: int = 0, num_blocks: int = NUM_BLOCKS) -> ReferenceGenerator:
    """A generator with random weights and random batch-norm statistics that keep its values in a sensible range."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        network = ReferenceGenerator(num_blocks)
    state = {name: _drawn(name, empty, generator) for name, empty in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def save_as_official(generator: nn.Module, path: Path, side_px: int = 32) -> None:
    """A TorchScript file as `bin/to_jit.py` writes it."""
    example = torch.rand(1, 3, side_px, side_px), torch.ones(1, 1, side_px, side_px)
    torch.jit.trace(Wrapper(generator).eval(), example, strict=False, check_trace=False).save(str(path))


def _drawn(name: str, empty: Tensor, generator: torch.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    if name.endswith("running_var"):
        return torch.rand(empty.shape, generator=generator) + 0.5
    if empty.ndim == 1:
        is_scale = name.endswith("weight")
        return torch.randn(empty.shape, generator=generator) * 0.1 + (0.5 if is_scale else 0.0)
    fan_in = empty[0].numel() if empty.shape[0] != 2 * empty.shape[1] else empty.shape[0] * 9 // 4
    return torch.randn(empty.shape, generator=generator) * (2 / fan_in) ** 0.5

"""EfficientNet-Lite0, a network for processors without much to spare; its weights are published by a Python package.

EfficientNet: Tan and Le 2019 (arXiv 1905.11946). Lite is the authors' form for telephones, described with its code
(github.com/tensorflow/tpu): no squeeze and excitation, ReLU6 in place of swish, stem and head of the same width at
every scale. Its weights were trained with TensorFlow's padding, which at a stride of 2 adds one row less above than
below; here it is that of sides that are multiples of 32, at every size.
Shape letters: N pictures, C channels, H height, W width, S side of the network's input, F features (1,280).
"""

import re
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

NORM_EPSILON = 1e-3
STEM_CHANNELS, NUM_FEATURES, NUM_CLASSES = 32, 1280, 1000
Stage = tuple[int, int, int, int, int]
"""number of blocks, side of the depthwise filter, stride of the first block, growth within, channels after"""
STAGES: tuple[Stage, ...] = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
NAMES = {
    "expand_conv": "conv1",
    "bn0": "bn1",
    "depthwise_conv": "conv2",
    "bn1": "bn2",
    "project_conv": "conv3",
    "bn2": "bn3",
}
"""the layers of a block as the published file calls them, after an underscore; ours as torchvision's blocks"""
IN_A_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+)\.")


def our_name(key: str) -> str:
    """The name of a tensor in our module; one that is ours already stays."""
    block = IN_A_BLOCK.match(key)
    if block and block[2] in NAMES:
        return f"blocks.{block[1]}.{NAMES[block[2]]}.{key[block.end() :]}"
    return key.removeprefix("_")


class Block(nn.Module):
    """Channels are made many, filtered one by one, and made few again; the input is added where it has that shape."""

    def __init__(self, num_in: int, side: int, stride: int, growth: int, num_out: int) -> None:
        super().__init__()
        num_inner = num_in * growth
        self.conv1 = nn.Conv2d(num_in, num_inner, 1, bias=False) if growth > 1 else nn.Identity()
        self.bn1 = _norm(num_inner) if growth > 1 else nn.Identity()
        self.pad, padding = _padding(side, stride)
        self.conv2 = nn.Conv2d(num_inner, num_inner, side, stride, padding, groups=num_inner, bias=False)
        self.bn2 = _norm(num_inner)
        self.conv3 = nn.Conv2d(num_inner, num_out, 1, bias=False)
        self.bn3 = _norm(num_out)
        self.relu = nn.ReLU6()
        self.has_growth = growth > 1
        self.has_skip = stride == 1 and num_in == num_out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        inner_NCHW = self.relu(self.bn1(self.conv1(x_NCHW))) if self.has_growth else x_NCHW
        inner_NCHW = self.relu(self.bn2(self.conv2(self.pad(inner_NCHW))))
        found_NCHW: Tensor = self.bn3(self.conv3(inner_NCHW))
        return found_NCHW + x_NCHW if self.has_skip else found_NCHW


class EfficientNetLite0(nn.Module):
    """Normalised pixels (N, 3, S, S) to class scores (N, 1000)."""

    def __init__(self, stages: Sequence[Stage] = STAGES, num_features: int = NUM_FEATURES) -> None:
        super().__init__()
        self.pad, padding = _padding(3, 2)
        self.conv_stem = nn.Conv2d(3, STEM_CHANNELS, 3, 2, padding, bias=False)
        self.bn0 = _norm(STEM_CHANNELS)
        self.blocks = nn.Sequential(*_blocks(stages))
        self.conv_head = nn.Conv2d(stages[-1][-1], num_features, 1, bias=False)
        self.bn1 = _norm(num_features)
        self.relu = nn.ReLU6()
        self.avgpool: nn.Module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc: nn.Module = nn.Linear(num_features, NUM_CLASSES)

    def last_map(self, pixels_N3SS: Tensor) -> Tensor:
        """What is seen at each place: (N, F, S / 32, S / 32)."""
        x_NCHW = self.blocks(self.relu(self.bn0(self.conv_stem(self.pad(pixels_N3SS)))))
        map_NFHW: Tensor = self.relu(self.bn1(self.conv_head(x_NCHW)))
        return map_NFHW

    def forward(self, pixels_N3SS: Tensor) -> Tensor:
        """The class scores; the features where `fc` is the identity."""
        scores: Tensor = self.fc(self.avgpool(self.last_map(pixels_N3SS)))
        return scores


def _blocks(stages: Sequence[Stage]) -> Iterator[Block]:
    num_in = STEM_CHANNELS
    for num_blocks, side, stride, growth, num_out in stages:
        for index in range(num_blocks):
            yield Block(num_in, side, 1 if index else stride, growth, num_out)
            num_in = num_out


def _padding(side: int, stride: int) -> tuple[nn.Module, int]:
    """A layer before the convolution, and what the convolution itself adds around."""
    if stride == 1:
        return nn.Identity(), side // 2
    before = (side - stride) // 2
    after = side - stride - before
    return nn.ZeroPad2d((before, after, before, after)), 0


def _norm(num_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(num_channels, eps=NORM_EPSILON)

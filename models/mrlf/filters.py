"""Centred convolutions of several sizes as one, whose shorter filters have zeros round their taps.

Shape letters: D embedding, E filters of a size, A the filters of all sizes, K taps of the longest.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def taps_left(size: int) -> int:
    """Taps of a centred filter before its middle one."""
    return (size - 1) // 2


def side_by_side(convolutions: Sequence[nn.Conv1d]) -> tuple[Tensor, Tensor, int]:
    """Weights (A, D, K) and bias (A) of all these layers, and how many of the K taps lie before the middle one."""
    sizes = [layer.kernel_size[0] for layer in convolutions]
    left, right = max(map(taps_left, sizes)), max(size // 2 for size in sizes)
    weights = [
        F.pad(layer.weight, (left - taps_left(size), right - size // 2))
        for layer, size in zip(convolutions, sizes, strict=True)
    ]
    biases = [layer.bias for layer in convolutions if layer.bias is not None]
    return torch.cat(weights), torch.cat(biases), left

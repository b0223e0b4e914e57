"""The training loss: cross-entropy, with class weights and label smoothing where asked for.

A batch may be taken in parts (when memory is short): the parts' losses and gradients sum up to the whole batch's.
Shape letters: N samples, B batch, P part of a batch, C classes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.settings.train_config import TrainConfig


def balanced_weights(labels_N: np.ndarray, num_classes: int) -> np.ndarray:
    """n / (classes met * posts of the class), as scikit-learn's "balanced"; 0 for a class never met: (C,) float32."""
    count_C = np.bincount(labels_N, minlength=num_classes)
    weight_C = np.zeros(num_classes)
    weight_C[count_C > 0] = len(labels_N) / (np.count_nonzero(count_C) * count_C[count_C > 0])
    return weight_C.astype(np.float32)


class TrainingLoss:
    """The loss of one run, on its device."""

    def __init__(self, config: TrainConfig, labels_N: np.ndarray, num_classes: int, device: torch.device) -> None:
        self.label_smoothing = config.label_smoothing
        self.weight_C: Tensor | None = None
        if config.class_weights:
            self.weight_C = torch.from_numpy(balanced_weights(labels_N, num_classes)).to(device)

    def total_weight(self, labels_B: Tensor) -> Tensor | int:
        """What the sum over a batch is divided by: its posts, or their weights."""
        return len(labels_B) if self.weight_C is None else self.weight_C[labels_B].sum()

    def __call__(self, logits_PC: Tensor, labels_P: Tensor, total_weight: Tensor | int) -> Tensor:
        """The share of these posts in the mean loss of their batch."""
        total = F.cross_entropy(
            logits_PC.float(),
            labels_P,
            weight=self.weight_C,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return total / total_weight

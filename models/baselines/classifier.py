"""What every classifier here offers, and what makes one from training samples without a network."""

from typing import Protocol

import numpy as np

from models.data.samples import Samples


class Classifier(Protocol):
    """Anything that gives probabilities (N, C), float64, rows summing to 1."""

    def predict_proba(self, samples: Samples) -> np.ndarray: ...


class Baseline(Protocol):
    """A way to make a classifier from training samples; classes without any get probability 0."""

    def fit(self, train: Samples, num_classes: int) -> Classifier: ...

"""The least a model has to beat: the class that most training posts are of.

Shape letters: N samples, C classes.
"""

from dataclasses import dataclass

import numpy as np

from models.data.samples import Samples, check_split


@dataclass(frozen=True)
class Prior:
    """The share of each class in training, whatever the post."""

    share_C: np.ndarray

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """The same row for every sample."""
        return np.tile(self.share_C, (len(samples), 1))


class MajorityBaseline:
    """Predicts the most frequent class."""

    def fit(self, train: Samples, num_classes: int) -> Prior:
        """Count the labels."""
        check_split("train", train, num_classes)
        return Prior(np.bincount(train.labels_N, minlength=num_classes) / len(train))

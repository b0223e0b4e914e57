"""Standardises image features with what was measured on the training samples.

Law: a column that is constant in training carries no information and becomes 0, and no value leaves [-4, 4]. Dividing
by "sd + 1e-6" instead sent 5 % of real test posts to 100,000 standard deviations and spoilt the whole model.
Shape letters: N samples, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CLIP = 4.0
RELATIVE_FLOOR = 1e-6
"""A standard deviation under this share of the column's largest value is rounding, not information."""


@dataclass(frozen=True)
class ImageScaler:
    """z = clip((x - mean) * inverse_sd, -4, 4), with inverse_sd 0 for columns constant in training."""

    mean_D: np.ndarray
    inverse_sd_D: np.ndarray

    @classmethod
    def fit(cls, image_ND: np.ndarray) -> "ImageScaler":
        """Measure mean and standard deviation, in float64, of at least one sample."""
        if len(image_ND) == 0:
            raise ValueError("an image scaler needs at least one training sample, got none")
        wide_ND = image_ND.astype(np.float64)
        sd_D = wide_ND.std(axis=0)
        varies_D = sd_D > RELATIVE_FLOOR * np.abs(wide_ND).max(axis=0)
        inverse_sd_D = np.where(varies_D, 1.0 / np.where(varies_D, sd_D, 1.0), 0.0)
        return cls(wide_ND.mean(axis=0).astype(np.float32), inverse_sd_D.astype(np.float32))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "ImageScaler":
        """The scaler that `arrays` was called on."""
        return cls(arrays["mean"], arrays["inverse_sd"])

    def arrays(self) -> dict[str, np.ndarray]:
        """What to store, by name."""
        return {"mean": self.mean_D, "inverse_sd": self.inverse_sd_D}

    def transform(self, image_ND: np.ndarray) -> np.ndarray:
        """Standardised features (N, D), float32."""
        if image_ND.shape[1] != len(self.mean_D):
            raise ValueError(
                f"the model was trained on {len(self.mean_D)} image features, got {image_ND.shape[1]}; "
                "compute the features with the network the model was trained with"
            )
        scaled_ND = (image_ND - self.mean_D) * self.inverse_sd_D
        clipped_ND: np.ndarray = np.clip(scaled_ND, -CLIP, CLIP).astype(np.float32)
        return clipped_ND

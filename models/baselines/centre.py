"""The nearest POI to the middle of the training posts: the best place to stand if nothing is known of a post.

The majority class asks for the most hits, this one for small errors in kilometres. The middle is the mean of the POIs'
unit vectors on the sphere, each weighted by its share of the training posts. Our own baseline, of no paper.
Shape letters: N samples, C classes.
"""

from dataclasses import dataclass

import numpy as np

from models.baselines.prior import Prior
from models.data.samples import Samples, check_split
from models.evaluation.metrics import haversine_km


@dataclass(frozen=True)
class NearestCentreBaseline:
    """Predicts the POI nearest to the middle, among those met in training; coordinates in degrees, float64."""

    lat_C: np.ndarray
    lng_C: np.ndarray

    def fit(self, train: Samples, num_classes: int) -> Prior:
        """A class met in training gets exp(-its distance to the middle / the training posts' mean distance) as a
        weight, scaled to sum 1: the nearest has the highest.

        Raises:
            ValueError: the coordinates are not those of the classes, or the POIs lie round the globe with no middle.
        """
        check_split("train", train, num_classes)
        if not len(self.lat_C) == len(self.lng_C) == num_classes:
            raise ValueError(
                f"there are {num_classes} classes but {len(self.lat_C)} latitudes and {len(self.lng_C)} longitudes; "
                "give the coordinates of every class"
            )
        share_C = np.bincount(train.labels_N, minlength=num_classes) / len(train)
        lat, lng = _middle(self.lat_C, self.lng_C, share_C)
        distance_C = haversine_km(self.lat_C, self.lng_C, lat, lng)
        mean_km = float(share_C @ distance_C)
        weight_C = np.exp(-distance_C / mean_km) if mean_km > 0 else np.ones(num_classes)
        weight_C[share_C == 0] = 0.0
        return Prior(weight_C / weight_C.sum())


def _middle(lat_C: np.ndarray, lng_C: np.ndarray, share_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude in degrees."""
    lat_C, lng_C = np.radians(lat_C.astype(np.float64)), np.radians(lng_C.astype(np.float64))
    unit_C3 = np.stack([np.cos(lat_C) * np.cos(lng_C), np.cos(lat_C) * np.sin(lng_C), np.sin(lat_C)], axis=1)
    x, y, z = share_C @ unit_C3
    if np.hypot(np.hypot(x, y), z) < 1e-6:
        raise ValueError("the POIs lie on opposite sides of the globe and have no middle; compare within one city")
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))

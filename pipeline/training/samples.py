"""A release and its picture features as the arrays that models are trained on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from pipeline.release.read import Release
from pipeline.release.split import SPLITS
from pipeline.training.image_features import read_features

if TYPE_CHECKING:
    from models.data.samples import Samples
    from pipeline.store import Store


@dataclass(frozen=True, kw_only=True)
class CitySamples:
    """The three splits of a city; `users` holds each post's user key, by which bootstraps are grouped."""

    splits: dict[str, "Samples"]
    users: dict[str, list[str]]
    class_latitudes: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    class_longitudes: "np.ndarray[tuple[int], np.dtype[np.float64]]"

    @property
    def num_classes(self) -> int:
        """POIs of the release."""
        return len(self.class_latitudes)


def city_samples(store: "Store", city: str, release: Release, backbone: str) -> CitySamples:
    """The posts of a release with their features, split as the release is.

    Raises:
        StageError: a picture has no features.
    """
    from models.data.samples import Samples

    splits, users = {}, {}
    for split in SPLITS:
        posts = release.posts.filter(pc.equal(release.posts["split"], split)).to_pydict()
        users[split] = posts["user_key"]
        splits[split] = Samples(
            keys=posts["post_key"],
            captions=posts["caption"],
            hashtags=posts["hashtags"],
            image_ND=read_features(store, city, posts["clean_digest"], backbone),
            labels_N=np.array(posts["label"], dtype=np.int64),
            groups=posts["user_key"],
        )
    return CitySamples(
        splits=splits,
        users=users,
        class_latitudes=np.array([label["latitude"] for label in release.labels], dtype=np.float64),
        class_longitudes=np.array([label["longitude"] for label in release.labels], dtype=np.float64),
    )

"""A release and its picture features as the arrays that models are trained on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from pipeline.release.read import Release
from pipeline.release.split import SPLITS
from pipeline.training.groups import Unit, groups_in, unit_of
from pipeline.training.image_features import read_features

if TYPE_CHECKING:
    from models.data.samples import Samples
    from pipeline.store import Store


@dataclass(frozen=True, kw_only=True)
class CitySamples:
    """The three splits of a city; `users` holds each post's user key.

    unit: what the groups of the test posts are, by which intervals are drawn.
    """

    splits: dict[str, "Samples"]
    users: dict[str, list[str]]
    unit: Unit
    class_latitudes: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    class_longitudes: "np.ndarray[tuple[int], np.dtype[np.float64]]"

    @property
    def num_classes(self) -> int:
        """POIs of the release."""
        return len(self.class_latitudes)


def interval_unit(release: Release) -> Unit:
    """What intervals draw of the test posts of a release."""
    test = release.posts.filter(pc.equal(release.posts["split"], "test"))
    return unit_of(release.split, test["user_key"].to_pylist(), test["taken_day"].to_pylist())


def _pictures(posts: dict[str, list[Any]]) -> list[list[str]] | None:
    """What links posts of a release; None in one that is older than this column."""
    return [[str(number)] for number in posts["picture_group"]] if "picture_group" in posts else None


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
            groups=groups_in(
                split, release.split, posts["user_key"], posts["taken_day"], posts["post_key"], _pictures(posts)
            ),
        )
    return CitySamples(
        splits=splits,
        users=users,
        unit=interval_unit(release),
        class_latitudes=np.array([label["latitude"] for label in release.labels], dtype=np.float64),
        class_longitudes=np.array([label["longitude"] for label in release.labels], dtype=np.float64),
    )

"""Rows of `study_features`: which are missing, whether their pictures are still there, and the work on them.

Reads  study_features, blobs/original, blobs/clean
Writes study_features
Law: a row carries the recipe of all that made it; rows of another recipe are computed anew, rows of the same never.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.engine import PictureJob, PictureWorker, blob_addresses, run_pictures
from pipeline.records import TABLES
from pipeline.store import Store
from pipeline.store.blobs import Kind
from pipeline.training.image_features import (
    FeatureWorker,
    ImageFeaturesSettings,
    feature_config,
    feature_name,
    features_recipe,
)
from pipeline.weights import Builtin, WeightsFile

TABLE = "study_features"


@dataclass(frozen=True, kw_only=True)
class FeatureSource:
    """A network that looks at pictures, small enough to travel to the worker."""

    settings: ImageFeaturesSettings
    weights: WeightsFile | Builtin

    @property
    def name(self) -> str:
        """What its features are called: never the trained network's name where it is a stand-in."""
        return feature_name(self.weights, self.settings.backbone)[0]

    @property
    def weights_sha256(self) -> str:
        """The digest of its weights."""
        return feature_name(self.weights, self.settings.backbone)[1]

    @property
    def recipe(self) -> str:
        """What the rows of `image_features` by it carry."""
        return features_recipe(self.settings, self.weights)

    def told(self) -> list[object]:
        """All that its features depend on beside the picture."""
        return feature_config(self.settings, self.weights)


@dataclass(frozen=True, kw_only=True)
class FeatureJob:
    """Rows that are wanted: of these originals, by this network, of the `picture` that was taken or made clean.

    blobs: digest of the original -> digest of the blob to look at, where that is another.
    """

    look: FeatureSource
    picture: str
    kind: Kind
    digests: list[str]
    recipe: str
    make_worker: Callable[[], PictureWorker]
    title: str
    blobs: Mapping[str, str] = field(default_factory=dict)

    def outcomes(self, store: Store, city: str) -> list[str]:
        """What became of the wanted pictures, as far as they have a row."""
        found = self._rows(store, city)
        return [found[digest] for digest in self.digests if digest in found]

    def missing(self, store: Store, city: str) -> list[str]:
        """The digests that have no row of this recipe."""
        return sorted(set(self.digests) - self._rows(store, city).keys())

    def gone(self, store: Store, city: str) -> set[str]:
        """Of the missing ones those whose picture is not there any more."""
        return {digest for digest in self.missing(store, city) if not self._path(store, digest).is_file()}

    def run(self, store: Store, city: str) -> int:
        """Compute what is missing; the number of new rows."""
        where = f"picture = '{self.picture}' and backbone = '{self.look.name}' and recipe <> '{self.recipe}'"
        store.tables.delete(city, TABLE, where)
        new = self.missing(store, city)
        addresses = blob_addresses([self._path(store, digest) for digest in new])
        rows = pa.table({"digest": pa.array(new, pa.string()), "address": pa.array(addresses, pa.string())})
        job = PictureJob(
            rows=rows,
            result=TABLES[TABLE].schema,
            make_worker=self.make_worker,
            batch_size=self.look.settings.batch_size,
            commit_every=self.look.settings.commit_every,
            title=self.title,
        )
        return run_pictures(job, lambda found: store.tables.append(city, TABLE, found))

    def _rows(self, store: Store, city: str) -> dict[str, str]:
        """digest -> outcome of this recipe's rows."""
        found: dict[str, str] = {}
        for rows in store.tables.batches(city, TABLE, ["digest", "outcome"], pc.field("recipe") == self.recipe):
            found.update(zip(rows["digest"].to_pylist(), rows["outcome"].to_pylist(), strict=True))
        return found

    def _path(self, store: Store, digest: str) -> Any:
        return store.blobs.path(self.kind, self.blobs.get(digest, digest))


class LookingWorker:
    """Bytes of pictures in, rows of `study_features` out."""

    def __init__(self, look: FeatureSource, picture: str, recipe: str) -> None:
        self._work, self._picture = FeatureWorker(look.settings, look.weights, recipe), picture

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row per picture."""
        looked = self._work([{"clean_digest": row["digest"], "data": row["data"]} for row in rows])
        return [{**_renamed(row), "picture": self._picture, "portrait_ratio": None} for row in looked]


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of image_features under the digest of the original."""
    return {"digest" if name == "clean_digest" else name: value for name, value in row.items()}

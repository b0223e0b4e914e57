"""Rows of `study_features`: which are missing, whether their pictures are still there, and the workers that make them.

Reads  study_features, blobs/original, blobs/clean
Writes study_features
`StudyPictureWorker` is for pictures that no picture stage saw. It runs the workers of portrait_masks, clean_images and
image_features one after the other; the clean picture passes from the second to the third in memory, none is written.
Law: a row carries the recipe of all that made it; rows of another recipe are computed anew, rows of the same never.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.engine import PictureWorker
from pipeline.images.clean_images import KEPT, FillWorker
from pipeline.images.fillers import CleanImagesSettings, FillerChoice, load_filler
from pipeline.images.maskers import MaskerChoice, PortraitMasksSettings
from pipeline.images.portrait_masks import READABLE, make_mask_worker
from pipeline.images.stages import PictureStage
from pipeline.store import Store
from pipeline.store.blobs import Blobs, Kind
from pipeline.store.digests import bytes_digest
from pipeline.training.image_features import (
    FeatureWorker,
    ImageFeaturesSettings,
    feature_config,
    feature_name,
    features_recipe,
    network_name,
)
from pipeline.weights import Builtin, WeightsFile

log = logging.getLogger("mrlf")

TABLE = "study_features"
NUM_AT_ONCE = 4
"""pictures that the networks are handed together"""


@dataclass(frozen=True, kw_only=True)
class FeatureSource:
    """A network with its weights that turns pictures into features, small enough to travel to the worker."""

    settings: ImageFeaturesSettings
    weights: WeightsFile | Builtin

    @property
    def name(self) -> str:
        """What its features are called: never the trained network's name where it is a stand-in."""
        return network_name(self.weights, self.settings.backbone)

    @property
    def weights_sha256(self) -> str:
        """The digest of its weights."""
        return feature_name(self.weights, self.settings.backbone)[1]

    @property
    def recipe(self) -> str:
        """What the rows of `image_features` by it carry."""
        return features_recipe(self.settings, self.weights)

    def config(self) -> list[object]:
        """All that its features depend on beside the picture."""
        return feature_config(self.settings, self.weights)


@dataclass(frozen=True, kw_only=True)
class FeatureJob:
    """Rows that are wanted: of these originals, by this network, of the `picture` that was taken or made clean.

    blobs: digest of the original -> digest of the blob that the network sees, where that is another.
    """

    source: FeatureSource
    picture: str
    kind: Kind
    digests: list[str]
    recipe: str
    make_worker: Callable[[], PictureWorker]
    title: str
    blobs: Mapping[str, str] = field(default_factory=dict)

    @property
    def _stage(self) -> PictureStage:
        return PictureStage(
            table=TABLE,
            recipe=self.recipe,
            make_worker=self.make_worker,
            batch_size=self.source.settings.batch_size,
            commit_every=self.source.settings.commit_every,
            title=self.title,
            kind=self.kind,
            also={"picture": self.picture, "backbone": self.source.name},
            blobs=self.blobs,
        )

    def outcomes(self, store: Store, city: str) -> list[str]:
        """What became of the wanted pictures, as far as they have a row."""
        found = self._stage.outcomes(store, city)
        return [found[digest] for digest in self.digests if digest in found]

    def gone(self, store: Store, city: str) -> set[str]:
        """The pictures that have no row of this recipe and are not in the store any more."""
        stage = self._stage
        missing = set(self.digests) - stage.outcomes(store, city).keys()
        return {digest for digest in missing if not stage.blob_path(store, digest).is_file()}

    def run(self, store: Store, city: str) -> int:
        """Compute what is missing; the number of new rows."""
        stage = self._stage
        num_missing = len(set(self.digests) - stage.outcomes(store, city).keys())
        if num_missing:
            log.info("%s: %d pictures to look at", self.title, num_missing)
        return stage.run(store, city, self.digests).num_new


class StudyFeatureWorker:
    """Bytes of pictures in, rows of `study_features` out."""

    def __init__(self, source: FeatureSource, picture: str, recipe: str) -> None:
        self._work, self._picture = FeatureWorker(source.settings, source.weights, recipe), picture

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row per picture."""
        found = self._work([{"clean_digest": row["digest"], "data": row["data"]} for row in rows])
        return [{**_renamed(row), "picture": self._picture, "portrait_ratio": None} for row in found]


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of image_features under the digest of the original."""
    return {"digest" if name == "clean_digest" else name: value for name, value in row.items()}


@dataclass(frozen=True, kw_only=True)
class PictureNetworks:
    """The three networks as the city's own stages chose them, small enough to travel to the worker."""

    masks: PortraitMasksSettings
    masker: MaskerChoice
    clean: CleanImagesSettings
    filler: FillerChoice
    source: FeatureSource


class MemoryBlobs(Blobs):
    """Pictures held until they are asked for, in place of a folder."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def put(self, kind: Kind, data: bytes) -> str:
        """Hold `data` and return its sha256."""
        digest = bytes_digest(data)
        self._held[digest] = data
        return digest

    def take(self, digest: str) -> bytes:
        """The bytes of a picture, which are held no longer than all of a batch."""
        return self._held[digest]

    def clear(self) -> None:
        """Hold nothing any more."""
        self._held.clear()


class StudyPictureWorker:
    """Bytes of originals in; per picture a row of `study_features` of the clean picture, or why there is none."""

    def __init__(self, networks: PictureNetworks, recipe: str) -> None:
        import cv2

        cv2.setNumThreads(1)  # the threads are the workers' own; OpenCV's would wait for one another
        self._blobs, self._recipe = MemoryBlobs(), recipe
        self._backbone, self._weights_sha256 = networks.source.name, networks.source.weights_sha256
        self._mask = make_mask_worker(networks.masks, networks.masker, recipe, NUM_AT_ONCE, 1)
        self._fill = FillWorker(
            load_filler(networks.filler, networks.clean),
            networks.filler.gate,
            self._blobs,
            {},
            max_portrait_ratio=networks.clean.max_portrait_ratio,
            jpeg_quality=networks.clean.jpeg_quality,
            num_at_once=NUM_AT_ONCE,
        )
        self._features_of = FeatureWorker(networks.source.settings, networks.source.weights, recipe)

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row per picture."""
        masked = {row["digest"]: row for row in self._mask(rows)}
        data = {row["digest"]: row["data"] for row in rows}
        readable = [
            {**masked[digest], "data": data[digest]} for digest in data if masked[digest]["outcome"] in READABLE
        ]
        filled = {row["digest"]: row for row in self._fill(readable)}
        kept = {digest: row["clean_digest"] for digest, row in filled.items() if row["outcome"] in KEPT}
        computed = self._features_of([{"clean_digest": key, "data": self._blobs.take(kept[key])} for key in kept])
        self._blobs.clear()
        features = {row["clean_digest"]: row for row in computed}
        return [self._row(row["digest"], masked, filled, features) for row in rows]

    def _row(
        self, digest: str, masked: dict[str, Any], filled: dict[str, Any], features: dict[str, Any]
    ) -> dict[str, Any]:
        """The outcome is the last stage's that had one; a clean picture that has a vector keeps how it was cleaned."""
        found = features.get(digest)
        failed = found["outcome"] if found is not None and found["vector"] is None else None
        return {
            "digest": digest,
            "picture": "clean",
            "backbone": self._backbone,
            "outcome": failed or (filled.get(digest) or masked[digest])["outcome"],
            "portrait_ratio": masked[digest]["portrait_ratio"],
            "vector": found["vector"] if found else None,
            "weights_sha256": self._weights_sha256,
            "recipe": self._recipe,
        }

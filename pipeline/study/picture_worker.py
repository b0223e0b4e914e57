"""The worker of `study_data` for pictures that no picture stage saw: mask, fill and look, with nothing left on disk.

The workers of portrait_masks, clean_images and image_features do the work, one after the other; the clean picture
passes from the second to the third in memory.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.images.clean_images import KEPT
from pipeline.images.fillers import CleanImagesSettings, FillerChoice, load_filler
from pipeline.images.filling_worker import FillWorker
from pipeline.images.mask_worker import make_mask_worker
from pipeline.images.maskers import MaskerChoice, PortraitMasksSettings
from pipeline.images.portrait_masks import READABLE
from pipeline.store.blobs import Blobs, Kind
from pipeline.store.digests import bytes_digest
from pipeline.study.feature_source import FeatureSource
from pipeline.training.image_features import FeatureWorker

NUM_AT_ONCE = 4
"""pictures that the networks are handed together"""


@dataclass(frozen=True, kw_only=True)
class PictureNetworks:
    """The three networks as the city's own stages chose them, small enough to travel to the worker."""

    masks: PortraitMasksSettings
    masker: MaskerChoice
    clean: CleanImagesSettings
    filler: FillerChoice
    look: FeatureSource


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
        self._backbone, self._weights_sha256 = networks.look.name, networks.look.weights_sha256
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
        self._look = FeatureWorker(networks.look.settings, networks.look.weights, recipe)

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row per picture."""
        masked = {row["digest"]: row for row in self._mask(rows)}
        data = {row["digest"]: row["data"] for row in rows}
        readable = [
            {**masked[digest], "data": data[digest]} for digest in data if masked[digest]["outcome"] in READABLE
        ]
        filled = {row["digest"]: row for row in self._fill(readable)}
        kept = {digest: row["clean_digest"] for digest, row in filled.items() if row["outcome"] in KEPT}
        looked = self._look([{"clean_digest": key, "data": self._blobs.take(kept[key])} for key in kept])
        self._blobs.clear()
        features = {row["clean_digest"]: row for row in looked}
        return [self._row(row["digest"], masked, filled, features) for row in rows]

    def _row(
        self, digest: str, masked: dict[str, Any], filled: dict[str, Any], features: dict[str, Any]
    ) -> dict[str, Any]:
        """The outcome is the last stage's that had one; a clean picture that has a vector keeps how it was cleaned."""
        look = features.get(digest)
        failed_look = look["outcome"] if look is not None and look["vector"] is None else None
        return {
            "digest": digest,
            "picture": "clean",
            "backbone": self._backbone,
            "outcome": failed_look or (filled.get(digest) or masked[digest])["outcome"],
            "portrait_ratio": masked[digest]["portrait_ratio"],
            "vector": look["vector"] if look else None,
            "weights_sha256": self._weights_sha256,
            "recipe": self._recipe,
        }

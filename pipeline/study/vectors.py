"""Image feature vectors for the study: released, of posts outside the release, unmasked, and by other networks.

Reads  image_features, study_features, clean_images, portrait_masks
"""

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.errors import StageError
from pipeline.refusals import how_to_build
from pipeline.store import Store
from pipeline.study.features import TABLE
from pipeline.study.posts import PICTURE_STAGES, StudyPost
from pipeline.study.study_pictures import first_below, portrait_ratios

Vector = np.ndarray[Any, np.dtype[np.float32]]


class StudyVectors:
    """Vectors (float32) by post; tables are read when first asked for."""

    def __init__(self, store: Store, city: str, *, max_portrait_ratio: float) -> None:
        self._store, self._city, self._max_portrait_ratio = store, city, max_portrait_ratio
        self._clean: dict[str, dict[str, Vector]] = {}

    @cached_property
    def backbone(self) -> str:
        """What the features of the city's own models are called.

        Raises:
            StageError: there are none.
        """
        record = self._store.stage_record(self._city, "image_features")
        if record is None:
            how = how_to_build(self._store, self._city, "image_features", f"`mrlf run {self._city}` first")
            raise StageError(f"the pictures of {self._city} have no features yet: {how}")
        return str(record.about["backbone"])

    @property
    def width(self) -> int:
        """Numbers in a vector of the city's own."""
        return len(next(iter(self._released.values())))

    def clean(self, post: StudyPost, clean_digest: str | None) -> Vector | None:
        """Of the released picture; of a post outside the release, of its first picture that was made clean.

        None where every picture was dropped. Raises StageError where one has no features.
        """
        if clean_digest is not None:
            return self._of(self._released, clean_digest, "image_features")
        if post.lost.startswith(PICTURE_STAGES):
            return None
        if not self._looked_at.issuperset(post.image_digests):
            raise StageError(f"pictures of {self._city} outside the release have no features: build study_data")
        vectors = self._by(self.backbone)
        return next((vectors[digest] for digest in post.image_digests if digest in vectors), None)

    def clean_by(self, backbone: str, clean_digest: str | None, post: StudyPost) -> Vector:
        """Of the released picture, by another network than the city's own."""
        if backbone == self.backbone:
            return self._of(self._released, str(clean_digest), "image_features")
        vectors = self._by(backbone)
        found = next((vectors[digest] for digest in post.image_digests if digest in vectors), None)
        if found is None:
            raise StageError(f"a released picture of {self._city} has no {backbone} features: build study_data")
        return found

    def first_as_taken(self, post: StudyPost) -> Vector:
        """Of the first picture as it was taken."""
        return self._of(self._taken, post.image_digests[0], TABLE)

    def first_without_portrait(self, post: StudyPost) -> Vector | None:
        """Of the first picture that people do not fill, as it was taken; None where there is none."""
        digest = first_below(post, self._ratios, self._max_portrait_ratio)
        return None if digest is None else self._of(self._taken, digest, TABLE)

    @cached_property
    def _looked_at(self) -> frozenset[str]:
        """Originals of which study_data tried to make a clean picture."""
        is_clean = (pc.field("picture") == "clean") & (pc.field("backbone") == self.backbone)
        batches = self._store.tables.batches(self._city, TABLE, ["digest"], is_clean)
        return frozenset(digest for rows in batches for digest in rows["digest"].to_pylist())

    @cached_property
    def _released(self) -> dict[str, Vector]:
        return self._read("image_features", "clean_digest", pc.field("backbone") == self.backbone)

    @cached_property
    def _taken(self) -> dict[str, Vector]:
        is_taken = (pc.field("picture") == "original") & (pc.field("backbone") == self.backbone)
        return self._read(TABLE, "digest", is_taken)

    @cached_property
    def _ratios(self) -> dict[str, float]:
        return portrait_ratios(self._store, self._city)

    def _by(self, backbone: str) -> dict[str, Vector]:
        if backbone not in self._clean:
            is_clean = (pc.field("picture") == "clean") & (pc.field("backbone") == backbone)
            self._clean[backbone] = self._read(TABLE, "digest", is_clean)
        return self._clean[backbone]

    def _read(self, table: str, key: str, where: pc.Expression) -> dict[str, Vector]:
        """digest -> vector, of the rows that have one."""
        found: dict[str, Vector] = {}
        for rows in self._store.tables.batches(self._city, table, [key, "vector"], where):
            for digest, vector in zip(rows[key].to_pylist(), rows["vector"].to_pylist(), strict=True):
                if vector is not None:
                    found[digest] = np.frombuffer(vector, dtype="<f2").astype(np.float32)
        return found

    def _of(self, vectors: dict[str, Vector], digest: str, table: str) -> Vector:
        if digest not in vectors:
            raise StageError(f"a picture of {self._city} has no features in {table}: build study_data first")
        return vectors[digest]

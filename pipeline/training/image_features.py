"""Stage `image_features`: frozen VGG19 features of the released pictures, kept once per picture and weights.

Reads  the latest release (posts.parquet), blobs/clean
Writes image_features (a row per clean picture and backbone)
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.engine import PictureJob, run_pictures
from pipeline.images.decode import UnreadablePicture, decode_picture
from pipeline.images.stages import pictures_to_do
from pipeline.records import TABLES
from pipeline.release.read import Release, latest_release
from pipeline.stage import Outcome, StageError, StageReport, count_values, run_stage
from pipeline.store import Store
from pipeline.store.digests import json_digest

if TYPE_CHECKING:
    from models.vgg import Vgg19Features

STAGE = "image_features"
CODE_VERSION = "1"
PRETRAINED = "vgg19"


class ImageFeaturesSettings(Settings):
    """Which network looks at the pictures, and how large they are shown to it."""

    weights: Literal["auto", "require", "builtin"] = Field(
        "auto",
        description="ImageNet weights if to be had (auto), or fail (require), or a fixed-seed network (builtin).",
    )
    weights_file: Path | None = Field(None, description="A file of VGG19 weights (.pth or .safetensors) to use.")
    image_size: int = Field(224, ge=32, le=1024, description="Side in pixels at which the network sees a picture.")
    batch_size: int = Field(32, ge=1, description="Pictures in one pass of the network.")
    commit_every: int = Field(512, ge=1, description="Pictures between two commits: what a killed run may lose.")


def build_image_features(store: Store, city: City, settings: ImageFeaturesSettings) -> StageReport:
    """Compute the features of the released pictures that have none by this backbone and these weights yet."""
    with store.lock(city.key, STAGE):
        release = latest_release(store, city.key)
        try:
            backbone = make_backbone(settings)
        except (FileNotFoundError, ValueError) as error:  # weights that are required and missing, or are not VGG19's
            raise StageError(f"image_features of {city.key}: {error}") from error
        return run_stage(
            store, city, STAGE, code_version=CODE_VERSION, settings=settings, inputs={"dataset": release.version},
            weights={backbone.backbone: backbone.weights_sha256}, outputs=("image_features",),
            work=partial(_work, store, city.key, settings, release, backbone),
        )  # fmt: skip


@lru_cache(maxsize=1)
def make_backbone(settings: ImageFeaturesSettings) -> "Vgg19Features":
    """The network that the settings name; made once per process."""
    from models.vgg import Vgg19Features

    return Vgg19Features(weights=settings.weights, weights_file=settings.weights_file, image_size=settings.image_size)


class FeatureWorker:
    """Bytes of clean pictures in, rows of `image_features` out."""

    def __init__(self, settings: ImageFeaturesSettings, recipe: str) -> None:
        self._backbone = make_backbone(settings)
        self._recipe = recipe

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row of the table per picture."""
        pictures, results = [], []
        for row in rows:
            try:
                pictures.append(decode_picture(row["data"]))
                results.append(self._row(row["clean_digest"], "ok"))
            except UnreadablePicture as unreadable:
                results.append(self._row(row["clean_digest"], unreadable.reason))
        vectors = iter(self._backbone(pictures).astype("<f2") if pictures else [])
        for result in results:
            if result["outcome"] == "ok":
                result["vector"] = next(vectors).tobytes()
        return results

    def _row(self, clean_digest: str, outcome: str) -> dict[str, Any]:
        return {
            "clean_digest": clean_digest, "backbone": self._backbone.backbone, "outcome": outcome, "vector": None,
            "weights_sha256": self._backbone.weights_sha256, "recipe": self._recipe,
        }  # fmt: skip


def read_features(store: Store, city: str, clean_digests: list[str], backbone: str) -> "np.ndarray[Any, Any]":
    """The vectors of `clean_digests`, in their order: (N, width) float32.

    Raises:
        StageError: a picture has no features.
    """
    table = store.tables.read(city, "image_features").to_pandas()
    table = table[(table["backbone"] == backbone) & (table["outcome"] == "ok")]
    vectors = dict(zip(table["clean_digest"], table["vector"], strict=True))
    missing = [digest for digest in clean_digests if digest not in vectors]
    if missing:
        raise StageError(f"{len(missing)} pictures of {city} have no {backbone} features: build image_features first")
    return np.stack([np.frombuffer(vectors[digest], dtype="<f2") for digest in clean_digests]).astype(np.float32)


def _work(
    store: Store, city: str, settings: ImageFeaturesSettings, release: Release, backbone: "Vgg19Features"
) -> Outcome:
    recipe = json_digest([STAGE, CODE_VERSION, backbone.backbone, backbone.weights_sha256, settings.image_size])
    store.tables.delete(city, STAGE, f"backbone = '{backbone.backbone}' and recipe <> '{recipe}'")
    wanted = sorted(set(release.posts["clean_digest"].to_pylist()))
    rows = pictures_to_do(store, city, STAGE, wanted, "clean", "clean_digest", backbone=backbone.backbone)
    job = PictureJob(
        rows=rows, result=TABLES[STAGE].schema, make_worker=partial(FeatureWorker, settings, recipe),
        batch_size=settings.batch_size, commit_every=settings.commit_every, title=f"{city} {STAGE}",
    )  # fmt: skip
    num_new = run_pictures(job, lambda rows: store.tables.append(city, STAGE, rows))
    table = store.tables.read(city, STAGE).to_pandas()
    outcomes = table[table["backbone"] == backbone.backbone].set_index("clean_digest")["outcome"]
    why = backbone.fell_back or "the settings of this city ask for it (weights: builtin)"
    notes = [f"picture features come from a fixed-seed VGG19 that never learned from a picture: {why}"]
    return Outcome(
        counts={"pictures": len(wanted), "new": num_new, **count_values("pictures", outcomes.loc[wanted])},
        notes=notes if backbone.backbone != PRETRAINED else [],
        about={"backbone": backbone.backbone, "weights_sha256": backbone.weights_sha256},
    )  # fmt: skip

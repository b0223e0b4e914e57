"""Stage `image_features`: features of the released pictures by a frozen network, kept once per picture and weights.

Those of posts made elsewhere are looked at as well: the report asks the model about them.
Reads  the latest release (posts.parquet), clean_images, blobs/clean, the store of weights
Writes image_features (a row per clean picture and backbone)
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.curate.elsewhere import elsewhere_pictures
from pipeline.errors import StageError
from pipeline.images.stages import PictureStage, clean_digests
from pipeline.networks import NetworkSettings
from pipeline.picture_bytes import Picture, UnreadablePicture, decode_picture
from pipeline.stage import Outcome, StageReport, run_network_stage
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.weights import Builtin, WeightsFile, WeightsStore, choose_weights

if TYPE_CHECKING:
    from models.vision.backbones import ImageFeatures
    from pipeline.release.read import Release

STAGE = "image_features"
MAX_THREADS = 16


class ImageFeaturesSettings(NetworkSettings):
    """Which backbone makes the features, and at which size it sees the pictures."""

    backbone: Literal["vgg19", "vgg16", "resnet50", "resnet101", "densenet121", "efficientnet_lite0"] = Field(
        "vgg19", description="Backbone of the image features; vgg19 is the paper's."
    )
    image_size: int = Field(224, ge=32, le=1024, description="Side in pixels of the network's input.")
    int8_max_loss: float = Field(
        0.5,
        ge=0,
        le=100,
        description="precision int8 only: maximum loss, in points, of a linear probe on its features against fp32.",
    )
    batch_size: int = Field(32, ge=1, description="Batch size in pictures.")
    commit_every: int = Field(512, ge=1, description="Pictures between two commits: the most that a killed run loses.")


def build_image_features(store: Store, city: City, settings: ImageFeaturesSettings) -> StageReport:
    """Compute the features of the released pictures that have none by this backbone and these weights yet."""
    from pipeline.release.read import latest_release  # which imports all stages before: workers do without

    with store.lock(city.key, STAGE):
        release = latest_release(store, city.key)
        return run_network_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_image_features),
            settings=settings,
            inputs={"dataset": release.version},
            choose=partial(_chosen, store, city.key, settings, release),
            weights=partial(_weights, settings),
            outputs=("image_features",),
            work=partial(_work, store, city.key, settings, release),
        )


def _chosen(store: Store, city: str, settings: ImageFeaturesSettings, release: "Release") -> WeightsFile | Builtin:
    try:
        settings.running()
        return city_weights(store, settings, city, release)
    except ValueError as error:  # weights that are required and missing, or another network's; no such runtime
        raise StageError(f"image_features of {city}: {error}") from error


def _weights(settings: ImageFeaturesSettings, weights: WeightsFile | Builtin) -> dict[str, str]:
    name, weights_sha256 = feature_name(weights, settings.backbone)
    return {name: weights_sha256, **{f"{name} in int8": sha256 for sha256 in _in_int8(weights)}}


def _in_int8(weights: WeightsFile | Builtin) -> list[str]:
    """The digest of the network in int8, where it is used."""
    return weights.recipe() if isinstance(weights, WeightsFile) else []


def features_weights(store: Store, settings: ImageFeaturesSettings) -> WeightsFile | Builtin:
    """The weights that the settings ask for; the built-in way are the same network's weights drawn from a seed.

    Raises:
        StageError: they are required and not to be had, or are another network's.
    """
    return choose_weights(WeightsStore.of(store), settings.backbone, settings.weights, settings.weights_file)


def city_weights(
    store: Store, settings: ImageFeaturesSettings, city: str, release: "Release | None" = None
) -> WeightsFile | Builtin:
    """The same, in int8 with the city's own network; with a release it is made where there is none yet.

    Raises:
        ValueError: the weights cannot be had as asked, or int8 cannot be had here.
    """
    found = features_weights(store, settings)
    if settings.precision != "int8":
        return found
    from pipeline.training.int8_features import Int8Features, with_int8

    wish = Int8Features(
        backbone=settings.backbone,
        image_size=settings.image_size,
        max_loss=settings.int8_max_loss,
        runtime=settings.runtime,
        device=settings.device,
    )
    return with_int8(store, city, wish, found, release)


def feature_name(weights: WeightsFile | Builtin, backbone: str) -> tuple[str, str]:
    """What the features are called and the digest of their weights, which are drawn for it where there is no file."""
    if isinstance(weights, WeightsFile):
        return weights.name, weights.weights_sha256
    from models.vision.backbones import fixed_seed_sha256

    return network_name(weights, backbone), fixed_seed_sha256(backbone)


def network_name(weights: WeightsFile | Builtin, backbone: str) -> str:
    """What the features are called; nothing drawn has the name of a trained network."""
    if isinstance(weights, WeightsFile):
        return weights.name
    from models.vision.backbones import fixed_seed_name

    return fixed_seed_name(backbone)


def feature_config(settings: ImageFeaturesSettings, weights: WeightsFile | Builtin) -> list[object]:
    """All that features depend on beside the picture and the code."""
    in_int8 = _in_int8(weights)
    precision = settings.as_it_runs(has_int8=bool(in_int8)).precision
    return [*feature_name(weights, settings.backbone), settings.image_size, precision, *in_int8]


def features_recipe(settings: ImageFeaturesSettings, weights: WeightsFile | Builtin) -> str:
    """The digest that every row of this stage carries: another one, and the row is computed anew."""
    return json_digest([STAGE, code_digest(FeatureWorker), *feature_config(settings, weights)])


def make_backbone(settings: ImageFeaturesSettings, weights: WeightsFile | Builtin) -> "ImageFeatures":
    """The network with these weights, running as the settings say on the machine where it is made."""
    from safetensors.torch import load_file

    from models.vision.backbone_weights import build
    from models.vision.backbones import ImageFeatures, fixed_seed_features

    in_int8 = weights.int8_path if isinstance(weights, WeightsFile) else None
    running = settings.as_it_runs(has_int8=in_int8 is not None).running()
    batch_size = settings.batch_size if running.device == "cuda" else None
    if isinstance(weights, Builtin):
        return fixed_seed_features(
            running, backbone=settings.backbone, image_size=settings.image_size, batch_size=batch_size
        )
    return ImageFeatures(
        settings.backbone,
        weights.weights_sha256,
        in_int8 or build(settings.backbone, load_file(weights.path)),
        running,
        image_size=settings.image_size,
        batch_size=batch_size,
        name=weights.name,
    )


class FeatureWorker:
    """Bytes of clean pictures in, rows of `image_features` out."""

    def __init__(self, settings: ImageFeaturesSettings, weights: WeightsFile | Builtin, recipe: str) -> None:
        self._backbone = make_backbone(settings, weights)
        self._threads = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))  # Pillow lets go of the interpreter
        self._recipe = recipe

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row of the table per picture."""
        decoded = list(self._threads.map(self._decoded, [row["data"] for row in rows]))
        pictures = [picture for picture in decoded if not isinstance(picture, str)]
        results = [
            self._row(row["clean_digest"], picture if isinstance(picture, str) else "ok")
            for row, picture in zip(rows, decoded, strict=True)
        ]
        vectors = iter(self._backbone(pictures).astype("<f2") if pictures else [])
        for result in results:
            if result["outcome"] == "ok":
                result["vector"] = next(vectors).tobytes()
        return results

    def _decoded(self, data: bytes | None) -> Picture | str:
        """The picture no larger than the network needs it, or the reason why it cannot be read."""
        try:
            return decode_picture(data, self._backbone.input_side_px)
        except UnreadablePicture as unreadable:
            return unreadable.reason

    def _row(self, clean_digest: str, outcome: str) -> dict[str, Any]:
        return {
            "clean_digest": clean_digest,
            "backbone": self._backbone.backbone,
            "outcome": outcome,
            "vector": None,
            "weights_sha256": self._backbone.weights_sha256,
            "recipe": self._recipe,
        }


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
    store: Store,
    city: str,
    settings: ImageFeaturesSettings,
    release: "Release",
    weights: WeightsFile | Builtin,
) -> Outcome:
    recipe, is_int8_asked = features_recipe(settings, weights), settings.precision == "int8"
    settings = settings.as_it_runs(has_int8=bool(_in_int8(weights)))
    running = settings.running()
    backbone, weights_sha256 = feature_name(weights, settings.backbone)
    stage = PictureStage(
        table=STAGE,
        recipe=recipe,
        make_worker=partial(FeatureWorker, settings, weights, recipe),
        batch_size=settings.batch_size,
        num_gpus=int(running.device == "cuda"),
        commit_every=settings.commit_every,
        title=f"{city} {STAGE}",
        kind="clean",
        key="clean_digest",
        also={"backbone": backbone},
    )
    clean, elsewhere = clean_digests(store, city), elsewhere_pictures(store, city)
    wanted = {digest for original in elsewhere if (digest := clean.get(original)) is not None}
    run = stage.run(store, city, wanted.union(release.posts["clean_digest"].to_pylist()))
    notes = []
    if isinstance(weights, Builtin):
        drawn = f"{settings.backbone} of random weights from a fixed seed, which never learned from a picture"
        notes = [f"picture features come from a {drawn}: {weights.why}"]
        notes += ["int8 is off: it is for trained weights only"] if is_int8_asked else []
    about = {"backbone": backbone, "weights_sha256": weights_sha256, "running": str(running)}
    if isinstance(weights, WeightsFile) and weights.int8 is not None:
        notes.append(weights.int8.about)
        about |= {"int8": weights.int8.about, "int8_sha256": weights.int8.sha256}
    return Outcome(counts=run.counts(), notes=notes, about=about)

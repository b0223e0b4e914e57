"""The backbone in int8 for a city's pictures, and its gate: what a linear probe on its features loses.

Judged on released pictures from which the network was not made. A logistic regression learns the place of a picture
from its features, in five folds, once in fp32 and once in int8. It passes where the share of right places falls by at
most `int8_max_loss` points.
Shape letters: N pictures, F features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.settings.machine import Device, Running, Runtime, choose_running
from models.vision.int8 import KEPT_EXACT, RECIPE, quantise
from pipeline.int8 import NUM_CALIBRATION, KeptInt8, drawn, too_few
from pipeline.picture_bytes import Picture, UnreadablePicture, decode_picture
from pipeline.store import Store
from pipeline.weights import Builtin, Int8, WeightsFile

if TYPE_CHECKING:
    from pipeline.release.read import Release

MAX_JUDGED = 1000
"""pictures whose place the probe learns"""
MIN_JUDGED = 200
"""pictures below which a point of accuracy is two pictures"""
NUM_FOLDS = 5
EXACT = Running("openvino", "cpu", "fp32")
IN_INT8 = Running("openvino", "cpu", "int8")


@dataclass(frozen=True, kw_only=True)
class Int8Features:
    """What a city asks for: a backbone that sees pictures at a size, and what its probe may lose, in points."""

    backbone: str
    image_size: int
    max_loss: float
    runtime: Runtime
    device: Device


def with_int8(
    store: Store,
    city: str,
    wish: Int8Features,
    weights: WeightsFile | Builtin,
    release: "Release | None" = None,
) -> WeightsFile | Builtin:
    """The weights with what came of their network in int8; where none was made yet it is made, if there is a release.

    Weights that nobody trained have none.

    Raises:
        ValueError: OpenVINO or NNCF is not installed, or the settings ask for another runtime or a GPU.
    """
    if isinstance(weights, Builtin):
        return weights
    choose_running(wish.runtime, "int8", wish.device)
    depends_on = [RECIPE, list(KEPT_EXACT.get(wish.backbone, ())), weights.weights_sha256, NUM_CALIBRATION]
    depends_on += [wish.backbone, wish.image_size, wish.max_loss]
    kept = KeptInt8(store, city, "image_features", depends_on)
    found = kept.find()
    if found is None and release is not None:
        found = _made(store, wish, weights, release, kept)
    return replace(weights, int8=found)


def _made(store: Store, wish: Int8Features, weights: WeightsFile, release: "Release", kept: KeptInt8) -> Int8:
    from safetensors.torch import load_file

    from models.vision.backbone_weights import build
    from models.vision.backbones import preprocess, resized_side

    columns = (release.posts[name].to_pylist() for name in ("clean_digest", "label"))
    labels = dict(zip(*columns, strict=True))
    if len(labels) < NUM_CALIBRATION + MIN_JUDGED:
        return too_few("image_features", len(labels), NUM_CALIBRATION + MIN_JUDGED, "released pictures")
    side = resized_side(wish.backbone, wish.image_size)
    pictures = _decoded(store, set(labels), side)
    calibration = list(islice(pictures, NUM_CALIBRATION))
    inputs = [preprocess(picture, wish.image_size, side)[None] for _, picture in calibration]
    module = build(wish.backbone, load_file(weights.path)).eval()
    return kept.make(
        [digest for digest, _ in calibration],
        partial(quantise, module, inputs, architecture=wish.backbone),
        partial(_gate, pictures, labels, wish, weights),
    )


def _decoded(store: Store, digests: set[str], side: int) -> Iterator[tuple[str, Picture]]:
    for digest, data in drawn(store, "clean", digests):
        try:
            yield digest, decode_picture(data, side)
        except UnreadablePicture:
            continue


def _gate(
    pictures: Iterator[tuple[str, Picture]],
    labels: dict[str, int],
    wish: Int8Features,
    weights: WeightsFile,
    path: Path,
) -> tuple[bool, str]:
    from safetensors.torch import load_file

    from models.vision.backbone_weights import build
    from models.vision.backbones import GROUP, ImageFeatures

    network = partial(ImageFeatures, wish.backbone, weights.weights_sha256, image_size=wish.image_size)
    exact = network(module=build(wish.backbone, load_file(weights.path)), running=EXACT)
    in_int8 = network(module=path, running=IN_INT8)
    wanted, places = islice(pictures, MAX_JUDGED), list[int]()
    features: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
    while group := list(islice(wanted, GROUP)):
        places += [labels[digest] for digest, _ in group]
        for backbone, found in zip((exact, in_int8), features, strict=True):
            found.append(backbone([picture for _, picture in group]))
    if not places:
        return False, "no other picture can be read"
    exact_NF, int8_NF = map(np.concatenate, features)
    return judged(exact_NF, int8_NF, np.array(places), wish.max_loss)


def judged(
    exact_NF: NDArray[np.float32], int8_NF: NDArray[np.float32], labels_N: NDArray[np.int64], max_loss: float
) -> tuple[bool, str]:
    """Whether a probe on features in int8 is as good as on those in fp32, and the figures in a sentence."""
    if len(labels_N) < MIN_JUDGED:
        return False, f"{len(labels_N)} pictures can be judged by, too few"
    right_N, right_int8_N = (_right(features_NF, labels_N) for features_NF in (exact_NF, int8_NF))
    loss_N = 100 * (right_N.astype(float) - right_int8_N)
    spread = 1.96 * loss_N.std() / np.sqrt(len(loss_N))
    lengths_N = np.linalg.norm(exact_NF, axis=1) * np.linalg.norm(int8_NF, axis=1)
    cosine = float(((exact_NF * int8_NF).sum(axis=1) / np.maximum(lengths_N, 1e-12)).mean())
    loss = float(loss_N.mean())
    return loss <= max_loss, (
        f"a linear probe on {len(labels_N)} pictures is right in {100 * right_int8_N.mean():.1f} % of them, in fp32 "
        f"in {100 * right_N.mean():.1f} %: a loss of {loss:.1f} points (95 %: {loss - spread:.1f} to "
        f"{loss + spread:.1f}, at most {max_loss} is asked for); mean cosine {cosine:.4f}"
    )


def _right(features_NF: NDArray[np.float32], labels_N: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pictures a logistic regression places right that did not learn from them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    folds = KFold(NUM_FOLDS, shuffle=True, random_state=0)
    found: NDArray[np.bool_] = cross_val_predict(probe, features_NF, labels_N, cv=folds) == labels_N
    return found

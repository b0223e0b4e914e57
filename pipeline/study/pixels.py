"""What networks that learn from pixels are handed: a release's clean pictures as arrays, and weights to begin with.

Reads  blobs/clean, the store of weights
"""

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import StageError
from pipeline.picture_bytes import UnreadablePicture, decode_picture
from pipeline.store import Store
from pipeline.study.features import FeatureSource
from pipeline.weights import WeightsFile

if TYPE_CHECKING:
    from torch import Tensor

    from models.data.samples import Samples
    from pipeline.study.variants import StudyData

MAX_THREADS = 16


def with_pixels(
    store: Store, data: "StudyData", samples: "Samples", source: FeatureSource, *, num_threads: int | None = None
) -> "Samples":
    """The samples with their released pictures, cut and resized as the network's recipe says: uint8 (N, S, S, 3).

    Raises:
        StageError: a clean picture cannot be read.
    """
    from models.vision.backbones import preprocess, resized_side

    side = source.settings.image_size
    resized = resized_side(source.settings.backbone, side)
    pixels = np.empty((len(samples), side, side, 3), dtype=np.uint8)

    def put(row: int, digest: str) -> None:
        path = store.blobs.path("clean", digest)
        try:
            picture = decode_picture(store.blobs.get("clean", digest), resized)
        except UnreadablePicture as unreadable:
            raise StageError(
                f"clean picture {digest} cannot be read ({unreadable.reason}): delete {path}, and the study says how "
                "to make it anew"
            ) from None
        pixels[row] = preprocess(picture, side, resized).permute(1, 2, 0).numpy()

    # Pillow lets go of the interpreter
    with ThreadPoolExecutor(num_threads or min(MAX_THREADS, os.cpu_count() or 1)) as threads:
        list(threads.map(put, range(len(samples)), data.clean_digests(samples.keys)))
    return dataclasses.replace(samples, pixels_NHWC=pixels)


def starting_weights(source: FeatureSource) -> "dict[str, Tensor]":
    """Published weights where they are to be had, else those drawn from the fixed seed, as `source.name` says."""
    if isinstance(source.weights, WeightsFile):
        from safetensors.torch import load_file

        return load_file(source.weights.path)
    from models.vision.backbones import fixed_seed_weights

    return fixed_seed_weights(source.settings.backbone)

"""The clean pictures of a release as arrays, for networks that learn from pixels."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pipeline.images.decode import UnreadablePicture, decode_picture
from pipeline.stage import StageError
from pipeline.store import Store
from pipeline.study.looking import Look

if TYPE_CHECKING:
    from models.samples import Samples
    from pipeline.study.variants import StudyData


def with_pixels(store: Store, data: "StudyData", samples: "Samples", look: Look) -> "Samples":
    """The samples with their released pictures, cut and resized as the network's recipe says: uint8 (N, S, S, 3).

    Raises:
        StageError: a clean picture is gone from the store, or cannot be read.
    """
    from models.backbones import preprocess, resized_side

    side = look.settings.image_size
    resized = resized_side(look.settings.backbone, side)
    pixels = np.empty((len(samples), side, side, 3), dtype=np.uint8)
    for row, digest in enumerate(data.clean_digests(samples.keys)):
        path = store.blobs.path("clean", digest)
        try:
            picture = decode_picture(path.read_bytes() if path.is_file() else None, resized)
        except UnreadablePicture as unreadable:
            raise StageError(f"clean picture {digest[:12]}…: {unreadable.reason}; build clean_images again") from None
        pixels[row] = preprocess(picture, side, resized).permute(1, 2, 0).numpy()
    return dataclasses.replace(samples, pixels_NHWC=pixels)

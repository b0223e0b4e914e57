"""Made-up photographs for benchmarks: blobs of every size, edges and grain, as costly to decode as real ones."""

import io

import numpy as np
from PIL import Image

SIDE_PX = 1080
GRID_SIZES = (4, 12, 40, 130, 400)
"""blobs from a quarter of the picture down to a few pixels"""


def photograph(seed: int, size: tuple[int, int] = (SIDE_PX, SIDE_PX)) -> bytes:
    """A JPEG of quality 85, width x height; of 1080 x 1080 pixels it has about 210 KB."""
    buffer = io.BytesIO()
    Image.fromarray(photograph_pixels(seed, size)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def photograph_pixels(seed: int, size: tuple[int, int] = (SIDE_PX, SIDE_PX)) -> np.ndarray:
    """The pixels of a photograph, RGB."""
    import cv2

    rng = np.random.default_rng(seed)
    picture = rng.normal(128, 3, (size[1], size[0], 3)).astype(np.float32)
    for number in GRID_SIZES:
        blobs = rng.standard_normal((number, number, 3)).astype(np.float32) * (60 / number**0.35)
        picture += cv2.resize(blobs, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)

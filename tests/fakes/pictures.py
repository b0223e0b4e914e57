"""Small pictures made in memory, good and hostile."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

import pipeline.demo as demo

PORTRAIT = Path(demo.__file__).parent / "astronaut.jpg"


def pixels(seed: int = 0, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Smooth noise, width x height."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.asarray(small.resize(size, Image.Resampling.BICUBIC))


def encoded(picture: np.ndarray, kind: str = "JPEG", **options) -> bytes:
    """The bytes of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def portrait(size: int = 256) -> np.ndarray:
    """The public-domain portrait that the demo city uses."""
    return np.asarray(Image.open(PORTRAIT).convert("RGB").resize((size, size)))

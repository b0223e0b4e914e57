"""The filling stage on LaMa, run by the package simple-lama-inpainting (Apache-2.0), slower than our own way.

The whole frame, in fp32. It runs the program inside the published TorchScript file, which our own way never does: the
file's digest is checked by the registry before, and no other file should be given here. Of the package are used its
loading and its preparation of pictures, not its call: that turns numbers that are not finite into black pixels and
leaves the padding on.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.images.lama_fill import check_sizes
from pipeline.picture_bytes import Mask, Picture

LAMA_MODEL = "LAMA_MODEL"
"""the variable in which the package looks for a file to take instead of a download"""


class SimpleLamaInpainter:
    """An `Inpainter` on `SimpleLama`, with the TorchScript file as it was published.

    Raises:
        ValueError: the package is not installed, or there is no GPU where one was asked for.
    """

    network = "simple_lama"

    def __init__(self, file: Path, weights_sha256: str, *, device: str = "auto") -> None:
        import torch

        try:
            from simple_lama_inpainting import SimpleLama
        except ImportError as error:
            raise ValueError(
                "filler=simple_lama needs the package, which is not installed: "
                "pip install --no-deps simple-lama-inpainting (its own pins are old), or choose filler=own"
            ) from error
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device=cuda was asked for, but torch sees no GPU; choose device=auto or cpu")
        self.weights_sha256 = weights_sha256
        place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        with _variable(LAMA_MODEL, str(file)):
            self._lama = SimpleLama(place)

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture | None]:
        """Filled pictures of the same sizes, one after another; None where the answer is not finite.

        Raises:
            ValueError: a mask is not of its picture's size.
        """
        return [self._filled(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]

    def _filled(self, picture: Picture, mask: Mask) -> Picture | None:
        import torch
        from simple_lama_inpainting.utils.util import prepare_img_and_mask

        check_sizes(picture, mask)
        if not mask.any():
            return picture.copy()
        inputs = prepare_img_and_mask(picture, mask.astype(np.uint8) * 255, self._lama.device)
        with torch.inference_mode():
            predicted = self._lama.model(*inputs)[0].cpu().numpy()
        if not np.isfinite(predicted).all():
            return None
        height, width = mask.shape
        pixels = np.clip(predicted * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return np.where(mask[..., None], pixels[:height, :width], picture)


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """An environment variable for as long as the block lasts."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

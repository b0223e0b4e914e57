"""An inpainter that fills holes with one colour and remembers what it was given."""

import numpy as np


class PaintingFill:
    """Fills with `colour`; pictures whose first pixel is `poison` it answers with nothing, as for a NaN."""

    network = "painting"
    weights_sha256 = "ab" * 32

    def __init__(self, colour: tuple[int, int, int] = (200, 0, 0), poison: tuple[int, int, int] | None = None) -> None:
        self.colour = colour
        self.poison = poison
        self.calls: list[list[np.ndarray]] = []

    def __call__(self, pictures: list[np.ndarray], masks: list[np.ndarray]) -> list[np.ndarray | None]:
        self.calls.append([mask.copy() for mask in masks])
        return [self._fill(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]

    def _fill(self, picture: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
        if self.poison is not None and tuple(picture[0, 0].tolist()) == self.poison:
            return None
        return np.where(mask[..., None], np.array(self.colour, dtype=np.uint8), picture)

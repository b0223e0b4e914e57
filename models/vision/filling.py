"""LaMa as a filler of holes: pictures of one size and their masks in, pictures that LaMa predicts out.

Cutting, scaling and pasting are the caller's; here are only the network and what it must be given.
Shape letters: N pictures, H height, W width.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.vision.lama import MIN_SIDE_PX, STRIDE
from models.vision.running import Runner, Running


class LamaFill:
    """Predicts what is in holes with the network that `models.vision.lama_weights.build` made.

    network: the name of the weights, weights_sha256: of the published file; both are written beside every picture.
    """

    def __init__(
        self, network: str, weights_sha256: str, module: nn.Module, running: Running, *, batch_size: int | None = None
    ) -> None:
        self.network = network
        self.weights_sha256 = weights_sha256
        self.running = running
        # on a GPU every size and number of crops would be compiled anew, for longer than it then saves
        self._runner = Runner(module, running, batch_size=batch_size, has_compiling=False)

    def __call__(
        self, pictures_NHW3: NDArray[np.uint8], masks_NHW: NDArray[np.bool_]
    ) -> list[NDArray[np.uint8] | None]:
        """LaMa's pictures (H, W, 3), holes and all; None where what it answered is not finite (never a black picture).

        H and W are multiples of 8 and at least 16; masks are True in the hole.
        """
        _check(pictures_NHW3, masks_NHW)
        pixels_N3HW = torch.from_numpy(pictures_NHW3.transpose(0, 3, 1, 2))
        masks_N1HW = torch.from_numpy(masks_NHW[:, None].astype(np.uint8))
        predicted_NHW3 = self._runner(pixels_N3HW, masks_N1HW).permute(0, 2, 3, 1).numpy()
        return [_rounded(predicted_HW3) for predicted_HW3 in predicted_NHW3]


def _rounded(predicted_HW3: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    if not np.isfinite(predicted_HW3).all():
        return None
    return np.asarray(np.clip(predicted_HW3 + 0.5, 0, 255).astype(np.uint8))


def _check(pictures_NHW3: NDArray[np.uint8], masks_NHW: NDArray[np.bool_]) -> None:
    """The caller pads: what the network cannot take is refused before it fails in the middle of it."""
    if pictures_NHW3.ndim != 4 or pictures_NHW3.shape[3] != 3 or pictures_NHW3.dtype != np.uint8:
        raise ValueError(f"pictures must be uint8 (N, H, W, 3), got {pictures_NHW3.dtype} {pictures_NHW3.shape}")
    if masks_NHW.shape != pictures_NHW3.shape[:3] or masks_NHW.dtype != np.bool_:
        raise ValueError(
            f"masks must be bool {pictures_NHW3.shape[:3]} for these pictures, got {masks_NHW.dtype} {masks_NHW.shape}"
        )
    height, width = masks_NHW.shape[1:]
    if height % STRIDE or width % STRIDE or min(height, width) < MIN_SIDE_PX:
        raise ValueError(
            f"LaMa takes sides that are multiples of {STRIDE} and at least {MIN_SIDE_PX} pixels, got "
            f"{height} x {width}: pad the picture"
        )

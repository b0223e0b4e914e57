"""Face gates that are quick: one that takes pure green for a face, and a recall that is counted on two composites.

The first is OpenCV's own YuNet reader on a network made by hand.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline.images.face_gate import YUNET, GateChoice, load_gate
from pipeline.images.face_recall import KINDS, measure_recall
from pipeline.store.digests import bytes_digest
from pipeline.weights.weights_store import WeightsFile
from tests.fakes.yunet import yunet_bytes

GREEN = (0, 255, 0)


@contextmanager
def short_recall() -> Iterator[None]:
    """Stages that clean pictures count the recall of their gate on two composites, not on all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.images.face_recall.KINDS", {"upright": KINDS["upright"][:2]})
        patch.setattr("pipeline.images.face_recall._counted", lambda choice: measure_recall(load_gate(choice)))
        yield


def green_gate(folder: Path) -> GateChoice:
    """The choice of a gate that finds what is pure green, in cells of 32 pixels."""
    data = yunet_bytes()
    path = folder / "green.onnx"
    path.write_bytes(data)
    file = WeightsFile(name=YUNET, architecture=YUNET, path=path, source=path, weights_sha256=bytes_digest(data))
    return GateChoice(network=YUNET, weights_sha256=file.weights_sha256, search_side_px=640, min_score=0.6, file=file)


def with_green(picture: np.ndarray, left: int, top: int, side: int = 32) -> np.ndarray:
    """The picture with a green square in it; at a multiple of 32 it is one cell, and so one face."""
    green = picture.copy()
    green[top : top + side, left : left + side] = GREEN
    return green

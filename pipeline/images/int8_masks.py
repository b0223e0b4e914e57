"""The portrait network in int8 for a city's pictures, and its gate: how far its masks are from those in fp32.

Judged on pictures of the city from which the network was not made. It passes where the mean intersection over union
with the masks in fp32, over the pictures that have one, is at least `int8_min_iou`, and no picture loses its mask: who
was found in fp32 is found in int8. Masks are compared at the network's own size, before they are widened.
Shape letters: N pictures, S side of the network's maps.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.settings.machine import Running
from models.vision.architectures import ARCHITECTURES
from models.vision.int8 import KEPT_EXACT, RECIPE, quantise
from models.vision.portraits import INPUT_SIDE_PX, PortraitNetwork, squeezed
from models.vision.running import Runner
from pipeline.images.maskers import MaskerChoice, PortraitMasksSettings
from pipeline.images.stages import picture_lists
from pipeline.int8 import NUM_CALIBRATION, KeptInt8, drawn, too_few
from pipeline.picture_bytes import UnreadablePicture, decode_sized
from pipeline.store import Store
from pipeline.weights import Int8, WeightsFile

if TYPE_CHECKING:
    from torch import Tensor, nn

NUM_JUDGED = 64
"""pictures with a mask after which the gate looks at no more"""
MIN_JUDGED = 16
"""pictures with a mask below which nothing is known"""
MAX_LOOKED_AT = 512
GROUP = 16
CAN_BE_INT8 = frozenset({"u2net", "u2netp"})
"""architectures that are called as `PortraitNetwork` does"""
EXACT = Running("openvino", "cpu", "fp32")
IN_INT8 = Running("openvino", "cpu", "int8")


def with_int8(
    store: Store, city: str, settings: PortraitMasksSettings, choice: MaskerChoice, *, is_made: bool = True
) -> MaskerChoice:
    """The choice with what came of its network in int8, which is made where there is none yet.

    is_made: whether it may be made; else only what is there is taken.

    Raises:
        ValueError: OpenVINO or NNCF is not installed, or the settings ask for another runtime or a GPU.
    """
    file = choice.file
    if file is None:
        return choice
    settings.running()
    if file.architecture not in CAN_BE_INT8:
        off = Int8(path=None, sha256="", about=f"int8 is off: there is none of {file.architecture}")
        return replace(choice, file=replace(file, int8=off))
    depends_on = [RECIPE, list(KEPT_EXACT.get(file.architecture, ())), file.weights_sha256, NUM_CALIBRATION]
    depends_on += [settings.threshold, settings.min_portrait_ratio, settings.int8_min_iou]
    kept = KeptInt8(store, city, "portrait_masks", depends_on)
    found = kept.find()
    if found is None and is_made:
        found = _made(store, city, settings, file, kept)
    return replace(choice, file=replace(file, int8=found))


def _made(store: Store, city: str, settings: PortraitMasksSettings, file: WeightsFile, kept: KeptInt8) -> Int8:
    from safetensors.torch import load_file

    digests = set(chain.from_iterable(picture_lists(store, city).values()))
    if len(digests) < NUM_CALIBRATION + MIN_JUDGED:
        return too_few("portrait_masks", len(digests), NUM_CALIBRATION + MIN_JUDGED, "pictures")
    pictures = _squeezed(store, digests)
    calibration = list(islice(pictures, NUM_CALIBRATION))
    module = PortraitNetwork(ARCHITECTURES[file.architecture].build(load_file(file.path))).eval()
    inputs = [pixels_13SS for _, pixels_13SS in calibration]
    return kept.make(
        [digest for digest, _ in calibration],
        partial(quantise, module, inputs, architecture=file.architecture),
        partial(_gate, module, pictures, settings),
    )


def _squeezed(store: Store, digests: set[str]) -> Iterator[tuple[str, "Tensor"]]:
    """The pictures that can be read, as the network is given them."""
    for digest, data in drawn(store, "original", digests):
        try:
            yield digest, squeezed(decode_sized(data, INPUT_SIDE_PX).picture)
        except UnreadablePicture:
            continue


def _gate(
    module: "nn.Module", pictures: Iterator[tuple[str, "Tensor"]], settings: PortraitMasksSettings, path: Path
) -> tuple[bool, str]:
    import torch

    exact, in_int8 = Runner(module, EXACT), Runner(path, IN_INT8)
    found: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]] = []
    num_judged = 0
    while num_judged < NUM_JUDGED and len(found) < MAX_LOOKED_AT:
        group = [pixels for _, pixels in islice(pictures, GROUP)]
        if not group:
            break
        masks = [_masks(runner, torch.cat(group), settings) for runner in (exact, in_int8)]
        found += list(zip(*masks, strict=True))
        num_judged += int(masks[0].any(axis=(1, 2)).sum())
    if not found:
        return False, "no other picture can be read"
    exact_NSS, int8_NSS = map(np.stack, zip(*found, strict=True))
    return judged(exact_NSS, int8_NSS, settings.int8_min_iou)


def _masks(runner: Runner, pixels_N3SS: "Tensor", settings: PortraitMasksSettings) -> NDArray[np.bool_]:
    """Masks (N, S, S), all False where they are so small that nobody is there."""
    masks_NSS: NDArray[np.bool_] = (runner(pixels_N3SS)[:, 0] > settings.threshold).numpy()
    masks_NSS[masks_NSS.mean(axis=(1, 2)) < settings.min_portrait_ratio] = False
    return masks_NSS


def judged(exact_NSS: NDArray[np.bool_], int8_NSS: NDArray[np.bool_], min_iou: float) -> tuple[bool, str]:
    """Whether masks in int8 are those in fp32, and the figures in a sentence."""
    has_mask_N, has_int8_N = exact_NSS.any(axis=(1, 2)), int8_NSS.any(axis=(1, 2))
    num_judged = int(has_mask_N.sum())
    if num_judged < MIN_JUDGED:
        return False, f"of {len(exact_NSS)} pictures {num_judged} have a mask in fp32, too few to judge by"
    both_N = (exact_NSS & int8_NSS).sum(axis=(1, 2))[has_mask_N]
    iou_N = both_N / (exact_NSS | int8_NSS).sum(axis=(1, 2))[has_mask_N]
    num_lost = int((has_mask_N & ~has_int8_N).sum())
    num_more = int((~has_mask_N & has_int8_N).sum())
    is_good = bool(iou_N.mean() >= min_iou and not num_lost)
    return is_good, (
        f"mean IoU with fp32 {iou_N.mean():.4f} over {num_judged} pictures with a mask (worst {iou_N.min():.3f}, at "
        f"least {min_iou} is asked for); {num_lost} lost their mask, {num_more} of the {len(exact_NSS) - num_judged} "
        "without one got one"
    )

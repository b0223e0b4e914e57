"""Settings of `clean_images`, and which network fills the holes and which face gate follows.

Both are chosen once by the stage and loaded where they run. The choice is small and can be pickled; before anything is
loaded the stage knows from it what will run, and so whether there is anything to do.
Built in is OpenCV's inpainting after Telea 2004 (doi 10.1080/10867651.2004.10487596): it smears the surroundings into
the hole and invents nothing. The fallback where LaMa's weights are not at hand, and never called LaMa.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.errors import StageError
from pipeline.images.face_detectors import MIN_SCORE, SEARCH_SIDE_PX
from pipeline.images.face_gate import GateChoice, GatePolicy, choose_gate
from pipeline.images.lama_fill import MAX_CROP_SIDE_PX, Frame, LamaInpainter
from pipeline.images.simple_lama_fill import SimpleLamaInpainter
from pipeline.images.stages import Inpainter
from pipeline.networks import ImageStageSettings
from pipeline.picture_bytes import Mask, Picture
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.weights import WeightsStore
from pipeline.weights.weights_store import Builtin, WeightsFile, choose_weights

ARCHITECTURE = "big_lama"


class BuiltinFill:
    """An `Inpainter` on `cv2.inpaint`."""

    network = "opencv_inpaint_telea"
    weights_sha256 = ""  # it has none

    def __init__(self, *, radius_px: float = 3.0) -> None:
        self._radius_px = radius_px

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture | None]:
        """Filled pictures; outside the masks every pixel is the input's."""
        return [self._fill(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]

    def _fill(self, picture: Picture, mask: Mask) -> Picture:
        import cv2

        if picture.shape[:2] != mask.shape:
            raise ValueError(f"picture of {picture.shape[:2]} pixels and mask of {mask.shape} do not fit together")
        filled = cv2.inpaint(picture, mask.astype(np.uint8), self._radius_px, cv2.INPAINT_TELEA)
        return np.where(mask[..., None], filled, picture)


class CleanImagesSettings(ImageStageSettings):
    """When a picture is dropped for its people, how they are filled, and how faces are looked for afterwards."""

    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Precision; auto: bf16 where the processor is quicker in it, else fp32."
    )
    network: str = Field("big_lama", description="Weights by their name in `mrlf weights list`, of Big-LaMa.")
    filler: Literal["own", "simple_lama"] = Field(
        "own", description="What runs LaMa: this program (own) or the slower package simple-lama-inpainting."
    )
    frame: Frame = Field(
        "crop", description="filler own: LaMa's input is a crop around the holes (crop) or the whole picture."
    )
    max_crop_side_px: int | None = Field(
        MAX_CROP_SIDE_PX,
        ge=64,
        description="filler own: maximum longer side of a crop; a larger one is downscaled for LaMa.",
    )
    max_portrait_ratio: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Maximum share of a picture covered by people; above it the picture is dropped (paper: 0.5).",
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="JPEG quality of the clean pictures.")
    face_gate: GatePolicy = Field("yunet", description="Face detector on the clean pictures; off only with a reason.")
    face_gate_off_reason: str = Field(
        "", description="Reason for face_gate: off; it is written into the release's record."
    )
    gate_search_side_px: int = Field(
        SEARCH_SIDE_PX, ge=128, le=4096, description="Longer side to which pictures are resized for the face gate."
    )
    gate_min_score: float = Field(MIN_SCORE, gt=0, lt=1, description="Minimum detection score of a face.")


@dataclass(frozen=True, kw_only=True)
class FillerChoice:
    """What fills holes: the weights of a network, or OpenCV's inpainting (`file` is None) and why; and the gate."""

    network: str
    weights_sha256: str
    gate: GateChoice
    file: WeightsFile | None = None
    why: str = ""


def choose_filler(store: Store, settings: CleanImagesSettings) -> FillerChoice:
    """The network that the settings name, or the built-in way where they ask for it or nothing else is to be had.

    Raises:
        StageError: the weights are not LaMa's, are damaged, or are required and missing; the gate is off without a
            reason.
    """
    if settings.weights != "builtin":
        architecture = WeightsStore.of(store).entry(settings.network).architecture
        if architecture != ARCHITECTURE:
            raise StageError(
                f"clean_images cannot use the weights {settings.network}, which are of {architecture}: take those of "
                f"{ARCHITECTURE} (`mrlf weights list` shows them)"
            )
    gate = choose_gate(
        store,
        settings.face_gate,
        search_side_px=settings.gate_search_side_px,
        min_score=settings.gate_min_score,
        off_reason=settings.face_gate_off_reason,
    )
    chosen = choose_weights(WeightsStore.of(store), settings.network, settings.weights, settings.weights_file)
    if isinstance(chosen, Builtin):
        return FillerChoice(
            network=BuiltinFill.network, weights_sha256=BuiltinFill.weights_sha256, gate=gate, why=chosen.why
        )
    if settings.filler == "simple_lama":
        _check_simple_lama(store, chosen)
    name = SimpleLamaInpainter.network if settings.filler == "simple_lama" else chosen.name
    return FillerChoice(network=name, weights_sha256=chosen.weights_sha256, gate=gate, file=chosen)


def fill_recipe(settings: CleanImagesSettings, choice: FillerChoice, *made_by: object) -> str:
    """The digest of all that a clean picture depends on, `made_by` too; what only the other way uses is no part."""
    fields = {"max_portrait_ratio", "jpeg_quality"}
    if choice.file is not None:
        fields |= {"filler"} if settings.filler == "simple_lama" else {"frame", "max_crop_side_px", "precision"}
    values = settings.model_dump(mode="json", include=fields)
    return json_digest([*made_by, values, choice.network, choice.weights_sha256, choice.gate.recipe])


def load_filler(choice: FillerChoice, settings: CleanImagesSettings) -> Inpainter:
    """The network itself, where the settings and this machine let it run best."""
    if choice.file is None:
        return BuiltinFill()
    if settings.filler == "simple_lama":
        return SimpleLamaInpainter(choice.file.source, choice.weights_sha256, device=settings.device)
    from safetensors.torch import load_file

    from models.vision.architectures import ARCHITECTURES
    from models.vision.filling import LamaFill

    fill = LamaFill(
        choice.network,
        choice.weights_sha256,
        ARCHITECTURES[ARCHITECTURE].build(load_file(choice.file.path)),
        settings.running(),
        batch_size=settings.batch_size,
    )
    return LamaInpainter(fill, frame=settings.frame, max_crop_side_px=settings.max_crop_side_px)


def _check_simple_lama(store: Store, file: WeightsFile) -> None:
    """The package runs the program inside its file, so it is given the published one and no other."""
    if file.weights_sha256 != WeightsStore.of(store).registry[ARCHITECTURE].sha256:
        raise StageError(
            f"filler: simple_lama runs the program inside a file of weights, and {file.source} is not the published "
            "one: take filler: own for it, which runs nothing of a file"
        )
    if find_spec("simple_lama_inpainting") is None:
        raise StageError(
            "filler: simple_lama needs the package, which is not installed: pip install --no-deps "
            "simple-lama-inpainting (its own pins are old), or choose filler: own"
        )

"""Settings of `portrait_masks`, and which network finds people: chosen once by the stage, loaded where it runs.

The choice is small and can be pickled: it travels to the workers, which load the network themselves. Before anything
is loaded the stage knows from it what will run, and so whether anything is to be done at all.
Built in are two networks that ship with this program: YuNet finds faces, MediaPipe's selfie segmentation the person
around each. The fallback where U²-Net's weights are not at hand, and never called U²-Net: who shows no face is missed,
unless the segmentation is sure of a person in the picture as a whole, which it is of many a thing too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from models.vision.masks import PortraitMask
from pipeline.errors import StageError
from pipeline.images.face_detectors import MIN_SCORE, SEARCH_SIDE_PX, YuNetDetector, shrunk
from pipeline.images.stages import PortraitMasker
from pipeline.images.whole_people import PersonNetwork, enlarged
from pipeline.networks import ImageStageSettings
from pipeline.picture_bytes import Mask, Picture
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.weights import WeightsStore
from pipeline.weights.registry import REGISTRY, SELFIE, YUNET
from pipeline.weights.weights_store import Builtin, WeightsFile, choose_weights

WITHOUT_FACE = 0.9
"""probability from which a pixel belongs to a person where no face is"""
ARCHITECTURES = frozenset({"u2net", "u2netp"})
EXACT_ONLY = frozenset({"u2netp"})
"""of which `precision: auto` means fp32: in bf16 its masks are others (mean IoU .95, docs/DECISIONS.md)"""


class BuiltinPortraits:
    """A `PortraitMasker` on YuNet and the selfie segmentation.

    find_bodies: also take for a person what the network is sure of in the picture as a whole, no face in view.
    """

    network = SELFIE.name
    input_side_px: int | None = SEARCH_SIDE_PX
    weights_sha256 = PersonNetwork.weights_sha256

    def __init__(self, *, find_bodies: bool = True) -> None:
        self._faces = YuNetDetector(WeightsFile.shipped(REGISTRY[YUNET]), MIN_SCORE)
        self._people = PersonNetwork()
        self._find_bodies = find_bodies

    def __call__(self, pictures: Sequence[Picture], sizes: Sequence[tuple[int, int]]) -> list[PortraitMask]:
        """A mask of its size for each picture."""
        masks = [self._mask(picture, size) for picture, size in zip(pictures, sizes, strict=True)]
        return [PortraitMask(mask, float(mask.mean())) for mask in masks]

    def _mask(self, picture: Picture, size: tuple[int, int]) -> Mask:
        searched = shrunk(picture, SEARCH_SIDE_PX)
        mask = self._people.around(searched, self._faces(searched))
        if self._find_bodies:
            mask |= self._people.probabilities(searched) > WITHOUT_FACE
        return enlarged(mask, size) if mask.any() else np.zeros(size, dtype=np.bool_)


class PortraitMasksSettings(ImageStageSettings):
    """How people are looked for."""

    network: str = Field(
        "u2net_human_seg", description="Weights by their name in `mrlf weights list`, of U²-Net or U²-Net-P."
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability above which a pixel is masked as a person.")
    min_portrait_ratio: float = Field(
        0.001,
        ge=0,
        lt=1,
        description="Minimum share of masked pixels; below it the picture counts as without people.",
    )
    int8_min_iou: float = Field(
        0.97,
        ge=0,
        le=1,
        description="precision int8 only: minimum mean IoU of its masks with those in fp32, on pictures of the city.",
    )
    find_bodies: bool = Field(
        True,
        description="Built-in method only: also mask people without a face in view, and objects taken for such.",
    )
    dilation_ratio: float = Field(
        0.02, ge=0, le=0.5, description="Dilation of the mask, as a share of the picture's longer side."
    )


@dataclass(frozen=True, kw_only=True)
class MaskerChoice:
    """What finds people: the weights of a network, or the built-in ones (`file` is None) and why they do."""

    network: str
    weights_sha256: str
    file: WeightsFile | None = None
    why: str = ""

    @property
    def int8_path(self) -> Path | None:
        """OpenVINO's file of the network in int8, where it is to be used."""
        return self.file.int8_path if self.file else None


def choose_masker(store: Store, settings: PortraitMasksSettings) -> MaskerChoice:
    """The network that the settings name, or the built-in ones where they ask for these or there is nothing else.

    Raises:
        StageError: the weights are not those of a network that finds people, are damaged, or are required and missing.
    """
    if settings.weights != "builtin":
        architecture = WeightsStore.of(store).entry(settings.network).architecture
        if architecture not in ARCHITECTURES:
            raise StageError(
                f"portrait_masks cannot use the weights {settings.network}, which are of {architecture}: take "
                f"those of {' or '.join(sorted(ARCHITECTURES))} (`mrlf weights list` shows them)"
            )
    chosen = choose_weights(WeightsStore.of(store), settings.network, settings.weights, settings.weights_file)
    if isinstance(chosen, Builtin):
        return MaskerChoice(
            network=BuiltinPortraits.network, weights_sha256=BuiltinPortraits.weights_sha256, why=chosen.why
        )
    return MaskerChoice(network=chosen.name, weights_sha256=chosen.weights_sha256, file=chosen)


def as_it_runs(settings: PortraitMasksSettings, choice: MaskerChoice) -> PortraitMasksSettings:
    """The settings with the precision that this network is run in, where they leave it open or int8 did not pass."""
    settings = settings.as_it_runs(has_int8=choice.int8_path is not None)
    if settings.precision == "auto" and choice.file is not None and choice.file.architecture in EXACT_ONLY:
        return settings.model_copy(update={"precision": "fp32"})
    return settings


def masks_recipe(settings: PortraitMasksSettings, choice: MaskerChoice, *made_by: str) -> str:
    """The digest of all that a mask depends on, `made_by` too; what only the other way uses is no part of it."""
    only_builtin, only_network = {"find_bodies"}, {"threshold", "min_portrait_ratio", "precision"}
    fields = {"dilation_ratio", *(only_builtin if choice.file is None else only_network)}
    settings = as_it_runs(settings, choice)
    values = settings.model_dump(mode="json", include=fields)
    faces = [REGISTRY[YUNET].sha256] if choice.file is None else choice.file.recipe()
    return json_digest([*made_by, values, choice.network, choice.weights_sha256, *faces])


def load_masker(choice: MaskerChoice, settings: PortraitMasksSettings) -> PortraitMasker:
    """The network itself, where the settings and this machine let it run best."""
    if choice.file is None:
        return BuiltinPortraits(find_bodies=settings.find_bodies)
    from safetensors.torch import load_file

    from models.vision.architectures import ARCHITECTURES as BUILDERS
    from models.vision.portraits import U2NetPortraits

    in_int8 = choice.int8_path
    return U2NetPortraits(
        choice.network,
        choice.weights_sha256,
        in_int8 or BUILDERS[choice.file.architecture].build(load_file(choice.file.path)),
        as_it_runs(settings, choice).running(),
        threshold=settings.threshold,
        min_portrait_ratio=settings.min_portrait_ratio,
        batch_size=settings.batch_size,
    )

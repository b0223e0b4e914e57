"""Settings of `portrait_masks`, and which network finds people: chosen once by the stage, loaded where it runs.

The choice is small and can be pickled: it travels to the workers, which load the network themselves. Before anything
is loaded the stage knows from it what will run, and so whether anything is to be done at all.
Built in are OpenCV's Haar cascades and HOG people detector, refined with GrabCut. They need no weights beyond those
inside opencv-python (< 5) and find far less than U²-Net does: people seen from behind, in a crowd, lying or cut at the
border are missed, and what looks like a face is masked. The fallback where no network's weights are at hand, and never
called U²-Net.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from models.vision.masks import PortraitMask
from pipeline.errors import StageError
from pipeline.images.face_detectors import Box, HaarFaces, shrunk
from pipeline.images.stages import PortraitMasker
from pipeline.images.whole_people import people_shapes
from pipeline.networks import ImageStageSettings
from pipeline.picture_bytes import Mask, Picture
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.weights import WeightsStore
from pipeline.weights.weights_store import Builtin, WeightsFile, choose_weights

SEARCH_SIDE_PX = 256  # faces are looked for at this size: larger only costs time
ARCHITECTURES = frozenset({"u2net", "u2netp"})


class BuiltinPortraits:
    """A `PortraitMasker` on OpenCV's own detectors; profiles and whole bodies cost extra time."""

    network = "opencv_haar_hog_grabcut"
    input_side_px: int | None = None

    def __init__(self, *, find_profiles: bool = True, find_bodies: bool = True) -> None:
        import cv2

        self._faces = HaarFaces(find_profiles=find_profiles)
        self.weights_sha256 = self._faces.weights_sha256
        self._hog = cv2.HOGDescriptor() if find_bodies else None
        if self._hog is not None:
            self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def __call__(self, pictures: Sequence[Picture], sizes: Sequence[tuple[int, int]]) -> list[PortraitMask]:
        """One mask per picture; the pictures come whole, so the sizes are theirs."""
        masks = [self._mask(picture) for picture in pictures]
        return [PortraitMask(mask, float(mask.mean())) for mask in masks]

    def _mask(self, picture: Picture) -> Mask:
        searched = shrunk(picture, SEARCH_SIDE_PX)
        faces = self._faces(searched, min_side_px=max(20, min(searched.shape[:2]) // 12))
        bodies = self._bodies(searched)
        if not faces and not bodies:
            return np.zeros(picture.shape[:2], dtype=np.bool_)
        scale = picture.shape[1] / searched.shape[1]
        return people_shapes(picture, [box.scaled(scale) for box in faces], [box.scaled(scale) for box in bodies])

    def _bodies(self, picture: Picture) -> list[Box]:
        if self._hog is None or picture.shape[0] < 128 or picture.shape[1] < 64:  # smaller than what it was made for
            return []
        found, weights = self._hog.detectMultiScale(picture, winStride=(8, 8), scale=1.1)
        return [Box(*map(int, box)) for box, weight in zip(found, np.ravel(weights), strict=True) if weight > 0.8]


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
    find_profiles: bool = Field(
        True, description="Built-in method only: also detect profile faces (half of the stage's time)."
    )
    find_bodies: bool = Field(True, description="Built-in method only: also detect whole bodies.")
    dilation_ratio: float = Field(
        0.02, ge=0, le=0.5, description="Dilation of the mask, as a share of the picture's longer side."
    )


@dataclass(frozen=True, kw_only=True)
class MaskerChoice:
    """What finds people: the weights of a network, or the built-in detectors (`file` is None) and why they do."""

    network: str
    weights_sha256: str
    file: WeightsFile | None = None
    why: str = ""


def choose_masker(store: Store, settings: PortraitMasksSettings) -> MaskerChoice:
    """The network that the settings name, or the built-in detectors where they ask for these or there is nothing else.

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
        builtin = _builtin(settings)
        return MaskerChoice(network=builtin.network, weights_sha256=builtin.weights_sha256, why=chosen.why)
    return MaskerChoice(network=chosen.name, weights_sha256=chosen.weights_sha256, file=chosen)


def masks_recipe(settings: PortraitMasksSettings, choice: MaskerChoice, *made_by: str) -> str:
    """The digest of all that a mask depends on, `made_by` too; what only the other way uses is no part of it."""
    only_builtin, only_network = {"find_profiles", "find_bodies"}, {"threshold", "min_portrait_ratio", "precision"}
    fields = {"dilation_ratio", *(only_builtin if choice.file is None else only_network)}
    values = settings.model_dump(mode="json", include=fields)
    return json_digest([*made_by, values, choice.network, choice.weights_sha256])


def load_masker(choice: MaskerChoice, settings: PortraitMasksSettings) -> PortraitMasker:
    """The network itself, where the settings and this machine let it run best."""
    if choice.file is None:
        return _builtin(settings)
    from safetensors.torch import load_file

    from models.vision.architectures import ARCHITECTURES as BUILDERS
    from models.vision.portraits import U2NetPortraits

    module = BUILDERS[choice.file.architecture].build(load_file(choice.file.path))
    return U2NetPortraits(
        choice.network,
        choice.weights_sha256,
        module,
        settings.running(),
        threshold=settings.threshold,
        min_portrait_ratio=settings.min_portrait_ratio,
        batch_size=settings.batch_size,
    )


def _builtin(settings: PortraitMasksSettings) -> BuiltinPortraits:
    return BuiltinPortraits(find_profiles=settings.find_profiles, find_bodies=settings.find_bodies)

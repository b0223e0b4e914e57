"""The face gate: a detector looks for faces in what is to be released, after the people were filled.

A portrait network finds people, not faces: those in the background, on posters and in mirrors stay. The gate is a
second line with another method; what it finds is masked and filled once more, and what it still finds is dropped.
It says where faces are and nothing else: no face embedding is ever computed, no face is cut out, kept or compared.

Covered: faces towards the camera, upright or nearly so, from about a 25th of the search side on; with YuNet also
turned ones. A face is a face: on posters, screens, in mirrors, of statues and dolls it is masked if it is found.
Not covered: the back of a head, faces that lie or look away, far or hidden ones; `face_recall` counts some of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.errors import StageError
from pipeline.images.face_detectors import (
    FRONTAL_ALT,
    Box,
    FaceDetector,
    HaarDetector,
    NoDetector,
    YuNetDetector,
    cascades_sha256,
    shrunk,
)
from pipeline.networks import WeightsPolicy
from pipeline.picture_bytes import Picture
from pipeline.store import Store
from pipeline.weights import WeightsStore
from pipeline.weights.weights_store import Builtin, WeightsFile, choose_weights

GatePolicy = Literal["auto", "yunet", "haar", "off"]

HAAR, YUNET, OFF = "opencv_haar_alt", "yunet", "off"


@dataclass(frozen=True, kw_only=True)
class GateChoice:
    """What looks for faces: YuNet's file, or the cascades of OpenCV, or nothing; small enough to travel to workers.

    min_score: of YuNet. find_profiles: of the cascades. why: for what reason it is not the better one.
    """

    network: str
    weights_sha256: str
    search_side_px: int
    min_score: float
    find_profiles: bool = True
    file: WeightsFile | None = None
    why: str = ""

    @property
    def recipe(self) -> list[str | int | float]:
        """All that its answers depend on."""
        own = self.min_score if self.file is not None else self.find_profiles
        return [self.network, self.weights_sha256, self.search_side_px, own]


class FaceGate:
    """Looks for faces. One object serves one thread."""

    def __init__(self, detector: FaceDetector, choice: GateChoice) -> None:
        self.network = choice.network
        self.weights_sha256 = choice.weights_sha256
        self._detector = detector
        self._search_side_px = choice.search_side_px

    def find(self, pictures: Sequence[Picture]) -> list[list[Box]]:
        """The boxes of the faces of each picture, in its own pixels; no two pictures influence each other."""
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Picture) -> list[Box]:
        searched = shrunk(picture, self._search_side_px)
        factor = picture.shape[1] / searched.shape[1]
        return [box.scaled(factor) for box in self._detector(searched)]


def choose_gate(
    store: Store,
    policy: GatePolicy,
    weights: WeightsPolicy,
    *,
    search_side_px: int,
    min_score: float,
    find_profiles: bool = True,
    off_reason: str = "",
) -> GateChoice:
    """What the settings ask for: YuNet if to be had, else the cascades inside OpenCV; nothing only with a reason.

    weights: of the stage; `builtin` there keeps `auto` from looking for YuNet.

    Raises:
        StageError: the gate is off without a reason, or YuNet is asked for and not to be had, or damaged.
    """
    off = GateChoice(
        network=OFF,
        weights_sha256="",
        search_side_px=search_side_px,
        min_score=min_score,
        find_profiles=find_profiles,
        why=off_reason.strip(),
    )
    if policy == "off":
        if not off.why:
            raise StageError(
                "face_gate: off releases pictures in which nobody looked for faces again: say why in "
                "face_gate_off_reason; it is written into the notes and the release's record"
            )
        return off
    chosen: WeightsFile | Builtin = Builtin(why="the settings say face_gate: haar")
    if policy != "haar":
        asked: WeightsPolicy = "require" if policy == "yunet" else "builtin" if weights == "builtin" else "auto"
        chosen = choose_weights(WeightsStore.of(store), YUNET, asked)
    if isinstance(chosen, Builtin):
        return replace(off, network=HAAR, weights_sha256=cascades_sha256(FRONTAL_ALT), why=chosen.why)
    return replace(off, network=YUNET, weights_sha256=chosen.weights_sha256, file=chosen, why="")


def load_gate(choice: GateChoice) -> FaceGate:
    """The gate itself, for one thread."""
    if choice.network == OFF:
        return FaceGate(NoDetector(), choice)
    if choice.file is None:
        return FaceGate(HaarDetector(find_profiles=choice.find_profiles), choice)
    return FaceGate(YuNetDetector(choice.file, choice.min_score), choice)

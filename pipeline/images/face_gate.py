"""The face gate: YuNet looks for faces in what is to be released, after the people were filled.

A portrait network finds people, not faces: those in the background, on posters and in mirrors stay. The gate is a
second line; what it finds is masked and filled once more, and what it still finds is dropped.
It says where faces are and nothing else: no face embedding is ever computed, no face is cut out, kept or compared.

Covered: faces from about a 40th of the search side on, turned, lying and half hidden ones too. A face is a face: on
posters, screens, in mirrors, of statues and dolls it is masked if it is found.
Not covered: the back of a head, faces far away or mostly hidden; `face_recall` counts some of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import StageError
from pipeline.images.face_detectors import Box, FaceDetector, NoDetector, YuNetDetector, shrunk
from pipeline.images.whole_people import PersonNetwork, with_people
from pipeline.picture_bytes import Mask, Picture
from pipeline.store import Store
from pipeline.weights import WeightsStore
from pipeline.weights.registry import SELFIE
from pipeline.weights.weights_store import WeightsFile

GatePolicy = Literal["yunet", "off"]

YUNET, OFF = "yunet", "off"


@dataclass(frozen=True, kw_only=True)
class GateChoice:
    """What looks for faces: YuNet's file, or nothing (`file` is None) and why; small enough to travel to workers."""

    network: str
    weights_sha256: str
    search_side_px: int
    min_score: float
    file: WeightsFile | None = None
    why: str = ""

    @property
    def recipe(self) -> list[str | int | float]:
        """All that its answers depend on, those about whole people too."""
        return [self.network, self.weights_sha256, self.search_side_px, self.min_score, str(SELFIE.sha256)]


class FaceGate:
    """Looks for faces and for the people who have them. One object serves one thread."""

    def __init__(self, detector: FaceDetector, choice: GateChoice) -> None:
        self.network = choice.network
        self.weights_sha256 = choice.weights_sha256
        self._detector = detector
        self._search_side_px = choice.search_side_px
        self._people: PersonNetwork | None = None

    def find(self, pictures: Sequence[Picture]) -> list[list[Box]]:
        """The boxes of the faces of each picture, in its own pixels; no two pictures influence each other."""
        return [self._find(picture) for picture in pictures]

    def with_people(self, mask: Mask, picture: Picture, faces: Sequence[Box]) -> Mask:
        """The mask with the people whose faces these are."""
        self._people = self._people or PersonNetwork()
        return with_people(mask, picture, faces, self._people)

    def _find(self, picture: Picture) -> list[Box]:
        searched = shrunk(picture, self._search_side_px)
        factor = picture.shape[1] / searched.shape[1]
        return [box.scaled(factor) for box in self._detector(searched)]


def choose_gate(
    store: Store, policy: GatePolicy, *, search_side_px: int, min_score: float, off_reason: str = ""
) -> GateChoice:
    """What the settings ask for: YuNet, which ships with this program, or nothing, which needs a reason.

    Raises:
        StageError: the gate is off without a reason, or YuNet's file is damaged.
    """
    if policy == "off":
        if not off_reason.strip():
            raise StageError(
                "face_gate: off releases pictures in which nobody looked for faces again: say why in "
                "face_gate_off_reason; it is written into the notes and the release's record"
            )
        return GateChoice(
            network=OFF,
            weights_sha256="",
            search_side_px=search_side_px,
            min_score=min_score,
            why=off_reason.strip(),
        )
    file = WeightsStore.of(store).fetch(YUNET)
    return GateChoice(
        network=YUNET,
        weights_sha256=file.weights_sha256,
        search_side_px=search_side_px,
        min_score=min_score,
        file=file,
    )


def load_gate(choice: GateChoice) -> FaceGate:
    """The gate itself, for one thread."""
    if choice.file is None:
        return FaceGate(NoDetector(), choice)
    return FaceGate(YuNetDetector(choice.file, choice.min_score), choice)

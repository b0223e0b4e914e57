"""How many of the people that a synthetic city's generator drew are left in its clean pictures.

Reads  clean_images, blobs/clean, the demo city's archive
A pixel is left where the released picture still shows what the original did: within 5 x 5 pixels around it the two
differ by no more than `TOLERANCE` levels on average, which the encoder stays below and a filling seldom does. A face
or a body is left where more than a quarter of its drawn pixels are. So any filler can be measured, whatever its mask.
Law: it measures and decides nothing. It is one portrait, facing the camera: a figure of the demo, none of real photos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np

from pipeline.cities import City
from pipeline.collect.sources import demo_folder
from pipeline.demo.truth import DrawnPerson, drawn_people
from pipeline.images.stages import clean_digests
from pipeline.picture_bytes import Mask, Picture, decode_picture
from pipeline.store import Store

MAX_PICTURES = 500  # so many are measured: about 15 ms each
AROUND_PX = 5
TOLERANCE = 10.0  # levels of the channel that differs most: JPEG of quality 95 stays below 5, of 50 below 10 mostly
MAX_SHARE_LEFT = 0.25


@dataclass(frozen=True, kw_only=True)
class Left:
    """What one released picture still shows of its drawn person; one that was dropped shows nothing."""

    face: bool = False
    body: bool = False
    is_dropped: bool = False


@dataclass(frozen=True, kw_only=True)
class PeopleLeft:
    """Pictures with a drawn person: all of them, those that were dropped, and those in which one is left."""

    num_pictures: int
    num_dropped: int
    num_face_left: int
    num_body_left: int

    @classmethod
    def counted(cls, left: Sequence[Left]) -> Self:
        """The sum over pictures."""
        return cls(
            num_pictures=len(left),
            num_dropped=sum(each.is_dropped for each in left),
            num_face_left=sum(each.face for each in left),
            num_body_left=sum(each.body for each in left),
        )

    @classmethod
    def of_counts(cls, counts: Mapping[str, int]) -> Self | None:
        """What a record states with `counts`; None where it states nothing of it."""
        if not counts.get("people_drawn"):
            return None
        return cls(
            num_pictures=counts["people_drawn"],
            num_dropped=counts["people_drawn/dropped"],
            num_face_left=counts["people_drawn/face_left"],
            num_body_left=counts["people_drawn/body_left"],
        )

    @property
    def counts(self) -> dict[str, int]:
        """For the record of a stage."""
        return {
            "people_drawn": self.num_pictures,
            "people_drawn/dropped": self.num_dropped,
            "people_drawn/face_left": self.num_face_left,
            "people_drawn/body_left": self.num_body_left,
        }

    @property
    def percents(self) -> dict[str, str]:
        """For the record too; decimals, so that Dagster draws them over time."""
        percents = {"people_left_face_percent": self.num_face_left, "people_left_body_percent": self.num_body_left}
        return {name: f"{self.percent(number):.1f}" for name, number in percents.items()}

    def percent(self, number: int) -> float:
        """Of all pictures with a drawn person."""
        return 100 * number / self.num_pictures


def people_left(store: Store, city: City, digests: set[str]) -> PeopleLeft | None:
    """Of the pictures of these digests; None where nobody knows who is in them: in every city that is not drawn."""
    if city.demo is None:
        return None
    clean = clean_digests(store, city.key)
    people = islice(drawn_people(demo_folder(store, city), digests), MAX_PICTURES)
    left = [_left(store, person, clean[person.digest]) for person in people]
    return PeopleLeft.counted(left) if left else None


def share_left(original: Picture, clean: Picture, where: Mask) -> float:
    """The share of these pixels that the clean picture still shows as the original has them; 0 of no pixels."""
    import cv2

    if not where.any():
        return 0.0
    apart = np.abs(original.astype(np.int16) - clean).max(axis=2).astype(np.float32)
    return float((cv2.blur(apart, (AROUND_PX, AROUND_PX)) <= TOLERANCE)[where].mean())


def _left(store: Store, drawn: DrawnPerson, clean_digest: str | None) -> Left:
    if clean_digest is None:
        return Left(is_dropped=True)
    original, clean = decode_picture(drawn.data), decode_picture(store.blobs.get("clean", clean_digest))
    face, body = (share_left(original, clean, where) > MAX_SHARE_LEFT for where in (drawn.face, drawn.person))
    return Left(face=face, body=body)

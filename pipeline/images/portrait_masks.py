"""Stage `portrait_masks`: where the people are in every picture of the curated posts.

Reads  curated_posts, blobs/original
Writes portrait_masks (a row per picture), drops of posts none of whose pictures can be read
"""

from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.engine import PictureJob, run_pictures
from pipeline.images.builtin_portraits import BuiltinPortraits
from pipeline.images.decode import Mask, Picture, UnreadablePicture, decode_picture, encode_mask
from pipeline.images.stages import (
    PortraitMasker,
    forget_other_recipes,
    picture_lists,
    pictures_to_do,
    posts_without_picture,
)
from pipeline.ledger import reason_counts, write_ledger
from pipeline.records import TABLES
from pipeline.stage import Outcome, StageReport, count_values, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.digests import json_digest

STAGE = "portrait_masks"
CODE_VERSION = "1"
READABLE = frozenset({"no_person", "person"})
FALLBACK_NOTE = (
    "portraits were found by OpenCV's built-in detectors, not by U²-Net: many people, above all those not facing the "
    "camera, stay in the pictures"
)


class PortraitMasksSettings(Settings):
    """How people are looked for."""

    network: Literal["builtin"] = Field("builtin", description="What finds people: OpenCV's built-in detectors.")
    find_profiles: bool = Field(True, description="Also look for faces from the side (half the time of the stage).")
    find_bodies: bool = Field(True, description="Also look for whole bodies.")
    dilation_ratio: float = Field(
        0.02, ge=0, le=0.5, description="The mask is widened by this share of the picture's longer side."
    )
    commit_every: int = Field(256, ge=1, description="Pictures between two commits: what a killed run may lose.")
    num_workers: int = Field(2, ge=1, description="Pictures worked on side by side.")


def build_portrait_masks(store: Store, city: City, settings: PortraitMasksSettings) -> StageReport:
    """Mask the pictures that have no mask by this network and these settings yet, and nothing else."""
    with store.lock(city.key, STAGE):
        masker = make_masker(settings)
        recipe = _recipe(settings, masker)
        return run_stage(
            store, city, STAGE, code_version=CODE_VERSION, settings=settings,
            inputs=table_inputs(store, city.key, [("curated_posts", "curated_posts")]),
            weights={masker.network: masker.weights_sha256}, outputs=("portrait_masks", "drops"),
            work=partial(_work, store, city.key, settings, masker, recipe),
        )  # fmt: skip


def make_masker(settings: PortraitMasksSettings) -> PortraitMasker:
    """The network that the settings name."""
    return BuiltinPortraits(find_profiles=settings.find_profiles, find_bodies=settings.find_bodies)


def widen(mask: Mask, dilation_ratio: float) -> Mask:
    """The mask with a border of `dilation_ratio` times the longer side around every person, cut at the picture's."""
    import cv2

    radius = round(dilation_ratio * max(mask.shape))
    if not radius or not mask.any():
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)


class MaskWorker:
    """Bytes of pictures in, rows of `portrait_masks` out."""

    def __init__(self, settings: PortraitMasksSettings, recipe: str) -> None:
        self._masker = make_masker(settings)
        self._dilation_ratio = settings.dilation_ratio
        self._recipe = recipe

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row of the table per picture."""
        return [self._row(row["digest"], row["data"]) for row in rows]

    def _row(self, digest: str, data: bytes | None) -> dict[str, Any]:
        made = {"network": self._masker.network, "weights_sha256": self._masker.weights_sha256, "recipe": self._recipe}
        try:
            picture: Picture = decode_picture(data)
        except UnreadablePicture as unreadable:
            return {"digest": digest, "outcome": unreadable.reason, "portrait_ratio": None, "mask": None, **made}
        mask = self._masker([picture])[0]
        if not mask.any():
            return {"digest": digest, "outcome": "no_person", "portrait_ratio": 0.0, "mask": None, **made}
        png = encode_mask(widen(mask, self._dilation_ratio))
        return {"digest": digest, "outcome": "person", "portrait_ratio": float(mask.mean()), "mask": png, **made}


def _recipe(settings: PortraitMasksSettings, masker: PortraitMasker) -> str:
    made_by = settings.model_dump(mode="json", include={"network", "find_profiles", "find_bodies", "dilation_ratio"})
    return json_digest([STAGE, CODE_VERSION, made_by, masker.network, masker.weights_sha256])


def _work(store: Store, city: str, settings: PortraitMasksSettings, masker: PortraitMasker, recipe: str) -> Outcome:
    pictures = picture_lists(store, city)
    forget_other_recipes(store, city, STAGE, recipe)
    wanted = {digest for digests in pictures.values() for digest in digests}
    job = PictureJob(
        rows=pictures_to_do(store, city, STAGE, wanted, "original", "digest"), result=TABLES[STAGE].schema,
        make_worker=partial(MaskWorker, settings, recipe), num_workers=settings.num_workers,
        commit_every=settings.commit_every, title=f"{city} {STAGE}",
    )  # fmt: skip
    num_new = run_pictures(job, lambda rows: store.tables.append(city, STAGE, rows))
    table = store.tables.read(city, STAGE)
    outcomes = dict(zip(table["digest"].to_pylist(), table["outcome"].to_pylist(), strict=True))
    drops = posts_without_picture(pictures, outcomes, READABLE)
    write_ledger(store, city, STAGE, drops, {})
    by_outcome = count_values("pictures", (outcomes[digest] for digest in wanted))
    return Outcome(
        counts={"pictures": len(wanted), "new": num_new, **by_outcome, **reason_counts(drops)},
        notes=[FALLBACK_NOTE], about={"network": masker.network, "weights_sha256": masker.weights_sha256},
    )  # fmt: skip

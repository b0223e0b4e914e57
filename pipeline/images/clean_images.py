"""Stage `clean_images`: pictures without people, rebuilt from pixels.

Reads  curated_posts, portrait_masks, blobs/original
Writes clean_images (a row per picture), blobs/clean, drops of posts that keep no picture

A picture that people fill to more than `max_portrait_ratio` is dropped; in the others the people are filled. Outside
the mask every pixel is the original's before it is encoded.
"""

from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.engine import PictureJob, run_pictures
from pipeline.images.builtin_fill import BuiltinFill
from pipeline.images.decode import UnreadablePicture, decode_mask, decode_picture, encode_clean
from pipeline.images.portrait_masks import READABLE
from pipeline.images.stages import (
    Inpainter,
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

STAGE = "clean_images"
CODE_VERSION = "1"
KEPT = frozenset({"unchanged", "filled"})
FALLBACK_NOTE = "holes were filled by OpenCV's inpainting, not by LaMa: filled areas look smeared"


class CleanImagesSettings(Settings):
    """When a picture is dropped for its people, and how they are filled."""

    network: Literal["builtin"] = Field("builtin", description="What fills the holes: OpenCV's inpainting.")
    max_portrait_ratio: float = Field(
        0.5, gt=0, le=1, description="A picture that people fill to more than this share is dropped (paper: 0.5)."
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="Quality of the clean pictures.")
    commit_every: int = Field(256, ge=1, description="Pictures between two commits: what a killed run may lose.")
    num_workers: int = Field(2, ge=1, description="Pictures worked on side by side.")


def build_clean_images(store: Store, city: City, settings: CleanImagesSettings) -> StageReport:
    """Clean the pictures that have no row by this inpainter, these settings and their mask yet, and nothing else."""
    with store.lock(city.key, STAGE):
        inpainter = make_inpainter(settings)
        return run_stage(
            store, city, STAGE, code_version=CODE_VERSION, settings=settings,
            inputs=table_inputs(
                store, city.key, [("curated_posts", "curated_posts"), ("portrait_masks", "portrait_masks")]
            ),
            weights={inpainter.network: inpainter.weights_sha256}, outputs=("clean_images", "drops"),
            work=partial(_work, store, city.key, settings, inpainter),
        )  # fmt: skip


def make_inpainter(settings: CleanImagesSettings) -> Inpainter:
    """The network that the settings name."""
    return BuiltinFill()


class FillWorker:
    """Bytes and masks of pictures in, rows of `clean_images` out; the clean pictures go into the store on the way."""

    def __init__(self, store: Store, settings: CleanImagesSettings, recipe: str) -> None:
        self._blobs = store.blobs
        self._settings = settings
        self._inpainter = make_inpainter(settings)
        self._recipe = recipe

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One row of the table per picture."""
        return [self._row(row) for row in rows]

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        outcome, clean_digest = self._clean(row)
        return {
            "digest": row["digest"], "outcome": outcome, "clean_digest": clean_digest,
            "inpainter": self._inpainter.network, "weights_sha256": self._inpainter.weights_sha256,
            "recipe": self._recipe,
        }  # fmt: skip

    def _clean(self, row: dict[str, Any]) -> tuple[str, str | None]:
        if row["portrait_ratio"] > self._settings.max_portrait_ratio:
            return "mostly_person", None
        try:
            picture = decode_picture(row["data"])
        except UnreadablePicture as unreadable:
            return unreadable.reason, None
        outcome = "unchanged"
        if row["mask"] is not None:
            picture = self._inpainter([picture], [decode_mask(row["mask"])])[0]
            outcome = "filled"
        return outcome, self._blobs.put("clean", encode_clean(picture, self._settings.jpeg_quality))


def _work(store: Store, city: str, settings: CleanImagesSettings, inpainter: Inpainter) -> Outcome:
    masks = _masks(store, city)
    pictures = _readable(picture_lists(store, city), set(masks["digest"].to_pylist()))
    recipe = _recipe(store, city, settings, inpainter)
    forget_other_recipes(store, city, STAGE, recipe)
    wanted = {digest for digests in pictures.values() for digest in digests}
    rows = pictures_to_do(store, city, STAGE, wanted, "original", "digest").join(masks, "digest", join_type="inner")
    job = PictureJob(
        rows=rows.combine_chunks(), result=TABLES[STAGE].schema,
        make_worker=partial(FillWorker, store, settings, recipe), num_workers=settings.num_workers,
        commit_every=settings.commit_every, title=f"{city} {STAGE}",
    )  # fmt: skip
    num_new = run_pictures(job, lambda rows: store.tables.append(city, STAGE, rows))
    table = store.tables.read(city, STAGE)
    outcomes = dict(zip(table["digest"].to_pylist(), table["outcome"].to_pylist(), strict=True))
    drops = posts_without_picture(pictures, outcomes, KEPT)
    write_ledger(store, city, STAGE, drops, {})
    return Outcome(
        counts={
            "pictures": len(wanted), "new": num_new,
            **count_values("pictures", (outcomes[digest] for digest in wanted)), **reason_counts(drops),
        },
        notes=[FALLBACK_NOTE], about={"network": inpainter.network, "weights_sha256": inpainter.weights_sha256},
    )  # fmt: skip


def _masks(store: Store, city: str) -> pa.Table:
    """Ratio and mask of every picture that could be read."""
    masks = store.tables.read(city, "portrait_masks").select(["digest", "outcome", "portrait_ratio", "mask"])
    return masks.filter(pc.is_in(masks["outcome"], pa.array(sorted(READABLE)))).drop_columns(["outcome"])


def _readable(pictures: dict[str, list[str]], readable: set[str]) -> dict[str, list[str]]:
    """The pictures that could be read; posts that have none were dropped by the stage before."""
    kept = {post: [digest for digest in digests if digest in readable] for post, digests in pictures.items()}
    return {post: digests for post, digests in kept.items() if digests}


def _recipe(store: Store, city: str, settings: CleanImagesSettings, inpainter: Inpainter) -> str:
    """Masks are part of it by their own recipe: other masks, other fillings."""
    made_by = settings.model_dump(mode="json", include={"network", "max_portrait_ratio", "jpeg_quality"})
    mask_recipes = sorted(set(store.tables.read(city, "portrait_masks")["recipe"].to_pylist()))
    return json_digest([STAGE, CODE_VERSION, made_by, inpainter.network, inpainter.weights_sha256, mask_recipes])

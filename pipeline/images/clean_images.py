"""Stage `clean_images`: pictures without people, rebuilt from pixels.

Reads  curated_posts, portrait_masks, blobs/original; of a synthetic city where its generator drew people, to measure
Writes clean_images (a row per picture), blobs/clean, drops of posts that keep no picture, face_recall/

A picture that people fill to more than `max_portrait_ratio` is dropped; in the others the people are filled, and a
face gate looks at the result: the person below a face that it finds is masked and filled once more, what still shows
one is dropped. Outside the mask every pixel is the original's before it is encoded.
Law: its cost follows the new pictures; of what is stored it reads digests and outcomes, never a mask.
"""

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.images.face_gate import HAAR, OFF, GateChoice
from pipeline.images.face_recall import NOT_SHOWN, recall_of, recall_text
from pipeline.images.fillers import CleanImagesSettings, FillerChoice, choose_filler, fill_recipe
from pipeline.images.filling_worker import AT_ONCE, FILLED, FILLED_AGAIN, UNCHANGED, make_fill_worker
from pipeline.images.people_left import people_left
from pipeline.images.portrait_masks import READABLE
from pipeline.images.stages import PictureStage, WorkerPlan, picture_lists, picture_outcomes
from pipeline.records import TABLES
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store

if TYPE_CHECKING:
    from models.settings.machine import Running

__all__ = ["KEPT", "STAGE", "CleanImagesSettings", "build_clean_images"]

STAGE = "clean_images"
KEPT = frozenset({UNCHANGED, FILLED, FILLED_AGAIN})
FALLBACK_NOTE = "holes were filled by OpenCV's inpainting, not by LaMa: filled areas look smeared"
HAAR_NOTE = (
    "faces were looked for again by OpenCV's cascades, not by YuNet: small, turned and lying ones stay in the pictures"
)
OFF_NOTE = "nothing looked for faces in the clean pictures"


def build_clean_images(store: Store, city: City, settings: CleanImagesSettings) -> StageReport:
    """Clean the pictures that have no row by this network and gate, these settings and their mask yet, and no others.

    Raises:
        StageError: the weights, the face gate, or the way of running them are not to be had as asked.
    """
    with store.lock(city.key, STAGE):
        choice = choose_filler(store, settings)
        return run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_clean_images),
            settings=settings,
            inputs=table_inputs(
                store, city.key, [("curated_posts", "curated_posts"), ("portrait_masks", "portrait_masks")]
            ),
            weights={
                choice.network: choice.weights_sha256,
                choice.gate.network: choice.gate.weights_sha256,
            },
            outputs=("clean_images", "drops"),
            work=partial(_work, store, city, settings, choice),
        )


def _work(store: Store, city: City, settings: CleanImagesSettings, choice: FillerChoice) -> Outcome:
    running = _running(settings, choice)
    plan = WorkerPlan.of(settings, AT_ONCE, running)
    recipe = fill_recipe(settings, choice, STAGE, code_digest(make_fill_worker), _mask_recipes(store, city.key))
    stage = PictureStage(
        table=STAGE,
        recipe=recipe,
        make_worker=partial(make_fill_worker, store, settings, choice, recipe, plan.num_at_once, plan.num_processes),
        batch_size=plan.batch_size,
        num_workers=plan.num_processes,
        num_gpus=plan.num_gpus,
        commit_every=settings.commit_every,
        title=f"{city.key} {STAGE}",
    )
    pictures = _readable(picture_lists(store, city.key), picture_outcomes(store, city.key, "portrait_masks"))
    wanted = set(chain.from_iterable(pictures.values()))
    run = stage.run(store, city.key, wanted, inputs=partial(_masks, store, city.key))
    dropped = run.drop_posts(store, city.key, STAGE, pictures, KEPT)
    left = people_left(store, city, wanted)
    counts, percents = (left.counts, left.percents) if left is not None else ({}, {})
    return Outcome(
        counts={**run.counts(), **counts, **dropped},
        notes=[*([] if running else [f"{FALLBACK_NOTE} ({choice.why})"]), *_gate_notes(choice.gate)],
        about={**_about(choice, running), **_recall(store, choice.gate), **percents},
    )


def _running(settings: CleanImagesSettings, choice: FillerChoice) -> "Running | None":
    """Where and how LaMa runs; None where OpenCV fills the holes."""
    if choice.file is None:
        return None
    if settings.filler == "simple_lama":  # the package knows torch in fp32 alone
        return settings.model_copy(update={"runtime": "torch", "precision": "fp32"}).running()
    return settings.running()


def _about(choice: FillerChoice, running: "Running | None") -> dict[str, str]:
    about = {
        "network": choice.network,
        "weights_sha256": choice.weights_sha256,
        "face_gate": choice.gate.network,
        "face_gate_sha256": choice.gate.weights_sha256,
    }
    return {**about, "running": str(running)} if running else about


def _gate_notes(gate: GateChoice) -> list[str]:
    notes = {HAAR: HAAR_NOTE, OFF: OFF_NOTE}
    return [f"{notes[gate.network]} ({gate.why})"] if gate.network in notes else []


def _recall(store: Store, gate: GateChoice) -> dict[str, str]:
    """What share of labelled faces the gate finds, and what that does not show; why there is no gate."""
    if gate.network == OFF:
        return {"face_gate_off_reason": gate.why}
    return {"face_recall": recall_text(recall_of(store, gate)), "face_recall_shows_not": NOT_SHOWN}


def _readable(pictures: dict[str, list[str]], masked: dict[str, str]) -> dict[str, list[str]]:
    """The pictures that could be read; posts that have none were dropped by the stage before."""
    kept = {
        post: [digest for digest in digests if masked.get(digest) in READABLE] for post, digests in pictures.items()
    }
    return {post: digests for post, digests in kept.items() if digests}


def _mask_recipes(store: Store, city: str) -> list[str]:
    """Masks are part of the recipe by their own: other masks, other fillings."""
    recipes: set[str] = set()
    for rows in store.tables.batches(city, "portrait_masks", ["recipe"]):
        recipes.update(pc.unique(rows["recipe"]).to_pylist())
    return sorted(recipes)


def _masks(store: Store, city: str, digests: list[str]) -> pa.Table:
    """Of each of these pictures the share that people fill and its mask; no other mask is kept in memory."""
    columns = ["digest", "portrait_ratio", "mask"]
    schema = pa.schema([TABLES["portrait_masks"].schema.field(column) for column in columns])
    if not digests:
        return schema.empty_table()
    is_wanted = pc.field("digest").isin(pa.array(digests, pa.string()))
    found = store.tables.batches(city, "portrait_masks", columns, is_wanted)
    return pa.Table.from_batches(found, schema).sort_by("digest")

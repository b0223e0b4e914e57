"""Stage `clean_images`: pictures without people, rebuilt from pixels.

Reads  curated_posts, portrait_masks, blobs/original; of a synthetic city where its generator drew people, to measure
Writes clean_images (a row per picture), blobs/clean, drops of posts that keep no picture, face_recall/

A picture that people fill to more than `max_portrait_ratio` is dropped; in the others the people are filled, and a
face gate looks at the result: the person below a face that it finds is masked and filled once more, what still shows
one is dropped. Outside the mask every pixel is the original's before it is encoded.
Law: its cost follows the new pictures; of what is stored it reads digests and outcomes, never a mask.
"""

from dataclasses import dataclass
from functools import partial
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.engine import PictureJob, run_pictures
from pipeline.images.face_gate import HAAR, OFF, GateChoice
from pipeline.images.face_recall import NOT_SHOWN, recall_of, recall_text
from pipeline.images.fillers import CleanImagesSettings, FillerChoice, choose_filler, fill_recipe
from pipeline.images.filling_worker import AT_ONCE, FILLED, FILLED_AGAIN, UNCHANGED, make_fill_worker
from pipeline.images.people_left import people_left
from pipeline.images.portrait_masks import READABLE
from pipeline.images.stages import (
    forget_other_recipes,
    picture_lists,
    picture_outcomes,
    posts_without_picture,
    with_addresses,
)
from pipeline.ledger import reason_counts, write_ledger
from pipeline.records import TABLES
from pipeline.stage import Outcome, StageReport, count_values, run_stage, table_inputs
from pipeline.store import Store

__all__ = ["KEPT", "STAGE", "CleanImagesSettings", "build_clean_images"]

STAGE = "clean_images"
KEPT = frozenset({UNCHANGED, FILLED, FILLED_AGAIN})
FALLBACK_NOTE = "holes were filled by OpenCV's inpainting, not by LaMa: filled areas look smeared"
HAAR_NOTE = (
    "faces were looked for again by OpenCV's cascades, not by YuNet: small, turned and lying ones stay in the pictures"
)
OFF_NOTE = "nothing looked for faces in the clean pictures"
PARTS_PER_BATCH = 4
"""How often the network is called for what the engine sends a worker at once; between two batches it waits."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a choice of network is run, and what is said of it."""

    num_at_once: int
    num_processes: int
    num_gpus: int
    notes: list[str]
    about: dict[str, str]


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
    plan = _plan(settings, choice)
    pictures = _readable(picture_lists(store, city.key), picture_outcomes(store, city.key, "portrait_masks"))
    recipe = fill_recipe(settings, choice, STAGE, code_digest(make_fill_worker), _mask_recipes(store, city.key))
    forget_other_recipes(store, city.key, STAGE, recipe)
    outcomes = picture_outcomes(store, city.key, STAGE)
    wanted = set(chain.from_iterable(pictures.values()))
    new = _masks(store, city.key, wanted - outcomes.keys())
    job = PictureJob(
        rows=with_addresses(store, new, "original"),
        result=TABLES[STAGE].schema,
        make_worker=partial(make_fill_worker, store, settings, choice, recipe, plan.num_at_once, plan.num_processes),
        batch_size=PARTS_PER_BATCH * plan.num_at_once,
        num_workers=plan.num_processes,
        num_gpus=plan.num_gpus,
        commit_every=settings.commit_every,
        title=f"{city.key} {STAGE}",
    )

    def commit(rows: pa.Table) -> None:
        store.tables.append(city.key, STAGE, rows)
        outcomes.update(zip(rows["digest"].to_pylist(), rows["outcome"].to_pylist(), strict=True))

    num_new = run_pictures(job, commit)
    drops = posts_without_picture(pictures, outcomes, KEPT)
    write_ledger(store, city.key, STAGE, drops, {})
    left = people_left(store, city, wanted)
    counts, percents = (left.counts, left.percents) if left is not None else ({}, {})
    return Outcome(
        counts={
            "pictures": len(wanted),
            "new": num_new,
            **count_values("pictures", map(outcomes.__getitem__, wanted)),
            **counts,
            **reason_counts(drops),
        },
        notes=plan.notes,
        about={**plan.about, **_recall(store, choice.gate), **percents},
    )


def _plan(settings: CleanImagesSettings, choice: FillerChoice) -> Plan:
    gate = choice.gate
    about = {
        "network": choice.network,
        "weights_sha256": choice.weights_sha256,
        "face_gate": gate.network,
        "face_gate_sha256": gate.weights_sha256,
    }
    if choice.file is None:
        return Plan(
            num_at_once=AT_ONCE["cpu"],
            num_processes=settings.num_workers,
            num_gpus=0,
            notes=[f"{FALLBACK_NOTE} ({choice.why})", *_gate_notes(gate)],
            about=about,
        )
    from models.vision.running import choose_running

    is_package = settings.filler == "simple_lama"  # it knows torch in fp32 alone
    running = choose_running(
        "torch" if is_package else settings.runtime, "fp32" if is_package else settings.precision, settings.device
    )
    return Plan(
        num_at_once=settings.batch_size or AT_ONCE[running.device],
        num_processes=1,
        num_gpus=int(running.device == "cuda"),
        notes=_gate_notes(gate),
        about={**about, "running": str(running)},
    )


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


def _masks(store: Store, city: str, digests: set[str]) -> pa.Table:
    """Of each of these pictures the share that people fill and its mask; no other mask is kept in memory."""
    columns = ["digest", "portrait_ratio", "mask"]
    schema = pa.schema([TABLES["portrait_masks"].schema.field(column) for column in columns])
    if not digests:
        return schema.empty_table()
    is_wanted = pc.field("digest").isin(pa.array(sorted(digests), pa.string()))
    found = store.tables.batches(city, "portrait_masks", columns, is_wanted)
    return pa.Table.from_batches(found, schema).sort_by("digest")

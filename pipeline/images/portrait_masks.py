"""Stage `portrait_masks`: where the people are in every picture of the curated posts.

Reads  curated_posts, blobs/original
Writes portrait_masks (a row per picture), drops of posts none of whose pictures can be read

Law: its cost follows the new pictures; of what is stored it reads digests and outcomes, never a mask.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.engine import PictureJob, run_pictures
from pipeline.images.mask_worker import AT_ONCE, make_mask_worker
from pipeline.images.maskers import MaskerChoice, PortraitMasksSettings, choose_masker, masks_recipe
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

__all__ = ["READABLE", "STAGE", "PortraitMasksSettings", "build_portrait_masks"]

STAGE = "portrait_masks"
READABLE = frozenset({"no_person", "person"})
FALLBACK_NOTE = (
    "portraits were found by OpenCV's built-in detectors, not by U²-Net: many people, above all those not facing the "
    "camera, stay in the pictures"
)
PARTS_PER_BATCH = 4
"""How often the network is called for what the engine sends a worker at once; between two batches it waits."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a choice of network is run, and what is said of it."""

    recipe: str
    num_at_once: int
    num_processes: int
    num_gpus: int
    notes: list[str]
    about: dict[str, str]


def build_portrait_masks(store: Store, city: City, settings: PortraitMasksSettings) -> StageReport:
    """Mask the pictures that have no mask by this network and these settings yet, and nothing else.

    Raises:
        StageError: the weights, or the way of running them, are not to be had as asked.
    """
    with store.lock(city.key, STAGE):
        choice = choose_masker(store, settings)
        return run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_portrait_masks),
            settings=settings,
            inputs=table_inputs(store, city.key, [("curated_posts", "curated_posts")]),
            weights={choice.network: choice.weights_sha256},
            outputs=("portrait_masks", "drops"),
            work=partial(_work, store, city.key, settings, choice),
        )


def _work(store: Store, city: str, settings: PortraitMasksSettings, choice: MaskerChoice) -> Outcome:
    plan = _plan(settings, choice)
    pictures = picture_lists(store, city)
    forget_other_recipes(store, city, STAGE, plan.recipe)
    outcomes = picture_outcomes(store, city, STAGE)
    wanted = set(chain.from_iterable(pictures.values()))
    new = pa.table({"digest": pa.array(sorted(wanted - outcomes.keys()), pa.string())})
    schema = TABLES[STAGE].schema
    job = PictureJob(
        rows=with_addresses(store, new, "original"),
        result=schema.append(pa.field("num_frames", pa.int32())),
        make_worker=partial(make_mask_worker, settings, choice, plan.recipe, plan.num_at_once, plan.num_processes),
        batch_size=PARTS_PER_BATCH * plan.num_at_once,
        num_workers=plan.num_processes,
        num_gpus=plan.num_gpus,
        commit_every=settings.commit_every,
        title=f"{city} {STAGE}",
    )
    counted: Counter[str] = Counter()

    def commit(rows: pa.Table) -> None:
        store.tables.append(city, STAGE, rows.select(schema.names))
        outcomes.update(zip(rows["digest"].to_pylist(), rows["outcome"].to_pylist(), strict=True))
        counted["first_frame_only"] += pc.sum(pc.greater(rows["num_frames"], 1)).as_py()

    num_new = run_pictures(job, commit)
    drops = posts_without_picture(pictures, outcomes, READABLE)
    write_ledger(store, city, STAGE, drops, {})
    return Outcome(
        counts={
            "pictures": len(wanted),
            "new": num_new,
            **+counted,
            **count_values("pictures", map(outcomes.__getitem__, wanted)),
            **reason_counts(drops),
        },
        notes=plan.notes,
        about=plan.about,
    )


def _plan(settings: PortraitMasksSettings, choice: MaskerChoice) -> Plan:
    recipe = masks_recipe(settings, choice, STAGE, code_digest(make_mask_worker))
    about = {"network": choice.network, "weights_sha256": choice.weights_sha256}
    if choice.file is None:
        return Plan(
            recipe=recipe,
            num_at_once=AT_ONCE["cpu"],
            num_processes=settings.num_workers,
            num_gpus=0,
            notes=[f"{FALLBACK_NOTE} ({choice.why})"],
            about=about,
        )
    from models.vision.running import choose_running

    running = choose_running(settings.runtime, settings.precision, settings.device)
    return Plan(
        recipe=recipe,
        num_at_once=settings.batch_size or AT_ONCE[running.device],
        num_processes=1,
        num_gpus=int(running.device == "cuda"),
        notes=[],
        about={**about, "running": str(running)},
    )

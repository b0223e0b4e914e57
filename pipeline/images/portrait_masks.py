"""Stage `portrait_masks`: where the people are in every picture of the curated posts.

Reads  curated_posts, blobs/original
Writes portrait_masks (a row per picture), drops of posts none of whose pictures can be read

Law: its cost follows the new pictures; of what is stored it reads digests and outcomes, never a mask.
"""

from collections import Counter
from functools import partial
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.images.mask_worker import AT_ONCE, make_mask_worker
from pipeline.images.maskers import MaskerChoice, PortraitMasksSettings, choose_masker, masks_recipe
from pipeline.images.stages import PictureStage, WorkerPlan, picture_lists
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store

__all__ = ["READABLE", "STAGE", "PortraitMasksSettings", "build_portrait_masks"]

STAGE = "portrait_masks"
READABLE = frozenset({"no_person", "person"})
FALLBACK_NOTE = (
    "portraits were found by OpenCV's built-in detectors, not by U²-Net: many people, above all those not facing the "
    "camera, stay in the pictures"
)


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
    running = None if choice.file is None else settings.running()
    plan = WorkerPlan.of(settings, AT_ONCE, running)
    recipe = masks_recipe(settings, choice, STAGE, code_digest(make_mask_worker))
    stage = PictureStage(
        table=STAGE,
        recipe=recipe,
        make_worker=partial(make_mask_worker, settings, choice, recipe, plan.num_at_once, plan.num_processes),
        batch_size=plan.batch_size,
        num_workers=plan.num_processes,
        num_gpus=plan.num_gpus,
        commit_every=settings.commit_every,
        title=f"{city} {STAGE}",
        extra=(pa.field("num_frames", pa.int32()),),
    )
    pictures = picture_lists(store, city)
    counted: Counter[str] = Counter()

    def count_frames(rows: pa.Table) -> None:
        counted["first_frame_only"] += pc.sum(pc.greater(rows["num_frames"], 1)).as_py()

    run = stage.run(store, city, set(chain.from_iterable(pictures.values())), on_commit=count_frames)
    dropped = run.drop_posts(store, city, STAGE, pictures, READABLE)
    about = {"network": choice.network, "weights_sha256": choice.weights_sha256}
    return Outcome(
        counts={**run.counts(**+counted), **dropped},
        notes=[] if running else [f"{FALLBACK_NOTE} ({choice.why})"],
        about={**about, "running": str(running)} if running else about,
    )

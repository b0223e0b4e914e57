"""Stage `portrait_masks`: where the people are in every picture of the curated posts, and the worker that looks.

Reads  curated_posts; posts, images, drops for a picture of each of the posts made elsewhere; blobs/original
Writes portrait_masks (a row per picture), drops of posts none of whose pictures can be read

Law: its cost follows the new pictures; of what is stored it reads digests and outcomes, never a mask.
The worker has bytes of pictures in and rows of the table out. Threads decode the next pictures and write the last
masks while the network looks at those between; Pillow and OpenCV let go of the interpreter meanwhile.
Law: a picture that cannot be judged is a row with a reason, never an empty mask and never the end of its batch.
"""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.vision.masks import PortraitMask
from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.curate.elsewhere import elsewhere_pictures
from pipeline.images.maskers import (
    MaskerChoice,
    PortraitMasksSettings,
    as_it_runs,
    choose_masker,
    load_masker,
    masks_recipe,
)
from pipeline.images.stages import PictureStage, PortraitMasker, WorkerPlan, forget_found, picture_lists
from pipeline.picture_bytes import DecodedPicture, Mask, UnreadablePicture, decode_sized, encode_mask
from pipeline.stage import Outcome, StageReport, run_network_stage, table_inputs
from pipeline.store import Store
from pipeline.weights.registry import REGISTRY, YUNET

MAX_THREADS = 16
AT_ONCE = {"cpu": 4, "cuda": 32}
"""Pictures that a network is handed together where the settings do not say, by device."""
__all__ = ["READABLE", "STAGE", "PortraitMasksSettings", "build_portrait_masks"]
STAGE = "portrait_masks"
READABLE = frozenset({"no_person", "person"})
FALLBACK_NOTE = (
    "portraits were found by the built-in networks (faces and who is around them), not by U²-Net: people who show no "
    "face may stay in the pictures, and some things are masked as people"
)


class MaskWorker:
    """One row of `portrait_masks` per picture, and beside it `num_frames`, of which the first was taken.

    made_by: what every row says of its making. num_at_once: pictures that the network is handed together; as many
    more are decoded meanwhile.
    """

    def __init__(
        self,
        masker: PortraitMasker,
        made_by: dict[str, str],
        *,
        dilation_ratio: float,
        num_at_once: int,
        num_threads: int = 1,
    ) -> None:
        self._masker = masker
        self._made_by = made_by
        self._dilation_ratio = dilation_ratio
        self._num_at_once = num_at_once
        self._threads = ThreadPoolExecutor(num_threads)

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of the table, in the order of the pictures."""
        parts = [rows[start : start + self._num_at_once] for start in range(0, len(rows), self._num_at_once)]
        results: list[Future[dict[str, Any]]] = []
        ahead = self._start_decoding(parts[0]) if parts else []
        for part, following in zip(parts, [*parts[1:], []], strict=False):
            decoded = [picture.result() for picture in ahead]
            ahead = self._start_decoding(following)
            found = self._masks(decoded)
            results += [
                self._threads.submit(self._row, row["digest"], picture, mask)
                for row, picture, mask in zip(part, decoded, found, strict=True)
            ]
        return [result.result() for result in results]

    def _start_decoding(self, rows: Sequence[dict[str, Any]]) -> list[Future[DecodedPicture | str]]:
        return [self._threads.submit(_decoded, row["data"], self._masker.input_side_px) for row in rows]

    def _masks(self, decoded: Sequence[DecodedPicture | str]) -> list[PortraitMask | None]:
        """What the network says of each picture; None for one that could not be read."""
        readable = [picture for picture in decoded if isinstance(picture, DecodedPicture)]
        if not readable:
            return [None] * len(decoded)
        found = iter(self._masker([each.picture for each in readable], [each.size for each in readable]))
        return [next(found) if isinstance(picture, DecodedPicture) else None for picture in decoded]

    def _row(self, digest: str, picture: DecodedPicture | str, found: PortraitMask | None) -> dict[str, Any]:
        row = {"digest": digest, "portrait_ratio": None, "mask": None, "num_frames": 1, **self._made_by}
        if isinstance(picture, str):
            return {**row, "outcome": picture}
        assert found is not None
        row["num_frames"] = picture.num_frames
        if found.mask is None:
            return {**row, "outcome": found.reason}
        assert found.mask.shape == picture.size, f"a mask of {found.mask.shape} for a picture of {picture.size}"
        if not found.mask.any():
            return {**row, "outcome": "no_person", "portrait_ratio": 0.0}
        png = encode_mask(widen(found.mask, self._dilation_ratio))
        return {**row, "outcome": "person", "portrait_ratio": found.ratio, "mask": png}


def make_mask_worker(
    settings: PortraitMasksSettings, choice: MaskerChoice, recipe: str, num_at_once: int, num_processes: int
) -> MaskWorker:
    """The worker with its network loaded, for one of `num_processes` that share the cores of this machine."""
    made_by = {"network": choice.network, "weights_sha256": choice.weights_sha256, "recipe": recipe}
    num_threads = max(1, min(MAX_THREADS, (os.cpu_count() or 1) // num_processes))
    return MaskWorker(
        load_masker(choice, settings),
        made_by,
        dilation_ratio=settings.dilation_ratio,
        num_at_once=num_at_once,
        num_threads=num_threads,
    )


def widen(mask: Mask, dilation_ratio: float) -> Mask:
    """The mask with a border of `dilation_ratio` times the longer side around every person, cut at the picture's."""
    import cv2

    radius = round(dilation_ratio * max(mask.shape))
    if not radius or not mask.any():
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    rows, columns = (_widened_span(mask.any(axis=axis), radius) for axis in (1, 0))
    whole = np.zeros_like(mask)
    whole[rows, columns] = _with_disc(mask[rows, columns].astype(np.uint8), disc.sum(axis=1)[: radius + 1])
    return whole


def _with_disc(mask: NDArray[np.uint8], lengths: NDArray[Any]) -> NDArray[np.uint8]:
    """What cv2.dilate makes of a mask with a disc, in a fifth of its time; `lengths` of its rows from the tip on.

    Each row of the disc is as long as the one before or longer: the mask widened along its rows grows with it, and is
    moved up and down as a picture of bits.
    """
    import cv2

    height, width = mask.shape
    bits = np.packbits(mask, axis=1)
    widened, length = np.zeros_like(bits), 1
    for offset, wanted in zip(range(len(lengths) - 1, -1, -1), map(int, lengths), strict=True):
        if wanted > length:
            mask, length = cv2.dilate(mask, np.ones((1, wanted - length + 1), dtype=np.uint8)), wanted
            bits = np.packbits(mask, axis=1)
        offset = min(offset, height)
        widened[offset:] |= bits[: height - offset]
        widened[: height - offset] |= bits[offset:]
    return np.unpackbits(widened, axis=1, count=width)


def _widened_span(is_there: Any, radius: int) -> slice:
    found = np.flatnonzero(is_there)
    return slice(max(0, int(found[0]) - radius), int(found[-1]) + radius + 1)


def _decoded(data: bytes | None, min_side_px: int | None) -> DecodedPicture | str:
    """The picture, or the reason why it cannot be read."""
    try:
        return decode_sized(data, min_side_px)
    except UnreadablePicture as unreadable:
        return unreadable.reason


def build_portrait_masks(store: Store, city: City, settings: PortraitMasksSettings) -> StageReport:
    """Mask the pictures that have no mask by this network and these settings yet, and nothing else.

    Raises:
        StageError: the weights, or the way of running them, are not to be had as asked.
    """
    with store.lock(city.key, STAGE):
        store.mend(city.key, STAGE)
        forget_found(store, city.key, STAGE)
        return run_network_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_portrait_masks),
            settings=settings,
            inputs=table_inputs(store, city.key, [("curated_posts", "curated_posts"), ("drops", "curated_posts")]),
            choose=partial(_chosen, store, city.key, settings),
            weights=_weights,
            outputs=("portrait_masks", "drops"),
            work=partial(_work, store, city.key, settings),
        )


def _chosen(store: Store, city: str, settings: PortraitMasksSettings) -> MaskerChoice:
    choice = choose_masker(store, settings)
    if settings.precision != "int8" or store.stage_record(city, "curated_posts") is None:
        return choice
    from pipeline.images.int8_masks import with_int8

    return with_int8(store, city, settings, choice)


def _weights(choice: MaskerChoice) -> dict[str, str]:
    in_int8 = choice.file.recipe() if choice.file else []
    return {choice.network: choice.weights_sha256, **{f"{choice.network} in int8": sha256 for sha256 in in_int8}}


def _work(store: Store, city: str, settings: PortraitMasksSettings, choice: MaskerChoice) -> Outcome:
    settings = as_it_runs(settings, choice)
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

    wanted = elsewhere_pictures(store, city).union(*pictures.values())
    run = stage.run(store, city, wanted, on_commit=count_frames)
    dropped = run.drop_posts(store, city, STAGE, pictures, READABLE)
    about = {"network": choice.network, "weights_sha256": choice.weights_sha256}
    if choice.file is None:
        about |= {"face_detector": YUNET, "face_detector_sha256": str(REGISTRY[YUNET].sha256)}
    int8 = choice.file.int8 if choice.file else None
    if int8 is not None:
        about |= {"int8": int8.about, "int8_sha256": int8.sha256}
    return Outcome(
        counts={**run.counts(**+counted), **dropped},
        notes=([] if running else [f"{FALLBACK_NOTE} ({choice.why})"]) + ([int8.about] if int8 is not None else []),
        about={**about, "running": str(running)} if running else about,
    )

"""Stage `clean_images`: pictures without people, rebuilt from pixels, and the worker that fills them.

Reads  curated_posts, portrait_masks; posts, images, drops for a picture of each of the posts made elsewhere;
       blobs/original; of a synthetic city where its generator drew people, to measure
Writes clean_images (a row per picture), blobs/clean, drops of posts that keep no picture, face_recall/

A picture that people fill to more than `max_portrait_ratio` is dropped; in the others the people are filled, and a
face gate looks at the result. Law: its cost follows the new pictures; of what is stored it reads digests and outcomes,
never a mask.
The worker decodes a picture once; its pixels serve the filling, the second filling and stay in memory only. Threads
decode the next pictures and look at the last ones, each with a face gate of its own, while the network fills those
between. The gate looks twice: at an original that has a mask, for people whose head or chest the mask leaves open, and
at the clean picture. A face that it finds takes the person below it into the mask to be filled once more, or drops
the picture.
Law: outside its mask every pixel is the original's before it is encoded; nothing reaches the store but what the gate
saw, as bytes that were decoded again, and found no face in; a fault of one picture is a row with a reason.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.curate.elsewhere import elsewhere_pictures
from pipeline.images.face_detectors import Box
from pipeline.images.face_gate import OFF, FaceGate, GateChoice, load_gate
from pipeline.images.face_recall import NOT_SHOWN, recall_of, recall_text
from pipeline.images.fillers import CleanImagesSettings, FillerChoice, choose_filler, fill_recipe, load_filler
from pipeline.images.people_left import people_left
from pipeline.images.portrait_masks import READABLE
from pipeline.images.stages import Inpainter, PictureStage, WorkerPlan, forget_found, picture_lists, picture_outcomes
from pipeline.images.whole_people import is_masked
from pipeline.lost_pictures import lost_pictures
from pipeline.picture_bytes import (
    Mask,
    Picture,
    UnreadablePicture,
    decode_mask,
    decode_picture,
    encode_clean,
)
from pipeline.records import TABLES
from pipeline.stage import Outcome, StageReport, run_network_stage, table_inputs
from pipeline.store import Store
from pipeline.store.blobs import Blobs

if TYPE_CHECKING:
    from models.settings.machine import Running


MAX_THREADS = 16
AT_ONCE = {"cpu": 4, "cuda": 16}
"""Pictures that a network is handed together where the settings do not say, by device."""

MOSTLY_PERSON, FACE_LEFT, NOT_FINITE, BAD_MASK = "mostly_person", "face_left", "not_finite", "bad_mask"
UNCHANGED, FILLED, FILLED_AGAIN = "unchanged", "filled", "filled_again"
__all__ = ["KEPT", "STAGE", "CleanImagesSettings", "build_clean_images"]
STAGE = "clean_images"
KEPT = frozenset({UNCHANGED, FILLED, FILLED_AGAIN})
FALLBACK_NOTE = "holes were filled by OpenCV's inpainting, not by LaMa: filled areas look smeared"
OFF_NOTE = "nothing looked for faces in the clean pictures"


log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class Work:
    """A picture on its way: its pixels and mask (None where there is no person), and what became of it so far.

    clean: the pixels after filling. encoded: the bytes of these. faces: what the gate found in those bytes, or before
    in the original.
    """

    outcome: str
    picture: Picture | None = None
    mask: Mask | None = None
    clean: Picture | None = None
    encoded: bytes | None = None
    faces: tuple[Box, ...] = ()


class FillWorker:
    """One row of `clean_images` per picture.

    made_by: what every row says of its making. num_at_once: pictures that the network is handed together; as many
    more are decoded meanwhile.
    """

    def __init__(
        self,
        inpainter: Inpainter,
        gate: GateChoice,
        blobs: Blobs,
        made_by: dict[str, str],
        *,
        max_portrait_ratio: float,
        jpeg_quality: int,
        num_at_once: int,
        num_threads: int = 1,
    ) -> None:
        self._inpainter = inpainter
        self._gates: SimpleQueue[FaceGate] = SimpleQueue()  # OpenCV's detectors are not safe between threads
        for _ in range(num_threads):
            self._gates.put(load_gate(gate))
        self._blobs = blobs
        self._made_by = made_by
        self._max_portrait_ratio = max_portrait_ratio
        self._jpeg_quality = jpeg_quality
        self._num_at_once = num_at_once
        self._threads = ThreadPoolExecutor(num_threads)

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of the table, in the order of the pictures."""
        parts = [rows[start : start + self._num_at_once] for start in range(0, len(rows), self._num_at_once)]
        checks: list[Future[Work]] = []
        ahead = self._start_decoding(parts[0]) if parts else []
        for following in [*parts[1:], []] if parts else []:
            decoded = [work.result() for work in ahead]
            ahead = self._start_decoding(following)
            checks += [self._threads.submit(self._checked, work) for work in self._fill(decoded, FILLED)]
        done = self._again([check.result() for check in checks])
        digests = [row["digest"] for row in rows]
        return list(self._threads.map(self._row, digests, done))

    def _start_decoding(self, rows: Sequence[dict[str, Any]]) -> list[Future[Work]]:
        return [self._threads.submit(self._decoded, row) for row in rows]

    def _decoded(self, row: dict[str, Any]) -> Work:
        if row["portrait_ratio"] > self._max_portrait_ratio:
            return Work(outcome=MOSTLY_PERSON)
        try:
            picture = decode_picture(row["data"])
        except UnreadablePicture as unreadable:
            return Work(outcome=unreadable.reason)
        mask = decode_mask(row["mask"]) if row["mask"] is not None else None
        if mask is not None and mask.shape != picture.shape[:2]:
            return Work(outcome=BAD_MASK)
        if mask is not None and mask.all():
            return Work(outcome=MOSTLY_PERSON)
        if mask is None or not mask.any():  # the clean picture will be the original: one look is enough
            return Work(outcome=UNCHANGED, picture=picture)
        left = tuple(face for face in self._faces(picture) if not is_masked(mask, face))
        return self._with_people(Work(outcome=UNCHANGED, picture=picture, mask=mask, faces=left))

    def _fill(self, works: Sequence[Work], outcome: str) -> list[Work]:
        """Fill those that have a mask, together; the others are clean as they are."""
        to_fill = [(work.picture, work.mask) for work in works if work.picture is not None and work.mask is not None]
        pictures, masks = [picture for picture, _ in to_fill], [mask for _, mask in to_fill]
        filled = iter(self._inpainter(pictures, masks) if to_fill else [])
        return [
            replace(work, clean=work.picture) if work.mask is None else _filled(work, next(filled), outcome)
            for work in works
        ]

    def _checked(self, work: Work) -> Work:
        """Encode a clean picture, decode it again as whoever gets it will, and look for faces in that."""
        if work.clean is None:
            return work
        encoded = encode_clean(work.clean, self._jpeg_quality)
        return replace(work, encoded=encoded, faces=self._faces(decode_picture(encoded)), clean=None)

    def _faces(self, picture: Picture) -> tuple[Box, ...]:
        with self._gate() as gate:
            return tuple(gate.find([picture])[0])

    @contextmanager
    def _gate(self) -> Iterator[FaceGate]:
        """One that no other thread has meanwhile."""
        gate = self._gates.get()
        try:
            yield gate
        finally:
            self._gates.put(gate)

    def _again(self, works: list[Work]) -> list[Work]:
        """Mask and fill once more where faces were found, and drop what still shows one."""
        found = [number for number, work in enumerate(works) if work.faces]
        done = list(works)
        for start in range(0, len(found), self._num_at_once):
            numbers = found[start : start + self._num_at_once]
            masked = self._threads.map(self._with_people, [works[number] for number in numbers])
            again = self._fill(list(masked), FILLED_AGAIN)
            checks = [self._threads.submit(self._checked, work) for work in again]
            for number, check in zip(numbers, checks, strict=True):
                work = check.result()
                done[number] = Work(outcome=FACE_LEFT) if work.faces else work
        return done

    def _with_people(self, work: Work) -> Work:
        """The original picture, the people of the faces masked too; dropped where little else would be left."""
        assert work.picture is not None
        if not work.faces:
            return work
        mask = work.mask if work.mask is not None else np.zeros(work.picture.shape[:2], dtype=np.bool_)
        with self._gate() as gate:
            mask = gate.with_people(mask, work.picture, work.faces)
        if mask.mean() > self._max_portrait_ratio or mask.all():
            return Work(outcome=MOSTLY_PERSON)
        return Work(outcome=UNCHANGED, picture=work.picture, mask=mask)

    def _row(self, digest: str, work: Work) -> dict[str, Any]:
        clean_digest = self._blobs.put("clean", work.encoded) if work.encoded is not None else None
        return {"digest": digest, "outcome": work.outcome, "clean_digest": clean_digest, **self._made_by}


def make_fill_worker(
    store: Store,
    settings: CleanImagesSettings,
    choice: FillerChoice,
    recipe: str,
    num_at_once: int,
    num_processes: int,
) -> FillWorker:
    """The worker with its network loaded, for one of `num_processes` that share the cores of this machine."""
    import cv2

    cv2.setNumThreads(1)  # the threads are the worker's own; OpenCV's would wait for one another
    made_by = {"inpainter": choice.network, "weights_sha256": choice.weights_sha256, "recipe": recipe}
    return FillWorker(
        load_filler(choice, settings),
        choice.gate,
        store.blobs,
        made_by,
        max_portrait_ratio=settings.max_portrait_ratio,
        jpeg_quality=settings.jpeg_quality,
        num_at_once=num_at_once,
        num_threads=max(1, min(MAX_THREADS, (os.cpu_count() or 1) // num_processes)),
    )


def _filled(work: Work, clean: Picture | None, outcome: str) -> Work:
    return Work(outcome=NOT_FINITE) if clean is None else replace(work, outcome=outcome, clean=clean)


def build_clean_images(store: Store, city: City, settings: CleanImagesSettings) -> StageReport:
    """Clean the pictures that have no row by this network and gate, these settings and their mask yet, and no others.

    Raises:
        StageError: the weights, the face gate, or the way of running them are not to be had as asked.
    """
    with store.lock(city.key, STAGE):
        _forget_lost(store, city.key)
        return run_network_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_clean_images),
            settings=settings,
            inputs=table_inputs(
                store,
                city.key,
                [("curated_posts", "curated_posts"), ("drops", "curated_posts"), ("portrait_masks", "portrait_masks")],
            ),
            choose=partial(choose_filler, store, settings),
            weights=lambda choice: {
                choice.network: choice.weights_sha256,
                choice.gate.network: choice.gate.weights_sha256,
            },
            outputs=("clean_images", "drops"),
            work=partial(_work, store, city, settings),
        )


def _forget_lost(store: Store, city: str) -> None:
    """Forget the rows whose clean picture is lost, or whose original is there again: they are made again."""
    store.mend(city, STAGE)
    forget_found(store, city, STAGE)
    lost = lost_pictures(store, city, "clean", STAGE, "clean_digest")
    if lost:
        log.warning("%s: clean pictures are gone from the store and made again: %d", city, len(lost))
        store.tables.remove(city, STAGE, "clean_digest", lost)


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
    masked = picture_outcomes(store, city.key, "portrait_masks")
    pictures = _readable(picture_lists(store, city.key), masked)
    wanted = set(chain.from_iterable(pictures.values()))
    elsewhere = {digest for digest in elsewhere_pictures(store, city.key) if masked.get(digest) in READABLE}
    run = stage.run(store, city.key, wanted | elsewhere, inputs=partial(_masks, store, city.key))
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
    return [f"{OFF_NOTE} ({gate.why})"] if gate.network == OFF else []


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

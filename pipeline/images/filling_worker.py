"""The worker of `clean_images`: bytes and masks of pictures in, rows of the table out, clean pictures into the store.

A picture is decoded once; its pixels serve the filling, the second filling and stay in memory only. Threads decode the
next pictures and look at the last ones, each with a face gate of its own, while the network fills those between.
The gate looks twice: at an original that has a mask, for people whose head or chest the mask leaves open, and at the
clean picture. A face that it finds takes the person below it into the mask, or drops the picture.
Law: outside its mask every pixel is the original's before it is encoded; nothing reaches the store but what the gate
saw, as bytes that were decoded again, and found no face in; a fault of one picture is a row with a reason.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import numpy as np

from pipeline.images.decode import (
    Mask,
    Picture,
    UnreadablePicture,
    decode_mask,
    decode_picture,
    encode_clean,
)
from pipeline.images.face_gate import FaceGate, GateChoice, load_gate
from pipeline.images.fillers import CleanImagesSettings, FillerChoice, load_filler
from pipeline.images.haar_faces import Box
from pipeline.images.stages import Inpainter
from pipeline.images.whole_people import is_masked, with_people
from pipeline.store import Store
from pipeline.store.blobs import Blobs

MAX_THREADS = 16
AT_ONCE = {"cpu": 4, "cuda": 16}
"""Pictures that a network is handed together where the settings do not say, by device."""

MOSTLY_PERSON, FACE_LEFT, NOT_FINITE, BAD_MASK = "mostly_person", "face_left", "not_finite", "bad_mask"
UNCHANGED, FILLED, FILLED_AGAIN = "unchanged", "filled", "filled_again"


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
        gate = self._gates.get()
        try:
            return tuple(gate.find([picture])[0])
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
        mask = with_people(mask, work.picture, work.faces)
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

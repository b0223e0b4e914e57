"""What every stage that runs a network over pictures shares: `PictureStage` computes the rows that are missing.

Beside it: the interfaces of the networks, how many workers run them, and which posts lose their last picture.
Law: the cost of a stage follows its new pictures; of what is stored it reads digests, recipes and outcomes, never a
mask or a vector.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from models.vision.masks import PortraitMask
from pipeline.engine import PictureJob, PictureWorker, blob_addresses, run_pictures
from pipeline.errors import StageError
from pipeline.ledger import reason_counts, write_ledger
from pipeline.lost_pictures import BLOB, GONE, WholePictures, damaged_pictures, lost_sentence
from pipeline.networks import ImageStageSettings
from pipeline.picture_bytes import Mask, Picture
from pipeline.records import TABLES
from pipeline.stage import count_values
from pipeline.store import Store
from pipeline.store.blobs import Kind

if TYPE_CHECKING:
    from models.settings.machine import Running

BATCHES_PER_CALL = 4
"""How often the network is called for what the engine hands a worker at once; between two such calls it waits."""


log = logging.getLogger("mrlf")


class PortraitMasker(Protocol):
    """Finds people: decoded pictures in, a mask of the size asked for each out, or the reason why there is none.

    input_side_px: the side at which it looks at pictures: smaller copies of that side do; None: it wants them whole.
    """

    network: str
    weights_sha256: str
    input_side_px: int | None

    def __call__(self, pictures: Sequence[Picture], sizes: Sequence[tuple[int, int]]) -> list[PortraitMask]:
        """Masks of these heights and widths, True = person; a picture without people gives an all-False mask."""
        ...


class Inpainter(Protocol):
    """Fills holes: decoded pictures and masks in, pictures of equal size out."""

    network: str
    weights_sha256: str

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture | None]:
        """Filled pictures; outside the masks every pixel is the input's.

        None where what the network answered is not finite: a fault of that picture, not of its batch.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """How a network is run over pictures: how many it sees at once, in how many processes, and on how many GPUs."""

    num_at_once: int
    num_processes: int = 1
    num_gpus: int = 0

    @classmethod
    def of(cls, settings: ImageStageSettings, at_once: Mapping[str, int], running: "Running | None") -> "WorkerPlan":
        """One process for a network, several for the built-in way (`running` is None); `at_once` is by device."""
        if running is None:
            return cls(num_at_once=at_once["cpu"], num_processes=settings.num_workers)
        return cls(num_at_once=settings.batch_size or at_once[running.device], num_gpus=int(running.device == "cuda"))

    @property
    def batch_size(self) -> int:
        """Pictures that the engine hands a worker at once."""
        return BATCHES_PER_CALL * self.num_at_once


@dataclass(frozen=True, kw_only=True)
class PictureRun:
    """What a run came to: the outcome of every picture by its digest, and how many rows are new."""

    wanted: frozenset[str]
    outcomes: Mapping[str, str]
    num_new: int

    def counts(self, **new: int) -> dict[str, int]:
        """Pictures, new rows (`new`: what else was counted of these), and how often each outcome occurs."""
        occurring = count_values("pictures", map(self.outcomes.__getitem__, self.wanted))
        return {"pictures": len(self.wanted), "new": self.num_new, **new, **occurring}

    def drop_posts(
        self, store: Store, city: str, stage: str, pictures: Mapping[str, list[str]], kept: frozenset[str]
    ) -> dict[str, int]:
        """Put posts of which no picture has an outcome in `kept` into the ledger; their number by reason."""
        drops = posts_without_picture(pictures, self.outcomes, kept)
        write_ledger(store, city, stage, drops, {})
        return reason_counts(drops)


@dataclass(frozen=True, kw_only=True)
class PictureStage:
    """A table with one row per picture, made by a network: what is missing is computed, the rest stays.

    recipe: the digest of all that a row depends on. Every row carries its own; one of another recipe is made anew.
    make_worker: see `PictureJob`. key: the column of the pictures' digests. also: the other columns of a row's key,
    and their values here. blobs: digest -> digest of the blob that the worker sees, where that is another one.
    extra: fields that the worker returns beside the table's.
    """

    table: str
    recipe: str
    make_worker: Callable[[], PictureWorker]
    batch_size: int
    commit_every: int
    title: str
    num_workers: int = 1
    num_gpus: int = 0
    kind: Kind = "original"
    key: str = "digest"
    also: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[pa.Field, ...] = ()

    def outcomes(self, store: Store, city: str) -> dict[str, str]:
        """The outcome of every picture that has a row of this recipe, by its digest."""
        return picture_outcomes(store, city, self.table, self.key, pc.field("recipe") == self.recipe)

    def run(
        self,
        store: Store,
        city: str,
        wanted: Collection[str],
        *,
        inputs: Callable[[list[str]], pa.Table] | None = None,
        on_commit: Callable[[pa.Table], None] | None = None,
    ) -> PictureRun:
        """Remove rows of other recipes, compute the pictures of `wanted` that have no row, commit them as they come.
        One whose original is lost has a row that says so; without a clean picture there is none.

        inputs: the rows that the worker gets for these digests, by default the digests alone.
        on_commit: called with the worker's rows after each commit.

        Raises:
            StageError: clean pictures are lost.
        """
        same = "".join(f"{name} = '{value}' and " for name, value in self.also.items())
        store.tables.delete(city, self.table, f"{same}recipe <> '{self.recipe}'")
        outcomes = self.outcomes(store, city)
        new = sorted(set(wanted) - outcomes.keys())
        rows = inputs(new) if inputs else pa.table({self.key: pa.array(new, pa.string())})
        columns = TABLES[self.table].schema

        lost: set[str] = set()

        def commit(results: pa.Table) -> None:
            is_lost = pc.equal(results["outcome"], GONE)
            lost.update(self.blobs.get(digest, digest) for digest in results.filter(is_lost)[self.key].to_pylist())
            if self.kind == "clean":  # it can be made again, and then has its row
                results = results.filter(pc.invert(is_lost))
            store.tables.append(city, self.table, results.select(columns.names))
            outcomes.update(zip(results[self.key].to_pylist(), results["outcome"].to_pylist(), strict=True))
            if on_commit:
                on_commit(results)

        num_new = run_pictures(self._job(store, rows, columns), commit)
        damaged_pictures(store, self.kind, lost)
        if lost and self.kind == "clean":
            raise StageError(lost_sentence(city, self.kind, lost, f"which {self.table} looks at"))
        if lost:
            log.warning("%s", lost_sentence(city, self.kind, lost, f"and have a row without a result in {self.table}"))
        return PictureRun(wanted=frozenset(wanted), outcomes=outcomes, num_new=num_new)

    def blob_path(self, store: Store, digest: str) -> Path:
        """Where the bytes are that the worker sees of this picture."""
        return store.blobs.path(self.kind, self.blobs.get(digest, digest))

    def _job(self, store: Store, rows: pa.Table, columns: pa.Schema) -> PictureJob:
        digests = rows[self.key].to_pylist()
        addresses = blob_addresses([self.blob_path(store, digest) for digest in digests])
        blobs = pa.array([self.blobs.get(digest, digest) for digest in digests], pa.string())
        return PictureJob(
            rows=rows.append_column("address", pa.array(addresses, pa.string())).append_column(BLOB, blobs),
            result=pa.schema([*columns, *self.extra]),
            make_worker=partial(WholePictures, self.make_worker),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            num_gpus=self.num_gpus,
            commit_every=self.commit_every,
            title=self.title,
        )


def forget_found(store: Store, city: str, table: str) -> None:
    """Forget the rows of originals that were lost and are there again, so that the stage looks at them."""
    record = store.stage_record(city, table)
    if record is not None and record.counts.get(f"pictures/{GONE}"):
        lost = picture_outcomes(store, city, table, where=pc.field("outcome") == GONE)
        found = {digest for digest in lost if store.blobs.path("original", digest).is_file()}
        store.tables.remove(city, table, "digest", found)


def picture_lists(store: Store, city: str) -> dict[str, list[str]]:
    """The digests of each curated post's pictures, in carousel order."""
    return _columns(store, city, "curated_posts", "post_key", "image_digests")


def picture_outcomes(
    store: Store, city: str, table: str, key: str = "digest", where: pc.Expression | None = None
) -> dict[str, str]:
    """The outcome of every picture in `table` (for which `where` holds) by its digest; nothing else of it is read."""
    return _columns(store, city, table, key, "outcome", where)


def clean_digests(store: Store, city: str) -> dict[str, str | None]:
    """The digest of the clean picture of every original, by the original's; None where none is released."""
    return _columns(store, city, "clean_images", "digest", "clean_digest")


def posts_without_picture(
    pictures: Mapping[str, list[str]], outcomes: Mapping[str, str], good: frozenset[str]
) -> dict[str, str]:
    """Posts of which no picture has a good outcome -> the outcome of their first picture."""
    kept = {digest for digest, outcome in outcomes.items() if outcome in good}
    return {post_key: outcomes[digests[0]] for post_key, digests in pictures.items() if kept.isdisjoint(digests)}


def _columns(
    store: Store, city: str, table: str, key: str, value: str, where: pc.Expression | None = None
) -> dict[str, Any]:
    """One column of a table by another one, without reading the rest."""
    found: dict[str, Any] = {}
    for rows in store.tables.batches(city, table, [key, value], where):
        found.update(zip(rows[key].to_pylist(), rows[value].to_pylist(), strict=True))
    return found

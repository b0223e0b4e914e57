"""One cell of a study: a candidate trained with its settings on a variant of the data, with a split and a seed.

Reads  study/<city>/cells/<digest>/
Writes study/<city>/cells/<digest>/: result.json, predictions.parquet, and last of all manifest.json
Law: the digest holds the contents of the samples, the settings that are in effect and the code: equal
digest, equal cell. A folder without its manifest is not a cell; a failed cell leaves none and is tried again.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.code_digest import code_digest
from pipeline.store import Store
from pipeline.store.digests import bytes_digest, json_digest
from pipeline.store.files import IncompleteFolderError, seal, unseal
from pipeline.study.splits import SplitKind

if TYPE_CHECKING:
    from pipeline.study.variants import Parts

RESULT, PREDICTIONS = "result.json", "predictions.parquet"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is trained on what; `settings` differ from the candidate's preset."""

    candidate: str
    variant: str
    split: SplitKind
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The same for equal cells; what a plan knows before it has seen any data."""
        return json_digest(dataclasses.asdict(self))

    def describe(self) -> str:
        """In a few words, for logs."""
        settings = ", ".join(f"{name}={_text(value)}" for name, value in sorted(self.settings.items()))
        parts = [self.candidate, settings, self.variant, f"split by {self.split}", f"seed {self.seed}"]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell came to: its figures on all its test posts, and for each of these what was predicted."""

    about: dict[str, Any]
    predictions: pa.Table


@dataclass(frozen=True, kw_only=True)
class SplitDigests:
    """The digests of a cell's samples, which are the same for many cells."""

    train: str
    validation: str
    test: str
    num_train: int

    @classmethod
    def of(cls, parts: "Parts") -> "SplitDigests":
        """Of the samples themselves."""
        test = bytes_digest(parts.test.sha256().encode() + parts.is_complete.tobytes())
        return cls(
            train=parts.train.sha256(), validation=parts.validation.sha256(), test=test, num_train=len(parts.train)
        )


def code_of_cells() -> str:
    """The digest of the code that trains, predicts and scores: one for all candidates."""
    from models.candidates import fit_candidate
    from models.evaluation.metrics import errors_km, score

    return json_digest([code_digest(thing) for thing in (fit_candidate, score, errors_km)])


def cell_digest(cell: Cell, seen: SplitDigests, resolved: dict[str, Any], *, code: str) -> str:
    """The digest of a cell; `resolved` are the settings in effect, as far as they are known, and the weights.

    code: `code_of_cells`.
    """
    return json_digest(
        {
            "version": code,
            "candidate": cell.candidate,
            "seed": cell.seed,
            "settings": resolved,
            "train": seen.train,
            "validation": seen.validation,
            "test": seen.test,
        }
    )


def cells_folder(store: Store, city: str) -> Path:
    """Where the cells of a city lie."""
    return store.study_folder(city) / "cells"


def read_cell(folder: Path) -> CellResult | None:
    """The cell in a folder; None where it is not complete, or not what its manifest says."""
    try:
        manifest = unseal(folder)
        if manifest is None:
            return None
        manifest.verify()
    except IncompleteFolderError:
        return None
    about = json.loads((folder / RESULT).read_text())
    return CellResult(about=about, predictions=pq.read_table(folder / PREDICTIONS))


def write_cell(folder: Path, about: dict[str, Any], predictions: pa.Table) -> None:
    """Write a cell, its manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).write_text(json.dumps(about, indent=1, sort_keys=True))
    pq.write_table(predictions, folder / PREDICTIONS, compression="zstd")
    seal(folder, {"cell": about["cell"]}, [RESULT, PREDICTIONS])


def _text(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

"""The work on one cell, in whatever process it runs: make the samples, train, predict, score.

The test posts are predicted once, after everything is chosen; scores of parts of them are taken from the stored
predictions.
"""

import dataclasses
import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.cities import City
from pipeline.release.read import latest_release
from pipeline.release.split import SPLITS
from pipeline.store import Store
from pipeline.study.cells import Cell, SplitDigests, cell_digest, cells_folder, code_of_cells, write_cell
from pipeline.study.features import FeatureSource
from pipeline.study.pixels import starting_weights, with_pixels
from pipeline.study.study_data import source_of
from pipeline.study.study_pictures import check_clean
from pipeline.study.variants import Parts, StudyData
from pipeline.training.settings import TrainMrlfSettings

if TYPE_CHECKING:
    from models.candidates import Candidate

log = logging.getLogger("mrlf")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """How cells are computed here, which is no part of what they come to."""

    device: str = "auto"
    num_threads: int | None = 1


class CellRunner:
    """A city's data, read once, and the cells that are made of it."""

    def __init__(self, store: Store, city: City, machine: Machine) -> None:
        self.store, self.city, self.machine = store, city, machine
        self.data = StudyData(store, city, latest_release(store, city.key))
        self._sources: dict[str | None, FeatureSource] = {}
        self._seen: dict[tuple[object, ...], SplitDigests] = {}

    def folder(self, digest: str) -> Path:
        """Where the cell of this digest lies."""
        return cells_folder(self.store, self.city.key) / digest

    def digest(self, cell: Cell) -> str:
        """The digest of a cell.

        Raises:
            ValueError: its data, weights or settings are not to be had; the message is the reason of its row.
        """
        where = (cell.variant, cell.split, cell.seed, self._backbone(cell))
        if where not in self._seen:
            self._seen[where] = SplitDigests.of(self._parts(cell))
        seen = self._seen[where]
        return cell_digest(cell, seen, self._resolved(cell, seen.num_train), code=code_of_cells())

    def compute(self, cell: Cell, digest: str) -> float:
        """Train, predict, score and store; the seconds it took.

        Raises:
            ValueError: it cannot be computed; the message is the reason of its row.
        """
        from models.candidates import CANDIDATES, Setup, fit_candidate

        started = time.monotonic()
        candidate, parts = CANDIDATES[cell.candidate], self._parts(cell)
        setup = Setup(
            num_classes=self.data.num_classes,
            class_lat_C=self.data.class_latitudes,
            class_lng_C=self.data.class_longitudes,
            seed=cell.seed,
            device=self.machine.device,
            num_threads=self.machine.num_threads,
        )
        settings = dict(cell.settings)
        if candidate.needs_pixels:
            parts, settings = self._with_pixels(parts, candidate, settings)
        folder = self.folder(digest)
        fitted = fit_candidate(
            cell.candidate,
            parts.train,
            parts.validation,
            setup,
            settings=settings,
            checkpoint_dir=folder / "checkpoint" if candidate.is_network else None,
        )
        proba = fitted.predict_proba(parts.test)
        seconds = time.monotonic() - started
        about = self._about(cell, candidate, parts, fitted, proba, seconds)
        write_cell(folder, about, self._predictions(parts, proba))
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return seconds

    def _parts(self, cell: Cell) -> Parts:
        return self.data.parts(cell.variant, cell.split, cell.seed, self._backbone(cell))

    def _backbone(self, cell: Cell) -> str | None:
        """What the features that a candidate reads are called; None where they are the city's own."""
        from models.candidates import CANDIDATES

        backbone = CANDIDATES[cell.candidate].backbone
        return None if backbone is None else self.source(backbone).name

    def _features(self, candidate: "Candidate") -> str:
        """The name of the network for pictures: the one that is trained further, or the one of the features."""
        name = candidate.weights or candidate.backbone
        return self.data.vectors.backbone if name is None else self.source(name).name

    def source(self, backbone: str | None) -> FeatureSource:
        """The network of this name, by default the city's own, with the weights that are to be had."""
        if backbone not in self._sources:
            self._sources[backbone] = source_of(self.store, self.city, backbone)
        return self._sources[backbone]

    def _resolved(self, cell: Cell, num_train: int) -> dict[str, Any]:
        """The settings in effect, all of them, so that a changed preset is another cell."""
        from models.candidates import CANDIDATES, preset_fields

        preset = cell.settings.get("preset", "auto")
        resolved: dict[str, Any] = {
            "given": cell.settings,
            "preset": preset_fields(cell.candidate, preset, num_train),
            "backbone": self._backbone(cell),
        }
        if cell.candidate == "mrlf":
            given = {name: value for name, value in cell.settings.items() if name != "preset"}
            size = "auto" if preset == "best" else preset
            network, training = TrainMrlfSettings(preset=size, **given).configs(num_train)
            resolved = {
                "preset": "best" if preset == "best" else None,
                "network": dataclasses.asdict(network),
                "training": dataclasses.asdict(training),
            }
        if CANDIDATES[cell.candidate].needs_pixels:
            resolved["look"] = self.source(CANDIDATES[cell.candidate].weights).config()
        return resolved

    def _with_pixels(
        self, parts: Parts, candidate: "Candidate", settings: dict[str, Any]
    ) -> tuple[Parts, dict[str, Any]]:
        """The pictures themselves, and the weights to begin with."""
        source = self.source(candidate.weights)
        splits = {split: getattr(parts, split) for split in SPLITS}
        keys = [key for samples in splits.values() for key in samples.keys]
        check_clean(self.store, self.city.key, self.data.clean_digests(keys))
        shown = {
            split: with_pixels(self.store, self.data, samples, source, num_threads=self.machine.num_threads)
            for split, samples in splits.items()
        }
        return Parts(**shown, is_complete=parts.is_complete), {**settings, "weights": starting_weights(source)}

    def _about(
        self, cell: Cell, candidate: "Candidate", parts: Parts, fitted: Any, proba: Any, seconds: float
    ) -> dict[str, Any]:
        from models.evaluation.metrics import score

        scores = score(proba, parts.test.labels_N, self.data.class_latitudes, self.data.class_longitudes)
        return {
            "cell": dataclasses.asdict(cell),
            "title": candidate.title,
            "features": self._features(candidate),
            "num_train": len(parts.train),
            "num_validation": len(parts.validation),
            "num_test": len(parts.test),
            "num_parameters": getattr(fitted, "num_parameters", None),
            "epochs": len(getattr(fitted, "history", ())),
            "best_epoch": getattr(fitted, "best_epoch", None),
            "device": getattr(fitted, "device", "cpu"),
            "seconds": round(seconds, 2),
            "scores": dataclasses.asdict(scores),
        }

    def _predictions(self, parts: Parts, proba: "np.ndarray[Any, Any]") -> pa.Table:
        """One row per test post: what was predicted, how far off that was, and the rank of the true place from 1."""
        from models.evaluation.metrics import errors_km

        test, predicted = parts.test, proba.argmax(axis=1)
        own = np.take_along_axis(proba, test.labels_N[:, None], axis=1)
        is_lower = np.arange(proba.shape[1]) < test.labels_N[:, None]
        ahead = (proba > own) | ((proba == own) & is_lower)
        errors = errors_km(predicted, test.labels_N, self.data.class_latitudes, self.data.class_longitudes)
        return pa.table(
            {
                "post_key": test.keys,
                "user_key": test.groups,
                "label": test.labels_N,
                "predicted": predicted,
                "rank": ahead.sum(axis=1) + 1,
                "error_km": errors,
                "confidence": proba.max(axis=1),
                "is_complete": parts.is_complete,
            }
        )

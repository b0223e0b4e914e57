"""The files of a finished run of `train_mrlf`: the model, its predictions, and the manifest last."""

import dataclasses
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StageError
from pipeline.release.read import Release
from pipeline.store.files import MANIFEST, IncompleteFolderError, Manifest, seal, unseal
from pipeline.training.choice import BEST, LINEAR, MRLF
from pipeline.training.samples import CitySamples

if TYPE_CHECKING:
    from models.evaluation.metrics import Scores
    from models.trained import TrainedModel

SCORED_SPLITS = ("validation", "test")
PREDICTIONS = "predictions.parquet"
BESIDE = LINEAR
"""The folder of the model that answers where another was trained first."""

log = logging.getLogger("mrlf")


def is_whole(folder: Path) -> bool:
    """Whether the run is whole. Of a damaged one the manifest goes, so that it is made again from its checkpoint."""
    try:
        manifest = unseal(folder, "the model of this run is made again")
        if manifest is None:
            return False
        manifest.verify()
    except IncompleteFolderError as error:
        log.warning("%s", error)
        (folder / MANIFEST).unlink()
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class ScoredModel:
    """A model, its probabilities (N, C) for each of `SCORED_SPLITS`, and its figures there."""

    model: "TrainedModel"
    proba: "dict[str, np.ndarray[Any, Any]]"
    scores: "dict[str, Scores]"

    @classmethod
    def of(cls, model: "TrainedModel", samples: CitySamples) -> "ScoredModel":
        """The model, asked about the posts of both splits."""
        from models.evaluation.metrics import score

        proba = {split: model.predict_proba(samples.splits[split]) for split in SCORED_SPLITS}
        places = samples.class_latitudes, samples.class_longitudes
        scores = {split: score(proba[split], samples.splits[split].labels_N, *places) for split in SCORED_SPLITS}
        return cls(model=model, proba=proba, scores=scores)

    @classmethod
    def refitted(cls, model: "TrainedModel", before: "ScoredModel", samples: CitySamples) -> "ScoredModel":
        """A model that learnt from the validation posts as well: for those, what the model before it says of them."""
        scored = cls.of(model, samples)
        old = {name: getattr(before, name)["validation"] for name in ("proba", "scores")}
        return cls(
            model=model,
            proba={**scored.proba, "validation": old["proba"]},
            scores={**scored.scores, "validation": old["scores"]},
        )

    def figures(self) -> dict[str, dict[str, Any]]:
        """Its figures as JSON has them."""
        return {split: dataclasses.asdict(scores) for split, scores in self.scores.items()}

    def predictions(self, samples: CitySamples) -> pa.Table:
        """One row per post of both splits."""
        return pa.concat_tables([_predictions(samples, split, self.proba[split]) for split in SCORED_SPLITS])


def answers_of(run: Manifest) -> str:
    """Which model answers: `mrlf`, `best` or `linear`; in runs of older versions the preset says which."""
    if "choice" in run.about:
        return str(run.about["choice"]["answers"])
    return BEST if run.about["settings"]["preset"] == BEST else MRLF


def answering_folder(run: Manifest) -> Path:
    """Where the model that answers lies, with its predictions."""
    return run.folder / BESIDE if f"{BESIDE}/{PREDICTIONS}" in run.files else run.folder


def answering_scores(run: Manifest) -> dict[str, dict[str, Any]]:
    """The figures of the model that answers, by split."""
    scores: dict[str, dict[str, Any]] = run.about.get("answering_scores", run.about["scores"])
    return scores


def read_model(run: Manifest, folder: Path | None = None) -> "TrainedModel":
    """The model that was trained in a run, or the one in this folder of it, on the CPU.

    Raises:
        StageError: its files are of another version of this code, or do not belong together.
    """
    from models.trained import load_model

    try:
        return load_model(folder or run.folder)
    except ValueError as error:
        raise StageError(f"{error}: `mrlf run {run.about['city']} --to train_mrlf`") from error


def write_run(
    folder: Path,
    release: Release,
    samples: CitySamples,
    trained: ScoredModel,
    beside: ScoredModel | None,
    about: dict[str, Any],
) -> None:
    """Write them; `beside` is the model that answers where it is another, `about` goes into the manifest.

    Raises:
        OSError: the disk is full or read-only; the message names the folder.
    """
    try:
        files = trained.model.save(folder)
        (folder / "labels.json").write_text(json.dumps(release.labels, indent=1, ensure_ascii=False))
        history = pa.Table.from_pylist([dataclasses.asdict(epoch) for epoch in trained.model.history], _epochs())
        pq.write_table(history, folder / "history.parquet")
        pq.write_table(trained.predictions(samples), folder / PREDICTIONS)
        if beside is not None:
            about = {**about, "answering_scores": beside.figures()}
            files += [f"{BESIDE}/{name}" for name in (*beside.model.save(folder / BESIDE), PREDICTIONS)]
            pq.write_table(beside.predictions(samples), folder / BESIDE / PREDICTIONS)
        metrics = {name: about[name] for name in ("choice", "answering_scores") if name in about}
        (folder / "metrics.json").write_text(json.dumps({**about["scores"], **metrics}, indent=1, sort_keys=True))
        seal(folder, about, [*files, "labels.json", "metrics.json", "history.parquet", PREDICTIONS])
    except OSError as error:
        raise OSError(
            error.errno,
            f"the files of the run could not be written to {folder} ({os.strerror(error.errno or 0)}); what was "
            "learnt is kept in its checkpoint: make room on the disk and run it again, no epoch is trained twice",
        ) from error


def _epochs() -> pa.Schema:
    """The columns of history.parquet, also where there is no epoch."""
    from models.settings.train_config import Epoch

    kinds = {int: pa.int64(), float: pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in get_type_hints(Epoch).items()])


def _predictions(samples: CitySamples, split: str, proba_NC: "np.ndarray[Any, Any]") -> pa.Table:
    """One row per post of a split: what was predicted for it and how far off that was."""
    from models.evaluation.metrics import errors_km

    posts = samples.splits[split]
    predicted_N = proba_NC.argmax(axis=1)
    errors_N = errors_km(predicted_N, posts.labels_N, samples.class_latitudes, samples.class_longitudes)
    return pa.table(
        {
            "post_key": posts.keys,
            "user_key": samples.users[split],
            "split": [split] * len(posts),
            "label": posts.labels_N,
            "predicted": predicted_N,
            "error_km": errors_N,
            "probabilities": list(proba_NC),
        }
    )

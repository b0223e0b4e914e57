"""The files of a finished run of `train_mrlf`: the model, its predictions, and the manifest last."""

import dataclasses
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StageError
from pipeline.release.read import Release
from pipeline.store.files import MANIFEST, IncompleteFolderError, Manifest, seal, unseal
from pipeline.training.samples import CitySamples

if TYPE_CHECKING:
    from models.trained import TrainedModel

SCORED_SPLITS = ("validation", "test")

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


def read_model(run: Manifest) -> "TrainedModel":
    """The model of a run, on the CPU.

    Raises:
        StageError: its files are of another version of this code, or do not belong together.
    """
    from models.trained import load_model

    try:
        return load_model(run.folder)
    except ValueError as error:
        raise StageError(f"{error}: `mrlf run {run.about['city']} --to train_mrlf`") from error


def write_run(
    folder: Path,
    release: Release,
    fitted: "TrainedModel",
    samples: CitySamples,
    proba: dict[str, Any],
    about: dict[str, Any],
) -> None:
    """Write them; `proba` holds the probabilities (N, C) of each scored split, `about` goes into the manifest.

    Raises:
        OSError: the disk is full or read-only; the message names the folder.
    """
    try:
        files = fitted.save(folder)
        (folder / "labels.json").write_text(json.dumps(release.labels, indent=1, ensure_ascii=False))
        (folder / "metrics.json").write_text(json.dumps(about["scores"], indent=1, sort_keys=True))
        history = pa.Table.from_pylist([dataclasses.asdict(epoch) for epoch in fitted.history])
        pq.write_table(history, folder / "history.parquet")
        parts = [_predictions(samples, split, proba[split]) for split in SCORED_SPLITS]
        pq.write_table(pa.concat_tables(parts), folder / "predictions.parquet")
        seal(folder, about, [*files, "labels.json", "metrics.json", "history.parquet", "predictions.parquet"])
    except OSError as error:
        raise OSError(
            error.errno,
            f"the files of the run could not be written to {folder} ({os.strerror(error.errno or 0)}); what was "
            "learnt is kept in its checkpoint: make room on the disk and run it again, no epoch is trained twice",
        ) from error


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

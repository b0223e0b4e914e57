"""The files of a finished run of `train_mrlf`: the model, its predictions, and the manifest last."""

import dataclasses
import json
import logging
import os
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
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
    from models.data.samples import Samples
    from models.evaluation.metrics import Scores
    from models.trained import TrainedModel

SCORED_SPLITS = ("validation", "test")
PREDICTIONS, SURENESS = "predictions.parquet", "sureness.parquet"
KINDS = ("text", "hashtags", "image")
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
    """A model, its probabilities (N, C) for each of `SCORED_SPLITS`, and its figures there.

    sureness: by the kinds of input that are shown, of the validation posts that have them; before it learnt these.
    """

    model: "TrainedModel"
    proba: "dict[str, np.ndarray[Any, Any]]"
    scores: "dict[str, Scores]"
    sureness: "dict[str, np.ndarray[Any, Any]]"

    @classmethod
    def of(cls, model: "TrainedModel", samples: CitySamples) -> "ScoredModel":
        """The model, asked about the posts of both splits, and about those of validation with parts hidden."""
        proba = {split: model.predict_proba(samples.splits[split]) for split in SCORED_SPLITS}
        return cls(
            model=model,
            proba=proba,
            scores={split: _score(proba[split], samples, split) for split in SCORED_SPLITS},
            sureness=known_sureness(model, samples.splits["validation"], proba["validation"]),
        )

    @classmethod
    def refitted(cls, model: "TrainedModel", before: "ScoredModel", samples: CitySamples) -> "ScoredModel":
        """A model that learnt from the validation posts as well: for those, what the model before it says of them."""
        proba = model.predict_proba(samples.splits["test"])
        return cls(
            model=model,
            proba={**before.proba, "test": proba},
            scores={**before.scores, "test": _score(proba, samples, "test")},
            sureness=before.sureness,
        )

    def figures(self) -> dict[str, dict[str, Any]]:
        """Its figures as JSON has them."""
        return {split: dataclasses.asdict(scores) for split, scores in self.scores.items()}

    def predictions(self, samples: CitySamples) -> pa.Table:
        """One row per post of both splits."""
        return pa.concat_tables([_predictions(samples, split, self.proba[split]) for split in SCORED_SPLITS])

    def sureness_table(self) -> pa.Table:
        """A column for each choice of kinds of input, filled up with nulls."""
        length = max(map(len, self.sureness.values()), default=0)
        columns = {
            name: [*values.tolist(), *[None] * (length - len(values))] for name, values in self.sureness.items()
        }
        return pa.table(columns, schema=pa.schema([(name, pa.float64()) for name in columns]))


def kinds_name(kinds: Collection[str]) -> str:
    """What a choice of `KINDS` is called."""
    return "+".join(kind for kind in KINDS if kind in kinds)


def known_sureness(
    model: "TrainedModel", posts: "Samples", proba_NC: "np.ndarray[Any, Any]"
) -> "dict[str, np.ndarray[Any, Any]]":
    """How sure a model is of posts of known places by the kinds of input shown, each of the posts that have these.

    proba_NC: what it gives where everything is shown. A post of which a part is shown is doubted beside such posts:
    who gives a caption alone is told no more often that it is none of the places than who gives all.
    """
    from models.data.samples import showing
    from models.evaluation.metrics import sureness

    has = {
        "text": np.array([bool(caption) for caption in posts.captions], dtype=bool),
        "hashtags": np.array([bool(tags) for tags in posts.hashtags], dtype=bool),
        "image": posts.has_image_N,
    }
    found = {}
    for kinds in (kinds for size in (1, 2, 3) for kinds in combinations(KINDS, size)):
        rows = np.flatnonzero(np.all([has[kind] for kind in kinds], axis=0))
        shown = showing(posts.take(rows), kinds)
        proba = proba_NC[rows] if kinds == KINDS or not len(rows) else model.predict_proba(shown)
        found[kinds_name(kinds)] = np.sort(sureness(proba))
    return found


def read_sureness(run: Manifest) -> "dict[str, np.ndarray[Any, Any]]":
    """That of the model that answers, as `known_sureness` gives it; {} of a run of an older version."""
    folder = answering_folder(run)
    if str((folder / SURENESS).relative_to(run.folder)) not in run.files:
        return {}
    table = pq.read_table(folder / SURENESS)
    return {name: table[name].drop_null().to_numpy() for name in table.column_names}


def _score(proba_NC: "np.ndarray[Any, Any]", samples: CitySamples, split: str) -> "Scores":
    from models.evaluation.metrics import score

    return score(proba_NC, samples.splits[split].labels_N, samples.class_latitudes, samples.class_longitudes)


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
        _write_answers(folder, trained, samples)
        if beside is not None:
            about = {**about, "answering_scores": beside.figures()}
            files += [f"{BESIDE}/{name}" for name in (*beside.model.save(folder / BESIDE), PREDICTIONS, SURENESS)]
            _write_answers(folder / BESIDE, beside, samples)
        metrics = {name: about[name] for name in ("choice", "answering_scores") if name in about}
        (folder / "metrics.json").write_text(json.dumps({**about["scores"], **metrics}, indent=1, sort_keys=True))
        seal(folder, about, [*files, "labels.json", "metrics.json", "history.parquet", PREDICTIONS, SURENESS])
    except OSError as error:
        raise OSError(
            error.errno,
            f"the files of the run could not be written to {folder} ({os.strerror(error.errno or 0)}); what was "
            "learnt is kept in its checkpoint: make room on the disk and run it again, no epoch is trained twice",
        ) from error


def _write_answers(folder: Path, scored: ScoredModel, samples: CitySamples) -> None:
    pq.write_table(scored.predictions(samples), folder / PREDICTIONS)
    pq.write_table(scored.sureness_table(), folder / SURENESS)


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

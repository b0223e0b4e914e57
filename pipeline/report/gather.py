"""All that a report holds, from a trained run, its release and the store."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.release.read import Release
from pipeline.report.content import Epoch, Fact, PlaceResult, Report
from pipeline.report.data_facts import city_ledger, face_gate, picture_stages, split_sizes
from pipeline.report.evaluation import Bootstrap, compare
from pipeline.report.examples import city_examples
from pipeline.report.wording import headline, plain, verdict
from pipeline.stage import StageError
from pipeline.store import Store
from pipeline.store.digests import file_digest
from pipeline.store.folders import MANIFEST, Manifest
from pipeline.training.samples import CitySamples, city_samples


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run's manifest and what it told of the posts."""

    manifest: Manifest
    predictions: pd.DataFrame
    epochs: list[Epoch]

    @classmethod
    def read(cls, manifest: Manifest) -> "TrainedRun":
        """The files of a run, verified."""
        manifest.verify()
        history = pq.read_table(manifest.folder / "history.parquet").to_pylist()
        names = Epoch.__dataclass_fields__
        return cls(
            manifest=manifest,
            predictions=pq.read_table(manifest.folder / "predictions.parquet").to_pandas(),
            epochs=[Epoch(**{name: row[name] for name in names}) for row in history],
        )

    @property
    def run(self) -> str:
        """The name of its folder."""
        return self.manifest.folder.name

    def settings(self) -> list[Fact]:
        """Every setting of the network and its training, as they were in effect."""
        config = json.loads((self.manifest.folder / "config.json").read_text())
        return [
            Fact(name=name, value=plain(str(value)))
            for part in ("model_config", "train_config")
            for name, value in sorted(config[part].items())
        ]


def gather(store: Store, city: str, release: Release, run: TrainedRun, *, num_resamples: int, seed: int) -> Report:
    """The report of one city; the baselines are trained on the way."""
    samples = city_samples(store, city, release, str(run.manifest.about["backbone"]))
    proba = test_probabilities(run.predictions, samples)
    bootstrap = Bootstrap(groups=samples.users["test"], num_resamples=num_resamples, seed=seed)
    models = compare(proba, samples, bootstrap, city)
    places, confusion = place_results(release, samples.splits["test"].labels_N, proba.argmax(axis=1))
    return Report(
        city=city,
        city_name=plain(release.city_name, 80),
        is_synthetic=release.is_synthetic,
        headline=headline(models[0], num_places=len(places)),
        verdict=verdict(models),
        num_resamples=num_resamples,
        num_test_posts=len(proba),
        num_test_users=len(set(samples.users["test"])),
        models=models,
        places=places,
        confusion=confusion,
        epochs=run.epochs,
        best_epoch=int(run.manifest.about["best_epoch"]),
        examples=city_examples(store, release, run.predictions),
        ledger=city_ledger(store, city, release),
        picture_stages=picture_stages(store, city),
        face_gate=face_gate(store, city),
        splits=split_sizes(release),
        remarks=[plain(note, 400) for note in release.manifest.about["notes"]],
        settings=run.settings(),
        versions=_versions(release, run),
    )


def test_probabilities(predictions: pd.DataFrame, samples: CitySamples) -> "np.ndarray[Any, Any]":
    """The run's probabilities (N, C) of the test posts, in the order of the samples.

    Raises:
        StageError: the run predicted other posts, labels or places than the release holds.
    """
    test = predictions[predictions["split"] == "test"].set_index("post_key")
    expected = samples.splits["test"]
    if set(test.index) != set(expected.keys) or len(test) != len(expected.keys):
        raise StageError(_other_posts(f"{len(test)} test posts are not the {len(expected.keys)} of the data set"))
    test = test.loc[expected.keys]
    if not np.array_equal(test["label"].to_numpy(), expected.labels_N):
        raise StageError(_other_posts("labels are not those of the data set"))
    widths = {len(row) for row in test["probabilities"]}
    if widths != {samples.num_classes}:
        raise StageError(_other_posts(f"places number {sorted(widths)}, not {samples.num_classes}"))
    return np.stack(list(test["probabilities"])).astype(np.float64)


def place_results(
    release: Release, labels: "np.ndarray[Any, Any]", told: "np.ndarray[Any, Any]"
) -> tuple[list[PlaceResult], list[list[int]]]:
    """The places in the order of the page and the confusion matrix in the same order."""
    ordered = sorted(release.labels, key=lambda label: (label["category"], label["name"], label["poi_id"]))
    number_of = {label["label"]: number for number, label in enumerate(ordered, start=1)}
    confusion = [[0] * len(ordered) for _ in ordered]
    for was, said in zip(labels.tolist(), told.tolist(), strict=True):
        confusion[number_of[was] - 1][number_of[said] - 1] += 1
    places = [
        PlaceResult(
            number=row + 1,
            label=label["label"],
            name=plain(label["name"], 80),
            category=plain(label["category"], 60),
            latitude=label["latitude"],
            longitude=label["longitude"],
            num_posts=label["num_posts"],
            num_test=sum(confusion[row]),
            num_right=confusion[row][row],
            **_most_mistaken(confusion[row], row),
        )
        for row, label in enumerate(ordered)
    ]
    return places, confusion


def _most_mistaken(told: list[int], row: int) -> dict[str, Any]:
    wrong = [0 if column == row else posts for column, posts in enumerate(told)]
    most = max(wrong)
    return {"mistaken_for": wrong.index(most) + 1 if most else None, "num_mistaken": most}


def _other_posts(what: str) -> str:
    return f"the trained model's {what}: train it again with the stage train_mrlf, then run evaluate_mrlf"


def _versions(release: Release, run: TrainedRun) -> list[Fact]:
    about = run.manifest.about
    told = {
        "release": release.version,
        "release manifest, sha256": file_digest(release.manifest.folder / MANIFEST),
        "run": run.run,
        "run manifest, sha256": file_digest(run.manifest.folder / MANIFEST),
        "weights (model.safetensors), sha256": run.manifest.files["model.safetensors"]["sha256"],
        "parameters": f"{about['num_parameters']:,}",
        "picture features": about["backbone"],
        "training": f"{about['epochs']} epochs, {float(about['seconds']):.0f} s (device: {about['device']})",
    }
    return [Fact(name=name, value=plain(value)) for name, value in told.items()]

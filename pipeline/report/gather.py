"""Gathers the content of a report from a trained run, its release and the store; trains the baselines."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.errors import StageError
from pipeline.release.read import Release
from pipeline.report.analyses import (
    category_mistakes,
    distances,
    measure_calibration,
    measure_drift,
    measure_leakage,
    modality_use,
    without_label_words,
)
from pipeline.report.content import Calibration, Fact, ModelResult, PlaceResult, Report
from pipeline.report.data_facts import city_ledger, drawn_people, face_gate, picture_stages, split_sizes
from pipeline.report.elsewhere import Doubts, measure_elsewhere, posts_from_elsewhere
from pipeline.report.elsewhere_content import Elsewhere
from pipeline.report.evaluation import Answers, Bootstrap, answers_of, baseline_answers, results, split_at_random
from pipeline.report.examples import city_examples
from pipeline.report.trained_run import TrainedRun, settings_of
from pipeline.report.wording import HARDEST, headline, plain, title_of, verdict, warnings
from pipeline.report.write import find_study
from pipeline.store import Store
from pipeline.store.digests import file_digest
from pipeline.store.files import MANIFEST
from pipeline.training.choice import LINEAR, MRLF
from pipeline.training.run_files import read_sureness
from pipeline.training.samples import CitySamples, city_samples

if TYPE_CHECKING:
    from models.data.samples import Samples


def gather(
    store: Store, city: str, release: Release, run: TrainedRun, *, abstain: float, num_resamples: int, seed: int
) -> Report:
    """The report of one city; the simpler models are trained on the way."""
    samples = city_samples(store, city, release, str(run.manifest.about["backbone"]))
    test = samples.splits["test"]
    proba = predicted_probabilities(run.predictions, samples, "test")
    model = run.model(test, proba)
    bootstrap = Bootstrap(groups=test.groups, num_resamples=num_resamples, seed=seed)
    masked = without_label_words(release, test)
    num_groups, unit = len(set(bootstrap.groups)), samples.unit
    answers = [answers_of(run.answers, title_of(run.answers), proba, model, test, masked)]
    answers += [
        *_beside(run, samples, masked),
        *baseline_answers(city, samples, masked, _twin(run), is_refit=run.is_refit),
    ]
    models = results(answers, samples, bootstrap)
    places, confusion = place_results(release, test.labels_N, proba.argmax(axis=1))
    return Report(
        city=city,
        city_name=plain(release.city_name, 80),
        is_synthetic=release.is_synthetic,
        preset=run.preset(len(samples.splits["train"])),
        answers=run.answers,
        is_refit=run.is_refit,
        at_random=split_at_random(samples, is_refit=run.is_refit) if _has_linear(models) else None,
        headline=headline(models[0], num_places=len(places), num_posts=len(proba), num_groups=num_groups, unit=unit),
        warnings=warnings(models, num_places=len(places), num_groups=num_groups, unit=unit),
        verdict=[*run.says_who_answers(), *verdict(models, num_groups=num_groups, unit=unit)],
        num_resamples=num_resamples,
        num_test_posts=len(proba),
        **_of_split(release, samples),
        models=models,
        places=places,
        confusion=confusion,
        categories=category_mistakes(places, confusion),
        distances=distances(answers, samples),
        modalities=modality_use(model.predict_proba, test, proba, bootstrap),
        calibration=_calibration(run, samples, proba),
        elsewhere=_elsewhere(
            store, city, release, run, partial(measure_elsewhere, model, proba, test, bootstrap), abstain
        ),
        leakage=measure_leakage(release, test, answers, bootstrap),
        drift=measure_drift(_days(release, test.keys), answers[0].right, bootstrap),
        epochs=run.epochs,
        best_epoch=int(run.manifest.about["best_epoch"]),
        **_of_data(store, city, release, run),
        settings=settings_of(model),
        versions=_versions(release, run, model.num_parameters),
    )


def _of_data(store: Store, city: str, release: Release, run: TrainedRun) -> dict[str, Any]:
    """What the store has of the city beside its posts."""
    return {
        "study": find_study(store, city),
        "examples": city_examples(store, release, run.predictions),
        "ledger": city_ledger(store, city, release),
        "picture_stages": picture_stages(store, city),
        "face_gate": face_gate(store, city),
        "drawn_people": drawn_people(store, city),
    }


def _elsewhere(
    store: Store, city: str, release: Release, run: TrainedRun, measure: Callable[..., Elsewhere], abstain: float
) -> Elsewhere:
    others = posts_from_elsewhere(store, city, release, str(run.manifest.about["backbone"]))
    return measure(others, Doubts.of_release(release, known=read_sureness(run.manifest), abstain=abstain))


def _of_split(release: Release, samples: CitySamples) -> dict[str, Any]:
    """How the release is split, with what remarks, whose the test posts are, and what intervals draw."""
    return {
        "splits": split_sizes(release),
        "remarks": [plain(note, 400) for note in release.manifest.about["notes"]],
        "num_test_users": len(set(samples.users["test"])),
        "split": release.split,
        "split_reason": plain(release.manifest.about.get("split_reason", ""), 400),
        "unit": samples.unit,
    }


def _beside(run: TrainedRun, samples: CitySamples, masked: "Samples") -> list[Answers]:
    """The answers of MRLF where it was trained and another model answers."""
    if run.beside is None:
        return []
    test, proba = samples.splits["test"], predicted_probabilities(run.beside, samples, "test")
    model = run.model(test, proba, run.manifest.folder)
    return [answers_of(MRLF, title_of(MRLF), proba, model, test, masked)]


def _has_linear(models: list[ModelResult]) -> bool:
    return any(model.name in (HARDEST, LINEAR) for model in models)


def _twin(run: TrainedRun) -> str | None:
    """The simpler model that is the one that answers, to be shown once."""
    return HARDEST if run.answers == LINEAR and run.reads_all() else None


def _calibration(run: TrainedRun, samples: CitySamples, proba: "np.ndarray[Any, Any]") -> Calibration:
    validation = predicted_probabilities(run.predictions, samples, "validation")
    labels, users = samples.splits["validation"].labels_N, samples.users["validation"]
    return measure_calibration(validation, labels, users, proba, samples.splits["test"].labels_N)


def predicted_probabilities(predictions: pd.DataFrame, samples: CitySamples, split: str) -> "np.ndarray[Any, Any]":
    """The run's probabilities (N, C) of the posts of a split, in the order of the samples.

    Raises:
        StageError: the run predicted other posts, labels or places than the release holds.
    """
    rows = predictions[predictions["split"] == split].set_index("post_key")
    expected = samples.splits[split]
    if set(rows.index) != set(expected.keys) or len(rows) != len(expected.keys):
        raise StageError(_other_posts(f"{len(rows)} {split} posts are not the {len(expected.keys)} of the data set"))
    rows = rows.loc[expected.keys]
    if not np.array_equal(rows["label"].to_numpy(), expected.labels_N):
        raise StageError(_other_posts("labels are not those of the data set"))
    widths = {len(row) for row in rows["probabilities"]}
    if widths != {samples.num_classes}:
        raise StageError(_other_posts(f"places number {sorted(widths)}, not {samples.num_classes}"))
    return np.stack(list(rows["probabilities"])).astype(np.float64)


def place_results(
    release: Release, labels: "np.ndarray[Any, Any]", predicted: "np.ndarray[Any, Any]"
) -> tuple[list[PlaceResult], list[list[int]]]:
    """The places in the order of the page and the confusion matrix in the same order."""
    ordered = sorted(release.labels, key=lambda label: (label["category"], label["name"], label["poi_id"]))
    number_of = {label["label"]: number for number, label in enumerate(ordered, start=1)}
    confusion = [[0] * len(ordered) for _ in ordered]
    for true, guess in zip(labels.tolist(), predicted.tolist(), strict=True):
        confusion[number_of[true] - 1][number_of[guess] - 1] += 1
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


def _most_mistaken(counts: list[int], row: int) -> dict[str, Any]:
    wrong = [0 if column == row else posts for column, posts in enumerate(counts)]
    most = max(wrong)
    return {"mistaken_for": wrong.index(most) + 1 if most else None, "num_mistaken": most}


def _days(release: Release, keys: list[str]) -> list[str]:
    posts = release.posts.select(["post_key", "taken_day"]).to_pydict()
    day_of = dict(zip(posts["post_key"], posts["taken_day"], strict=True))
    return [day_of[key] for key in keys]


def _other_posts(what: str) -> str:
    return f"the trained model's {what}: train it again with the stage train_mrlf, then run evaluate_mrlf"


def _versions(release: Release, run: TrainedRun, num_parameters: int) -> list[Fact]:
    about = run.manifest.about
    facts = {
        "release": release.version,
        "release manifest, sha256": file_digest(release.manifest.folder / MANIFEST),
        "run": run.run,
        "run manifest, sha256": file_digest(run.manifest.folder / MANIFEST),
        "weights, sha256": run.weights_digests(),
        "parameters": f"{num_parameters:,}",
        "picture features": about["backbone"],
        "training": f"{about['epochs']} epochs, {float(about['seconds']):.0f} s (device: {about['device']})",
    }
    return [Fact(name=name, value=plain(value)) for name, value in facts.items()]

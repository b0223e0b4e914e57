"""Stage `train_mrlf`: MRLF trained on the latest release of a city, or the linear model, and which of them answers.

Reads  the release, image_features
Writes models/mrlf/<city>/<run>/: model.safetensors, config.json, vocab.json, labels.json, metrics.json,
       history.parquet, predictions.parquet, linear/ with the linear model where it answers in place of MRLF, and last
       of all manifest.json. Beside them, in no manifest: checkpoint/ to go on from (in it best/, the best model so
       far) and tensorboard/, the curves as they grow
SIGTERM, Ctrl-C and Dagster's "terminate" keep the state at the very step; the next run goes on from it.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.errors import IncompleteError, StageError
from pipeline.refusals import how_to_build
from pipeline.release.read import Release, latest_release
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.store.files import Manifest
from pipeline.store.store import StageRecord
from pipeline.training.choice import (
    AUTO,
    BEST,
    LINEAR,
    MRLF,
    Choice,
    Fits,
    as_asked,
    cross_validated,
    is_cross_validated,
    on_validation,
)
from pipeline.training.run_files import ScoredModel, is_whole, write_run
from pipeline.training.samples import CitySamples, city_samples
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.termination import asked_to_end
from pipeline.training.training_log import Progress, training_log

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.linear.linear_model import LinearModel
    from models.settings.train_config import Epoch, TrainConfig
    from models.trained import TrainedModel

STAGE = "train_mrlf"
MODEL = "mrlf"

log = logging.getLogger("mrlf")


OnEpoch = Callable[[str, "Epoch"], None]


def build_train_mrlf(
    store: Store, city: City, settings: TrainMrlfSettings, *, on_epoch: OnEpoch | None = None
) -> StageReport:
    """Train on the city's latest release, unless the very run stands already; a killed run is resumed.

    on_epoch: called with the city and each finished epoch.

    Raises:
        StageError: there is no data set, no features, too little to train on, or the training broke down.
        IncompleteError: the process was asked to end; another run goes on from there.
    """
    with store.lock(city.key, STAGE):
        release = latest_release(store, city.key)
        _require_enough(release, city.key)
        features = _features_record(store, city.key, release)
        inputs = {"dataset": release.version, **table_inputs(store, city.key, [("image_features", "image_features")])}
        run = json_digest([STAGE, code_digest(build_train_mrlf), _trained_with(settings), inputs, features.about])[:16]
        if not is_whole(store.run_folder(MODEL, city.key, run)):
            store.forget_stage_record(city.key, STAGE)
        return run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_train_mrlf),
            settings=settings,
            inputs=inputs,
            weights={features.about["backbone"]: features.about["weights_sha256"]},
            work=partial(_work, store, city, settings, release, features, run, on_epoch),
        )


def latest_run(store: Store, city: str) -> Manifest:
    """The manifest of the run that the last `train_mrlf` made or found.

    Raises:
        StageError: there is none, or a file of it is missing or changed.
    """
    record = store.stage_record(city, STAGE)
    manifest = (
        store.manifest(store.run_folder(MODEL, city, record.about.get("run", ""))) if record is not None else None
    )
    if manifest is None:
        advice = f"`dagster asset materialize --select train_mrlf`, or `mrlf run {city} --to train_mrlf`"
        why = _why_none_can_be(store, city) or how_to_build(store, city, STAGE, advice)
        raise StageError(f"no model of {city} has been trained yet: {why}")
    manifest.verify()
    return manifest


def _why_none_can_be(store: Store, city: str) -> str:
    """Why training would refuse the city's data set; "" where it would not, or there is none."""
    if store.stage_record(city, "dataset") is None:
        return ""
    try:
        _require_enough(latest_release(store, city), city)
    except StageError as error:
        return str(error)
    return ""


def _require_enough(release: Release, city: str) -> None:
    about = release.manifest.about
    if about["num_classes"] < 2:
        raise StageError(
            f"the data set of {city} has one class only, {release.labels[0]['name']}: nothing can be told apart. "
            "Collect posts of more POIs, or lower min_posts_per_poi in cities.yaml"
        )
    empty = [split for split, count in about["splits"].items() if not count]
    if empty:
        raise StageError(
            f"the data set of {city} has no {' and no '.join(empty)} posts: posts of more users or days are "
            "needed, so that each split has some of its own"
        )


def _features_record(store: Store, city: str, release: Release) -> StageRecord:
    record = store.stage_record(city, "image_features")
    if record is None:
        advice = (
            "build image_features first, with "
            f'`dagster asset materialize --select "+evaluate_mrlf" --partition {city}` or `mrlf run {city}`'
        )
        how = how_to_build(store, city, "image_features", advice)
        raise StageError(f"the pictures of {city} have no features yet: {how}")
    return record


def _work(
    store: Store,
    city: City,
    settings: TrainMrlfSettings,
    release: Release,
    features: StageRecord,
    run: str,
    on_epoch: OnEpoch | None,
) -> Outcome:
    store.tables.check(city.key, "image_features", is_deep=True)
    samples = city_samples(store, city.key, release, features.about["backbone"])
    folder = store.run_folder(MODEL, city.key, run)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    model, notes = _trained(city.key, settings, samples, folder, on_epoch)
    trained = ScoredModel.of(model, samples)
    answering, choice = _answering(city.key, settings, samples, trained)
    if settings.refit:
        beside = None if answering is trained else _refitted(city.key, settings, samples, answering, folder)
        trained = _refitted(city.key, settings, samples, trained, folder)
        answering = beside or trained
    seconds = round(time.monotonic() - started, 1)
    about = _about(city, release, features, settings, trained, run, seconds)
    about["choice"] = dataclasses.asdict(choice)
    write_run(folder, release, samples, trained, None if answering is trained else answering, about)
    notes += [choice.why] if choice.asked == AUTO else []
    if answering.scores["validation"].accuracy <= 1 / samples.num_classes:
        notes.append("the model is no better than chance on the validation posts: do not use it")
    epochs = {"epochs": len(model.history), "best_epoch": model.best_epoch} if model.history else {}
    # nothing of the test split: settings are compared by what a training reports
    facts = {"run": run, "seconds": str(seconds), "answers": choice.answers}
    facts["validation_accuracy"] = f"{answering.scores['validation'].accuracy:.4f}"
    if answering is not trained:
        facts["validation_accuracy/mrlf"] = f"{trained.scores['validation'].accuracy:.4f}"
    facts |= {f"held_out_accuracy/{name}": f"{value:.4f}" for name, value in choice.accuracy.items()}
    return Outcome(counts={**epochs, "parameters": model.num_parameters}, notes=notes, about=facts)


def _trained(
    city: str, settings: TrainMrlfSettings, samples: CitySamples, folder: Path, on_epoch: OnEpoch | None
) -> "tuple[TrainedModel, list[str]]":
    """The model, and what a person should know of its training."""
    train, validation = (samples.splits[split] for split in ("train", "validation"))
    if settings.model == LINEAR:
        return _fit_linear(settings, train, samples.num_classes), []
    title = f"{city} {STAGE}"
    _, training = settings.configs(len(train))
    most_epochs = _most_epochs(settings.model, len(train), training)
    chosen = settings.model_dump(mode="json", exclude_none=True) | dataclasses.asdict(training)
    with (
        _told_in_words(title),
        asked_to_end(title) as should_stop,
        training_log(folder, title, chosen) as epochs_log,
        Progress(title, most_epochs) as progress,
    ):

        def report(epoch: "Epoch") -> None:
            progress.epoch(epoch)
            epochs_log.epoch(epoch)
            if on_epoch:
                on_epoch(city, epoch)

        fitted = _fit(
            settings,
            train,
            validation,
            num_classes=samples.num_classes,
            checkpoint_dir=folder / "checkpoint",
            on_epoch=report,
            on_step=progress.step,
            should_stop=should_stop,
        )
    return fitted, list(epochs_log.notes)


@contextmanager
def _told_in_words(title: str) -> Iterator[None]:
    """What ends a training is told as a stage's errors are.

    Raises:
        StageError: it broke down.
        IncompleteError: it was stopped.
    """
    from models.training.training import NonFiniteError, TrainingStoppedError

    try:
        yield
    except NonFiniteError as error:
        raise StageError(f"{title} broke down: {error}") from error
    except TrainingStoppedError as stopped:
        why = f"{title} was stopped in epoch {stopped.epoch} after step {stopped.step}"
        log.warning("%s: its state is kept, and another run goes on from there", why)
        raise IncompleteError(why, reason="terminated") from stopped


def _answering(
    city: str, settings: TrainMrlfSettings, samples: CitySamples, trained: ScoredModel
) -> tuple[ScoredModel, Choice]:
    """The model that answers, and why: MRLF is compared with the linear model where the settings leave it open."""
    if settings.model != AUTO:
        return trained, as_asked(settings.model)
    train, validation = (samples.splits[split] for split in ("train", "validation"))
    how: dict[str, Any] = {"num_classes": samples.num_classes}
    linear = ScoredModel.of(_fit_linear(settings, train, **how), samples)
    if not is_cross_validated(train, validation):
        proba = {name: each.proba["validation"] for name, each in ((MRLF, trained), (LINEAR, linear))}
        choice = on_validation(proba, validation)
    else:
        title = f"{city} {STAGE}"
        log.info("%s: cross-validating MRLF and the linear model, to choose which answers", title)
        with _told_in_words(title), asked_to_end(title) as should_stop:
            fits: Fits = {
                MRLF: lambda train, beside: _fit(settings, train, beside, should_stop=should_stop, **how),
                LINEAR: lambda train, _: _fit_linear(settings, train, **how),
            }
            choice = cross_validated(train, validation, fits, title)
    return (linear if choice.answers == LINEAR else trained), choice


def _refitted(
    city: str, settings: TrainMrlfSettings, samples: CitySamples, scored: ScoredModel, folder: Path
) -> ScoredModel:
    """The model trained on training and validation posts, with all that was chosen on the validation posts.

    A network's epochs and its learning rate in each of them, a temperature and which model answers were.
    """
    from models.best.ensemble import Ensemble, refit_best
    from models.data.samples import joined
    from models.linear.linear_model import LinearModel
    from models.training.fitted import Fitted
    from models.training.training import refit

    model: TrainedModel
    posts = joined([samples.splits["train"], samples.splits["validation"]])
    if isinstance(scored.model, LinearModel):
        model = _fit_linear(settings, posts, samples.num_classes)
        return ScoredModel.refitted(model, scored, samples)
    title = f"{city} {STAGE}, on validation posts too"
    epochs = [each.best_epoch for each in getattr(scored.model, "networks", (scored.model,))]
    with (
        _told_in_words(title),
        asked_to_end(title) as should_stop,
        Progress(title, sum(epochs)) as progress,
    ):
        how: dict[str, Any] = {"on_step": progress.step, "should_stop": should_stop}
        how["checkpoint_dir"] = folder / "checkpoint" / "refit"
        if isinstance(scored.model, Ensemble):
            model = refit_best(scored.model, posts, **how)
        else:
            assert isinstance(scored.model, Fitted)
            model = refit(scored.model, posts, **how)
    return ScoredModel.refitted(model, scored, samples)


def _most_epochs(model: str, num_train_posts: int, training: "TrainConfig") -> int:
    if model != BEST:
        return training.max_epochs
    from models.best.ensemble import most_epochs

    return most_epochs(num_train_posts, training)


def _fit(settings: TrainMrlfSettings, train: "Samples", validation: "Samples", **how: Any) -> "TrainedModel":
    """The network or the ensemble of networks that the settings name; `how` as `models.training.training.fit`."""
    from models.training.training import fit

    network, training = settings.configs(len(train))
    how["train_config"] = training
    if settings.model == BEST:
        from models.best.ensemble import fit_best

        return fit_best(train, validation, network_config=network if settings.of_network() else None, **how)
    return fit(train, validation, model_config=network, **how)


def _fit_linear(settings: TrainMrlfSettings, train: "Samples", num_classes: int) -> "LinearModel":
    """The linear model over the kinds of input that the settings name, by default all."""
    from models.linear.linear_model import BLOCKS_OF, fit_linear

    read = settings.of_network().get("modalities", BLOCKS_OF)
    blocks = [block for name, blocks in BLOCKS_OF.items() if name in read for block in blocks]
    return fit_linear(train, num_classes, blocks)


def _about(
    city: City,
    release: Release,
    features: StageRecord,
    settings: TrainMrlfSettings,
    trained: ScoredModel,
    run: str,
    seconds: float,
) -> dict[str, Any]:
    return {
        "city": city.key,
        "is_synthetic": release.is_synthetic,
        "model": MODEL,
        "run": run,
        "release": release.version,
        "backbone": features.about["backbone"],
        "backbone_weights_sha256": features.about["weights_sha256"],
        "seconds": seconds,
        "epochs": len(trained.model.history),
        "best_epoch": trained.model.best_epoch,
        "num_parameters": trained.model.num_parameters,
        "device": trained.model.device,
        "settings": _trained_with(settings),
        "scores": trained.figures(),
    }


def _trained_with(settings: TrainMrlfSettings) -> dict[str, Any]:
    """The settings that decide what is learnt."""
    return settings.model_dump(mode="json", exclude=set(settings.PER_RUN))

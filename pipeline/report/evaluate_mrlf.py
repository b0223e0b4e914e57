"""Stage `evaluate_mrlf`: evaluates the model that answers, MRLF and its baselines, and writes the report.

Reads  the latest run of train_mrlf, its release, image_features, drops, deferred, the records of the picture stages;
       posts made elsewhere: of POIs below the floor, and of the other releases of the store
Writes reports/<city>/: report.html (loads nothing), report.md with its pictures, model_card.md, report.json last
"""

from functools import partial

from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.code_digest import code_digest
from pipeline.errors import StageError
from pipeline.refusals import how_to_build
from pipeline.release.read import Release, latest_release
from pipeline.report.content import Estimate, Report
from pipeline.report.data_facts import data_inputs
from pipeline.report.elsewhere import elsewhere_inputs
from pipeline.report.gather import gather
from pipeline.report.render import render
from pipeline.report.trained_run import TrainedRun
from pipeline.report.wording import NO_INTERVAL
from pipeline.report.write import JSON_NAME, is_untouched, study_input, write_report
from pipeline.stage import Outcome, StageReport, run_stage
from pipeline.store import Store
from pipeline.store.digests import bytes_digest
from pipeline.store.files import Manifest
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import STAGE as TRAINING
from pipeline.training.train_mrlf import latest_run

STAGE = "evaluate_mrlf"


class EvaluateMrlfSettings(Settings):
    """How the intervals of the report are computed."""

    num_resamples: int = Field(1000, ge=100, description="Number of bootstrap samples per confidence interval.")
    seed: int = Field(0, ge=0, description="Random seed of the bootstrap.")


def build_evaluate_mrlf(store: Store, city: City, settings: EvaluateMrlfSettings) -> StageReport:
    """Write the report of the latest run, unless that report exists already.

    Raises:
        StageError: there is no trained model or no data set, or the model was trained on another one.
    """
    with store.lock(city.key, STAGE):
        release = latest_release(store, city.key)
        run = latest_run(store, city.key)
        _check_release(store, city.key, release, run)
        _forget_if_changed(store, city.key)
        abstain = city.settings(TRAINING, TrainMrlfSettings).abstain
        inputs = {
            "run": run.folder.name,
            "predictions": run.files["predictions.parquet"]["sha256"],
            "release": release.version,
            "study": study_input(store, city.key),
            "abstain": str(abstain),
            **elsewhere_inputs(store, city.key),
            **data_inputs(store, city.key),
        }
        return run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_evaluate_mrlf),
            settings=settings,
            inputs=inputs,
            is_of_release=True,
            work=partial(_work, store, city.key, settings, release, run, abstain),
        )


def _check_release(store: Store, city: str, release: Release, run: Manifest) -> None:
    trained_on = run.about["release"]
    if trained_on != release.version:
        what_to_do = how_to_build(store, city, TRAINING, "run train_mrlf first, then evaluate_mrlf")
        raise StageError(
            f"the model of {city} was trained on release {trained_on}, but the data set is now {release.version}: "
            f"{what_to_do}"
        )


def _forget_if_changed(store: Store, city: str) -> None:
    """A report with a file that was deleted or edited by hand is made again."""
    record = store.stage_record(city, STAGE)
    if record is not None and not is_untouched(store.report_folder(city), record.about.get("report_sha256", "")):
        store.forget_stage_record(city, STAGE)


def _work(
    store: Store, city: str, settings: EvaluateMrlfSettings, release: Release, run: Manifest, abstain: float
) -> Outcome:
    report = gather(
        store,
        city,
        release,
        TrainedRun.read(run),
        abstain=abstain,
        num_resamples=settings.num_resamples,
        seed=settings.seed,
    )
    files = render(report)
    write_report(store.report_folder(city), files)
    return Outcome(
        counts=_counts(report),
        notes=[*report.warnings, report.headline, *report.verdict],
        about={**_about(report), "run": run.folder.name, "report_sha256": bytes_digest(files[JSON_NAME])},
    )


def _counts(report: Report) -> dict[str, int]:
    return {
        "test_posts": report.num_test_posts,
        "test_users": report.num_test_users,
        "classes": len(report.places),
        "right": sum(place.num_right for place in report.places),
        "examples": len(report.examples),
    }


def _about(report: Report) -> dict[str, str]:
    """The figures of the model that answers, and of every other its accuracy and that one's lead, as short texts."""
    ours, *others = report.models
    facts = {
        "answers": report.answers,
        "accuracy": f"{ours.accuracy.value:.3f}",
        "accuracy_interval": _interval(ours.accuracy, ".3f"),
        "top5": f"{ours.top5:.3f}",
        "macro_f1": f"{ours.macro_f1:.3f}",
        "mean_km": f"{ours.mean_km.value:.3f}",
        "median_km": f"{ours.median_km:.3f}",
    }
    for model in others:
        assert model.gain is not None, "only the first has no gain over itself"
        facts[f"accuracy/{model.name}"] = f"{model.accuracy.value:.3f}"
        facts[f"gain/{model.name}"] = f"{model.gain.value:+.3f} ({_interval(model.gain, '+.3f')})"
    return facts


def _interval(estimate: Estimate, form: str) -> str:
    return f"{estimate.low:{form}} to {estimate.high:{form}}" if estimate.has_interval else NO_INTERVAL

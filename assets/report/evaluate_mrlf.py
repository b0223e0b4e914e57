"""How well the models find where a post was made, beside simpler ones.

Reads  the trained models, the data sets, image_features, and of every stage before what it lost and on what it ran
Writes reports/<city>: report.html, report.md, report.json
"""

from typing import Any

import dagster as dg

from assets.checks import city_or_all_checks
from assets.collect import places, pois, posts
from assets.config import AllCitiesConfig, run_config
from assets.curate import curated_posts
from assets.images import clean_images, portrait_masks
from assets.metadata import markdown, where
from assets.partitions import CITIES_OR_ALL
from assets.release import dataset
from assets.resources import StoreResource
from assets.results import materialized_each
from assets.stages import OWNERS, build_each, built_cities, code_version
from assets.training import image_features, train_mrlf
from pipeline.report.evaluate_mrlf import STAGE, EvaluateMrlfSettings
from pipeline.report.previews import report_summary
from pipeline.stage import StageReport
from pipeline.store import Store

EvaluateMrlfConfig = run_config(EvaluateMrlfSettings, AllCitiesConfig)
# The report shows every stage, so it depends on each. In `--select "+evaluate_mrlf"` the + is one step up, and so
# all of them.
REPORTED = (
    pois.pois,
    places.places,
    posts.posts,
    curated_posts.curated_posts,
    portrait_masks.portrait_masks,
    clean_images.clean_images,
    dataset.dataset,
    image_features.image_features,
)
NO_MODEL = (
    "there is no trained model of CITY, so there is nothing to evaluate. Build all of it with\n"
    '    dagster asset materialize --select "+evaluate_mrlf" --partition CITY'
)


@dg.asset(
    deps=[train_mrlf.train_mrlf, *REPORTED],
    partitions_def=CITIES_OR_ALL,
    group_name="report",
    kinds={"html", "scikitlearn"},
    owners=OWNERS,
    code_version=code_version(STAGE),
    check_specs=city_or_all_checks(
        STAGE, beats_majority="The model that answers is right more often than always naming the most frequent place."
    ),
)
def evaluate_mrlf(
    context: dg.AssetExecutionContext, config: EvaluateMrlfConfig, store: StoreResource
) -> dg.MaterializeResult:
    """A report: accuracy with an interval, the baselines, the curve, what was dropped; of every city with a model
    where no partition is named.
    """
    data = store.open()
    trained = built_cities(data, train_mrlf.STAGE)
    reports, hindered = build_each(context, STAGE, trained, data, config, otherwise=NO_MODEL)
    shown = {city: _shown(data, city) for city in (report.city for report in reports)}
    beats = all(float(report.record.about["accuracy"]) > _majority(report) for report in reports)
    return materialized_each(context, reports, hindered, shown=shown, checks={"beats_majority": beats})


def _majority(report: StageReport) -> float:
    return float(report.record.about["accuracy/majority"])


def _shown(store: Store, city: str) -> dict[str, Any]:
    page = where(store.report_folder(city) / "report.html")
    return {**page, "report": markdown(report_summary(store, city))}

"""How well the models find where a post was made, beside simpler ones.

Reads  the trained models, the data sets, image_features, and of every stage before what it lost and on what it ran
Writes reports/<city>: report.html, report.md, report.json
"""

import dagster as dg

from assets.collect import places, pois, posts
from assets.config import AllCitiesConfig, run_config
from assets.curate import curated_posts
from assets.images import clean_images, portrait_masks
from assets.partitions import ALL_CITIES
from assets.release import dataset
from assets.resources import StoreResource
from assets.results import every_city_check, materialized_each
from assets.stages import OWNERS, build_each, built_cities, chosen_cities, code_version
from assets.training import image_features, train_mrlf
from pipeline.report.evaluate_mrlf import STAGE, EvaluateMrlfSettings
from pipeline.stage import StageReport

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
BEATS_MAJORITY = dg.AssetCheckSpec(
    "beats_majority", asset=STAGE, description="MRLF is right more often than always naming the most frequent place."
)
NO_MODEL = (
    "there is no trained model of CITY, so there is nothing to evaluate. Build all of it with\n"
    '    dagster asset materialize --select "+evaluate_mrlf" --partition CITY'
)


@dg.asset(
    deps=[train_mrlf.train_mrlf, *(dg.AssetDep(asset, partition_mapping=ALL_CITIES) for asset in REPORTED)],
    group_name="report",
    kinds={"html", "scikitlearn"},
    owners=OWNERS,
    code_version=code_version(STAGE),
    check_specs=[every_city_check(STAGE), BEATS_MAJORITY],
)
def evaluate_mrlf(
    context: dg.AssetExecutionContext, config: EvaluateMrlfConfig, store: StoreResource
) -> dg.MaterializeResult:
    """A report per city that has a model: accuracy with an interval, the baselines, the curve, what was dropped."""
    data = store.open()
    cities = chosen_cities(context, config, built_cities(data, train_mrlf.STAGE), otherwise=NO_MODEL)
    reports, hindered = build_each(STAGE, cities, data, config)
    pages = {report.city: data.report_folder(report.city) / "report.html" for report in reports}
    beats = all(float(report.record.about["accuracy"]) > _majority(report) for report in reports)
    return materialized_each(reports, hindered, checks={"beats_majority": beats}, files=pages)


def _majority(report: StageReport) -> float:
    return float(report.record.about["accuracy/majority"])

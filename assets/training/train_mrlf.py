"""The MRLF model of every city whose data set stands.

Reads  the data sets, image_features
Writes models/mrlf/<city>/<run>
"""

from typing import Any

import dagster as dg

from assets.checks import city_or_all_checks
from assets.config import AllCitiesConfig, run_config
from assets.metadata import epochs_shown, picture, where
from assets.partitions import CITIES_OR_ALL
from assets.release.dataset import dataset
from assets.resources import StoreResource
from assets.results import materialized_each
from assets.stages import OWNERS, build_each, code_version
from assets.training.image_features import image_features
from pipeline.release.read import released_cities
from pipeline.report.previews import training_curve_png
from pipeline.store import Store
from pipeline.training.train_mrlf import STAGE, TrainMrlfSettings, latest_run

TrainMrlfConfig = run_config(TrainMrlfSettings, AllCitiesConfig)
NO_DATASET = (
    "there is no data set of CITY that passed its checks, so there is nothing to train on. Build all of it with\n"
    '    dagster asset materialize --select "+evaluate_mrlf" --partition CITY'
)


@dg.asset(
    deps=[dataset, image_features],
    partitions_def=CITIES_OR_ALL,
    group_name="training",
    kinds={"pytorch", "safetensors"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=city_or_all_checks(STAGE),
)
def train_mrlf(
    context: dg.AssetExecutionContext, config: TrainMrlfConfig, store: StoreResource
) -> dg.MaterializeResult:
    """A model of hashtags, caption and picture; without a partition, one for every city that has a data set."""
    data = store.open()
    reports, hindered = build_each(
        context, STAGE, released_cities(data), data, config, otherwise=NO_DATASET, on_epoch=epochs_shown(context)
    )
    shown = {city: _shown(data, city) for city in (report.city for report in reports)}
    return materialized_each(context, reports, hindered, shown=shown)


def _shown(store: Store, city: str) -> dict[str, Any]:
    return {**where(latest_run(store, city).folder), "preview": picture(training_curve_png(store, city))}

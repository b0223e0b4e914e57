"""The MRLF model of every city whose data set stands.

Reads  the data sets, image_features
Writes models/mrlf/<city>/<run>
"""

import dagster as dg

from assets.config import AllCitiesConfig, run_config
from assets.metadata import epochs_shown
from assets.partitions import ALL_CITIES
from assets.release.dataset import dataset
from assets.resources import StoreResource
from assets.results import every_city_check, materialized_each
from assets.stages import OWNERS, build_each, chosen_cities, code_version
from assets.training.image_features import image_features
from pipeline.release.read import released_cities
from pipeline.report.previews import training_curve_png
from pipeline.training.train_mrlf import STAGE, TrainMrlfSettings

TrainMrlfConfig = run_config(TrainMrlfSettings, AllCitiesConfig)
NO_DATASET = (
    "there is no data set of CITY that passed its checks, so there is nothing to train on. Build all of it with\n"
    '    dagster asset materialize --select "+evaluate_mrlf" --partition CITY'
)


@dg.asset(
    deps=[dg.AssetDep(asset, partition_mapping=ALL_CITIES) for asset in (dataset, image_features)],
    group_name="training",
    kinds={"pytorch", "safetensors"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=[every_city_check(STAGE)],
)
def train_mrlf(
    context: dg.AssetExecutionContext, config: TrainMrlfConfig, store: StoreResource
) -> dg.MaterializeResult:
    """Models of hashtags, caption and picture, one per city; in a run of one partition for that city only."""
    data = store.open()
    cities = chosen_cities(context, config, released_cities(data), otherwise=NO_DATASET)
    reports, hindered = build_each(STAGE, cities, data, config, on_epoch=epochs_shown(context))
    curves = {report.city: training_curve_png(data, report.city) for report in reports}
    return materialized_each(reports, hindered, previews=curves)

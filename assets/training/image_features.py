"""What a frozen network (VGG19 by default) sees in the released pictures.

Reads  the data set of a city, the clean pictures
Writes image_features
"""

import dagster as dg
import numpy as np

from assets.checks import blocking_checks, every_picture_has_an_outcome
from assets.config import run_config
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.release.dataset import dataset
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.release.read import latest_release
from pipeline.training.image_features import STAGE, ImageFeaturesSettings, read_features

ImageFeaturesConfig = run_config(ImageFeaturesSettings)


@dg.asset(
    deps=[dataset],
    partitions_def=CITIES,
    group_name="training",
    kinds={"deltalake", "pytorch"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=blocking_checks(
        STAGE,
        every_picture="Every released picture has features, or the reason why not.",
        all_finite="No feature is infinite or not a number.",
    ),
)
def image_features(context: dg.AssetExecutionContext, config: ImageFeaturesConfig, store: StoreResource) -> Results:
    """One vector per clean picture and backbone, computed once and kept."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    pictures = latest_release(data, city).posts["clean_digest"].to_pylist()
    features = read_features(data, city, pictures, report.record.about["backbone"])
    checks = {"every_picture": every_picture_has_an_outcome(report), "all_finite": bool(np.isfinite(features).all())}
    yield from materialized(
        report, num_rows=report.counts["pictures"], where=where_table(data, city, STAGE), checks=checks
    )

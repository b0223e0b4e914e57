"""What a study needs beyond the data set: unmasked pictures and posts outside the release, as vectors.

Reads  the data set, posts, clean_images; the original pictures, so it is to be built before they are deleted
Writes study_features
"""

import dagster as dg

from assets.checks import blocking_checks, every_picture_has_an_outcome
from assets.config import run_config
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.release.dataset import dataset
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.study.features import TABLE
from pipeline.study.study_data import STAGE, StudyDataSettings

StudyDataConfig = run_config(StudyDataSettings)


@dg.asset(
    deps=[dataset],
    partitions_def=CITIES,
    group_name="report",
    kinds={"deltalake", "pytorch"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=blocking_checks(STAGE, every_picture="Every picture of the study was looked at, or says why not."),
)
def study_data(context: dg.AssetExecutionContext, config: StudyDataConfig, store: StoreResource) -> Results:
    """Vectors of pictures as they were taken, of posts outside the release, and by the paper's other networks."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    checks = {"every_picture": every_picture_has_an_outcome(report)}
    yield from materialized(
        report, num_rows=report.counts["pictures"], where=where_table(data, city, TABLE), checks=checks
    )

"""The paper's tables and figures on the data set of a city.

Reads  the data set, image_features, study_features
Writes reports/<city>: study.html, study.md, study.txt, study.json
"""

import dagster as dg

from assets.checks import warning_checks
from assets.config import run_config
from assets.metadata import where
from assets.partitions import CITIES
from assets.report.study_data import study_data
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from assets.training.image_features import image_features
from pipeline.study.study import STAGE, StudySettings
from pipeline.study.study_render import PAGE_NAME

StudyConfig = run_config(StudySettings)


@dg.asset(
    deps=[study_data, image_features],
    partitions_def=CITIES,
    group_name="report",
    kinds={"html", "pytorch", "scikitlearn"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=warning_checks(STAGE, every_row="Every row of the study has figures."),
)
def study(context: dg.AssetExecutionContext, config: StudyConfig, store: StoreResource) -> Results:
    """Table II, Table III, Fig. 2 to 4, leakage, splits, incomplete posts: means over seeds with intervals."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    page = where(data.report_folder(city) / PAGE_NAME)
    warnings = {"every_row": not report.counts["rows_without_figures"]}
    yield from materialized(report, num_rows=report.counts["rows"], where=page, checks={}, warnings=warnings)

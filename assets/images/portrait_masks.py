"""Where people are in the pictures.

Reads  curated_posts, the original pictures
Writes portrait_masks
"""

import dagster as dg

from assets.checks import blocking_checks, every_picture_has_an_outcome
from assets.config import run_config
from assets.curate.curated_posts import curated_posts
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.images.portrait_masks import STAGE, PortraitMasksSettings
from pipeline.report.contact_sheets import masks_sheet_png

PortraitMasksConfig = run_config(PortraitMasksSettings)


@dg.asset(
    deps=[curated_posts],
    partitions_def=CITIES,
    group_name="images",
    kinds={"deltalake", "opencv"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=blocking_checks(STAGE, every_picture="Every picture has a mask, or the reason why not."),
)
def portrait_masks(context: dg.AssetExecutionContext, config: PortraitMasksConfig, store: StoreResource) -> Results:
    """One mask per picture (1 = a person was found), the share that it covers, and what network looked for them."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    yield from materialized(
        report,
        num_rows=report.counts["pictures"],
        where=where_table(data, city, STAGE),
        checks={"every_picture": every_picture_has_an_outcome(report)},
        preview=masks_sheet_png(data, city),
    )

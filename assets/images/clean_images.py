"""Pictures without people.

Reads  curated_posts, portrait_masks, the original pictures
Writes clean_images, the clean pictures, what was dropped
"""

import dagster as dg

from assets.checks import blocking_checks, every_picture_has_an_outcome
from assets.config import run_config
from assets.images.portrait_masks import portrait_masks
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.images.clean_images import STAGE, CleanImagesSettings
from pipeline.report.contact_sheets import clean_sheet_png

CleanImagesConfig = run_config(CleanImagesSettings)


@dg.asset(
    deps=[portrait_masks],
    partitions_def=CITIES,
    group_name="images",
    kinds={"deltalake", "opencv"},
    owners=OWNERS,
    pool="gpu",
    code_version=code_version(STAGE),
    check_specs=blocking_checks(STAGE, every_picture="Every picture is clean, or has the reason why not."),
)
def clean_images(context: dg.AssetExecutionContext, config: CleanImagesConfig, store: StoreResource) -> Results:
    """Pictures that people mostly fill are dropped; in the others they are filled, and faces are looked for again.

    Of a synthetic city it reports in what share of the pictures with a drawn person a face or a body is left.
    """
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    yield from materialized(
        report,
        num_rows=report.counts["pictures"],
        where=where_table(data, city, STAGE),
        checks={"every_picture": every_picture_has_an_outcome(report)},
        preview=clean_sheet_png(data, city),
    )

"""Posts that pass the paper's rules.

Reads  posts, images
Writes curated_posts, what was dropped and by which rule
"""

import dagster as dg

from assets.checks import blocking_checks
from assets.collect.posts import posts
from assets.config import run_config
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.cities import load_city
from pipeline.curate.curated_posts import STAGE
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.release.before_pictures import hindrance

CuratedPostsConfig = run_config(CuratedPostsSettings)


@dg.asset(
    deps=[posts],
    partitions_def=CITIES,
    group_name="curate",
    kinds={"deltalake"},
    owners=OWNERS,
    code_version=code_version(STAGE),
    check_specs=blocking_checks(
        STAGE,
        keeps_some="At least one post passes every rule.",
        can_be_split="They are of enough users or days, and of enough POIs, for a data set.",
    ),
)
def curated_posts(context: dg.AssetExecutionContext, config: CuratedPostsConfig, store: StoreResource) -> Results:
    """Posts with an English caption, hashtags and pictures, of POIs with enough of them; rare hashtags are gone."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    checks = {
        "keeps_some": report.counts["kept"] > 0,
        "can_be_split": hindrance(data, load_city(city)) is None,
    }
    where = where_table(data, city, STAGE)
    yield from materialized(report, num_rows=report.counts["kept"], where=where, checks=checks)

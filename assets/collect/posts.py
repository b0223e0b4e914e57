"""Posts made at a city's POIs, under pseudonyms from the first byte.

Reads  places, the archive of posts, Instagram
Writes posts, images, the original pictures, what was dropped or deferred
"""

from datetime import timedelta

import dagster as dg

from assets.checks import blocking_checks, is_whole, warning_checks
from assets.collect.places import places
from assets.config import run_config
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.collect.posts import STAGE, PostsSettings
from pipeline.report.previews import poi_map_png

PostsConfig = run_config(PostsSettings)
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=30), warn_window=timedelta(days=10))


@dg.asset(
    deps=[places],
    partitions_def=CITIES,
    group_name="collect",
    kinds={"deltalake", "instagram"},
    owners=OWNERS,
    pool="instagram",
    freshness_policy=FRESH,
    code_version=code_version(STAGE),
    check_specs=blocking_checks(
        STAGE,
        some_posts="At least one post was made at a POI.",
        ledger_closes="Every post that was seen is kept, deleted, dropped or deferred, and counted once.",
    )
    + warning_checks(STAGE, nothing_waits="Nothing waits: no place, no picture, no post that may be gone."),
)
def posts(context: dg.AssetExecutionContext, config: PostsConfig, store: StoreResource) -> Results:
    """Posts with caption, hashtags, time and pictures; ids of people, posts and media are keyed pseudonyms."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    counts = report.counts
    checks = {
        "some_posts": counts["posts"] > 0,
        "ledger_closes": counts["seen"] == counts["kept"] + counts["deleted"] + counts["dropped"] + counts["deferred"],
    }
    yield from materialized(
        report,
        num_rows=counts["posts"],
        where=where_table(data, city, STAGE),
        checks=checks,
        warnings={"nothing_waits": is_whole(report)},
        preview=poi_map_png(data, city),
    )

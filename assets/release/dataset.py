"""The released data set of a city.

Reads  pois, curated_posts, clean_images, what was dropped before
Writes datasets/<city>/<version>: WebDataset shards, posts.parquet, labels.json, manifest.json
"""

import dagster as dg

from assets.checks import blocking_checks, warning_checks
from assets.config import run_config
from assets.images.clean_images import clean_images
from assets.metadata import where
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.release.dataset import STAGE, DatasetSettings
from pipeline.release.read import Release, latest_release
from pipeline.release.split import is_uneven
from pipeline.report.previews import class_histogram_png

DatasetConfig = run_config(DatasetSettings)


@dg.asset(
    deps=[clean_images],
    partitions_def=CITIES,
    group_name="release",
    kinds={"webdataset", "parquet"},
    owners=OWNERS,
    code_version=code_version(STAGE),
    check_specs=[
        *blocking_checks(
            STAGE,
            ledger_closes="Every post that was seen is released, dropped or deferred, and counted once.",
            splits_disjoint="No picture is in two of train, validation and test; by user, no user either.",
            every_split_has_posts="None of train, validation and test is empty.",
        ),
        *warning_checks(STAGE, shares_hold="Each split has its share of the posts, 80, 10 and 10 %, within a third."),
    ],
)
def dataset(context: dg.AssetExecutionContext, config: DatasetConfig, store: StoreResource) -> Results:
    """Shards of posts and pictures with their class, split 80/10/10 by user or in time; never edited once written."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    release = latest_release(data, city)
    ledger = release.manifest.about["ledger"]
    by_user = release.manifest.about["split"] == "user"
    checks = {
        "ledger_closes": ledger["posts"] == ledger["released"] + ledger["dropped"] + ledger["deferred"],
        "splits_disjoint": _is_in_one_split(release, "clean_digest")
        and (_is_in_one_split(release, "user_key") or not by_user),
        "every_split_has_posts": all(release.manifest.about["splits"].values()),
    }
    yield from materialized(
        report,
        num_rows=report.counts["released"],
        where=where(release.manifest.folder, release.posts.schema),
        checks=checks,
        warnings={"shares_hold": not is_uneven(release.posts["split"].to_pylist())},
        preview=class_histogram_png(data, city),
    )


def _is_in_one_split(release: Release, column: str) -> bool:
    """Whether there are as many pairs of (value, split) as there are values."""
    pairs = release.posts.group_by([column, "split"]).aggregate([])
    return pairs.num_rows == len(release.posts[column].unique())

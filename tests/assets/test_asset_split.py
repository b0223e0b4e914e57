"""The checks on what can be split and on how it was: one account passes, uneven shares warn, no hope stops."""

import datetime as dt

import dagster as dg
import pytest

from assets.curate.curated_posts import curated_posts
from assets.release.dataset import dataset
from pipeline.release.read import latest_release
from tests.assets.helpers import checks, failures, materialize, write_cities
from tests.fakes.city import TAKEN, clean_row, curated_post, finish, poi, put_city
from tests.fakes.pictures import encoded, pixels

pytestmark = pytest.mark.slow


def fill(store, users, days) -> None:
    """Posts of these users on these days at two POIs, each with a clean picture of its own."""
    digests = [store.blobs.put("original", encoded(pixels(row, (96, 96)))) for row in range(len(users))]
    posts = [
        curated_post(row, row % 2, user, [digests[row]], taken_utc=TAKEN + dt.timedelta(days=day))
        for row, (user, day) in enumerate(zip(users, days, strict=True))
    ]
    put_city(store, [poi(0), poi(1)], posts)
    store.tables.replace("demo", "clean_images", [clean_row(store, *numbered) for numbered in enumerate(digests)])
    for name in ("portrait_masks", "clean_images"):
        finish(store, name)


@pytest.fixture(autouse=True)
def few_posts_are_enough(cities):
    write_cities({**cities, "demo": {**cities["demo"], "curated_posts": {"min_posts_per_poi": 2}}})


@pytest.mark.fault("T13")
def test_an_archive_of_one_account_passes_all_checks_and_no_day_is_in_two_splits(store):
    fill(store, [0] * 20, range(20))
    assert set(checks(materialize(store, dataset)).values()) == {True}
    release = latest_release(store, "demo")
    about = release.manifest.about
    assert (release.split, about["splits"]) == ("time", {"train": 16, "validation": 2, "test": 2})
    assert "1 user" in about["split_reason"] and about["shares"]["test"] == 0.1


@pytest.mark.fault("T14")
def test_uneven_shares_warn_with_the_shares_and_hold_nothing_up(store):
    fill(store, [0] * 16 + [1] * 3 + [2] * 1, range(20))
    result = materialize(store, dataset, split="user")
    assert result.success and not checks(result)["shares_hold"] and checks(result)["splits_disjoint"]
    (warned,) = (each for each in result.get_asset_check_evaluations() if not each.passed)
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert "train 80.0%, validation 5.0%, test 15.0%" in warned.metadata["notes"].value


@pytest.mark.fault("T15")
def test_what_no_data_set_can_be_made_of_stops_after_curated_posts_and_says_why(store, fake_stage):
    fill(store, [0] * 8, [0] * 8)
    fake_stage("curated_posts", counts={"kept": 8})
    result = materialize(store, curated_posts)
    assert checks(result) == {"keeps_some": True, "can_be_split": False}
    assert "of 1 user and 1 day (UTC), so no data set can be made of them" in failures(result)

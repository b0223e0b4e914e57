"""The dry run: it asks nothing, and what it reckons is what a run then takes."""

import pytest

from pipeline.collect.instagram.dry_run import Plan, plan_run
from pipeline.collect.instagram.pace import PaceLimits
from pipeline.collect.instagram.walk import WalkLimits
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow

DAY_S = 86_400


@pytest.fixture
def instagram():
    with FakeInstagram() as server:
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch) -> LiveTown:
    """Two places of 60 posts each."""
    return LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=60)


def plan(town: LiveTown, *, is_signed_in: bool = True, max_posts: int | None = None, **pace: int) -> Plan:
    """What a run would take now."""
    return plan_run(
        town.store,
        "town",
        limits=WalkLimits(max_posts=max_posts),
        pace=PaceLimits(**pace),
        max_pois=40,
        is_signed_in=is_signed_in,
        now=town.clock.now(),
    )


def test_before_anything_was_built_the_number_of_pois_wanted_counts(town):
    planned = plan(town)
    assert (planned.has_pois, planned.num_to_search, planned.num_places, planned.num_requests) == (False, 40, 0, 40)
    assert planned.at_least
    assert town.server.requests == []
    assert list(town.store.root.iterdir()) == []


def test_a_limit_of_posts_reports_the_requests_of_the_first_walks_exactly(town):
    town.find()
    planned, num_before = plan(town, max_posts=48), town.api_requests()
    assert (planned.num_to_search, planned.num_first, planned.num_requests, planned.at_least) == (0, 2, 4, ())
    assert planned.num_pictures == 2 * 48
    assert town.api_requests() == num_before
    town.collect(max_posts_per_place=48)
    assert town.api_requests() == num_before + planned.num_requests


def test_without_a_limit_the_first_walks_are_a_lower_bound(town):
    town.find()
    planned, num_before = plan(town), town.api_requests()
    assert (planned.num_requests, planned.num_pictures) == (2, 0)
    assert "how many posts a place has is not known" in planned.at_least[0]
    town.collect()
    assert town.api_requests() >= num_before + planned.num_requests


def test_after_a_run_places_are_refreshed_with_a_request_each_and_after_a_month_passed_in_full(town):
    town.build()
    planned, num_before = plan(town), town.api_requests()
    assert (planned.num_refresh, planned.num_again, planned.num_requests) == (2, 0, 2)
    town.collect()
    assert town.api_requests() == num_before + 2
    town.clock.pass_by(31 * DAY_S)
    planned, num_before = plan(town), town.api_requests()
    assert (planned.num_refresh, planned.num_again, planned.num_requests) == (0, 2, 6)
    town.collect()
    assert town.api_requests() == num_before + 6


def test_a_walk_that_stopped_counts_from_the_page_where_it_did(town):
    town.find()
    town.collect(max_posts_per_place=48, max_requests=1)
    assert plan(town, max_posts=48).num_requests == 1 + 2


def test_places_whose_time_has_not_come_take_nothing(town, instagram):
    town.find()
    instagram.fail("1001", Answer(status=404), times=None)
    town.collect()
    planned = plan(town)
    assert (planned.num_waiting, planned.num_refresh, planned.num_requests) == (1, 1, 1)


def test_pictures_that_wait_are_counted_one_by_one(town, instagram):
    town.find()
    instagram.fail("/media/[0-9]+[02]_", Answer(status=503), times=None)
    town.collect()
    assert plan(town).num_pictures == 0
    town.clock.pass_by(2 * 3600)
    waiting = plan(town).num_pictures
    instagram.faults.clear()
    num_before = instagram.count("/media/")
    town.collect()
    assert instagram.count("/media/") - num_before == waiting > 0


def test_a_visitor_searches_nothing_and_has_one_look_at_each_place(town):
    town.find()
    planned = plan(town, is_signed_in=False)
    assert (planned.num_requests, planned.at_least) == (2, ())


@pytest.mark.parametrize(
    ("pace", "hours"),
    [
        pytest.param({"per_minute": 8, "per_hour": 400}, 40 / 400, id="the hour is the narrower"),
        pytest.param({"per_minute": 1, "per_hour": 400}, 40 / 60, id="the minute is the narrower"),
    ],
)
def test_the_time_goes_by_the_narrower_of_the_paces(town, pace, hours):
    assert plan(town, **pace).hours == pytest.approx(hours)

"""Bad days of the source: nothing is final because of one, nothing is called complete over a loss.

Covered: walks that break, places and posts that are said to be gone, clocks and settings that were wrong. Pictures
stand in test_bad_pictures.py, posts that change in test_changed_posts.py, kills in test_kills.py.
"""

from datetime import timedelta

import pytest

from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow

DAY_S = 86_400.0
HTML = Answer.html("<html><title>Sorry</title></html>")


@pytest.mark.fault("I22")
class TestDropsRememberWhy:
    def test_posts_that_lay_in_the_future_come_back_when_the_clock_is_right(self, town):
        right = town.clock.now()
        town.clock.jump(-(right - right.replace(year=2019)).total_seconds())
        town.collect()
        assert set(town.reasons().values()) == {"bad_time"}
        assert town.collect().record.about["requests"] == "2", "as long as it is wrong nothing is walked again"
        town.clock.jump((right - town.clock.now()).total_seconds())
        town.assert_complete(town.collect())

    @pytest.mark.parametrize(
        ("setting", "reason"),
        [
            ({"max_image_bytes": 200}, "too_many_bytes"),
            ({"min_image_side_px": 5000}, "too_small"),
            ({"max_image_pixels": 100}, "too_many_pixels"),
        ],
    )
    def test_another_setting_asks_again_and_the_same_one_does_not(self, town, instagram, setting, reason):
        town.collect(**setting)
        assert set(town.reasons().values()) == {reason}
        instagram.requests.clear()
        town.collect(**setting)
        assert instagram.count() == 2
        town.assert_complete(town.collect())

    def test_a_post_that_is_not_found_any_more_does_not_keep_its_place_awake(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        town.collect(min_image_side_px=5000)
        instagram.world.remove(pk)
        town.collect()
        assert town.reasons() == {town.key(pk): "too_small"}
        instagram.requests.clear()
        town.collect()
        assert instagram.count() == 2

    def test_a_larger_limit_of_posts_goes_on_where_the_smaller_one_ended(self, town):
        town.collect(max_posts_per_place=8)
        assert len(town.kept_keys()) == 16
        town.assert_complete(town.collect())

    def test_a_post_that_was_found_gone_and_is_there_again_comes_back(self, collected, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.world.remove(pk)
        for days in (31, 1):
            collected.clock.pass_by(days * DAY_S + 1)
            collected.collect()
        assert collected.posts()[collected.key(pk)]["state"] == "deleted"
        instagram.world.removed.clear()
        collected.clock.pass_by(31 * DAY_S)
        collected.assert_complete(collected.collect())


@pytest.mark.fault("I23")
class TestARefreshThatBreaks:
    @pytest.mark.parametrize(
        "break_it",
        [
            pytest.param(lambda server: server.fail("1000/sections", Answer.json({}, 404)), id="404"),
            pytest.param(lambda server: server.fail("1000/sections", HTML), id="HTML"),
            pytest.param(lambda server: server.fail("1000/sections", Answer.json({"a": 1})), id="unknown shape"),
            pytest.param(lambda server: setattr(server.world.places["1000"], "loop_at_page", 2), id="loop"),
            pytest.param(lambda server: setattr(server.world.places["1000"], "empty_pages_at", (2, 3)), id="empty"),
        ],
    )
    def test_leaves_no_gap(self, collected, instagram, break_it):
        for _ in range(10):
            instagram.world.add_post("1000", is_videos=(False,))
        break_it(instagram)
        collected.collect()
        assert not collected.waiting().is_nothing
        instagram.faults.clear()
        instagram.world.places["1000"].loop_at_page, instagram.world.places["1000"].empty_pages_at = None, ()
        collected.clock.pass_by(DAY_S + 1)
        collected.assert_complete(collected.collect())

    def test_twice_in_a_row_leaves_no_gap(self, collected, instagram):
        for num_new in (10, 6):
            for _ in range(num_new):
                instagram.world.add_post("1000", is_videos=(False,))
            instagram.fail("1000/sections", HTML, skip=1 if num_new == 6 else 0)
            collected.collect()
            collected.clock.pass_by(DAY_S + 1)
        collected.assert_complete(collected.collect())

    def test_a_known_post_among_new_ones_is_no_known_ground(self, collected, instagram):
        old = instagram.world.shown("1000")[7]
        for _ in range(10):
            instagram.world.add_post("1000", is_videos=(False,))
        instagram.world.also_show(old, "1000")
        collected.collect()
        assert collected.kept_keys() == collected.all_keys()

    def test_an_unchanged_place_still_takes_one_request(self, collected, instagram):
        instagram.world.add_post("1000", is_videos=(False,))
        instagram.requests.clear()
        collected.collect()
        assert collected.api_requests() == 2


@pytest.mark.fault("I24")
class TestAPlaceThatVanished:
    def vanish(self, town: LiveTown, *location_ids: str) -> None:
        for location_id in location_ids:
            town.server.fail(f"location_id={location_id}|locations/{location_id}", Answer.json({}, 404), times=None)

    def test_the_second_404_days_apart_makes_it_gone_and_its_posts_are_checked(self, collected, instagram):
        pks = instagram.world.shown("1000")
        self.vanish(collected, "1000")
        collected.clock.pass_by(31 * DAY_S)
        collected.collect()
        assert collected.waiting().places == {"place_missing": 1}
        assert collected.waiting().not_before == collected.clock.now() + timedelta(days=1)
        for pk in pks[:5]:
            instagram.world.remove(pk)
        collected.clock.pass_by(2 * DAY_S)
        collected.collect()
        assert instagram.count("api/v1/media") == 10, "each of its posts by itself"
        collected.clock.pass_by(DAY_S + 1)
        report = collected.collect()
        assert collected.waiting().is_nothing and report.record.notes == []
        assert [collected.posts()[collected.key(pk)]["state"] for pk in pks[4:6]] == ["deleted", "active"]
        assert report.record.about["places"] == "2 of 2"
        num_asked = instagram.count("api/v1/media")
        collected.clock.pass_by(7 * DAY_S)
        collected.collect()
        assert instagram.count("api/v1/media") == num_asked

    def test_one_404_is_a_bad_day(self, collected, instagram):
        self.vanish(collected, "1000")
        collected.collect()
        instagram.faults.clear()
        collected.clock.pass_by(2 * DAY_S)
        collected.assert_complete(collected.collect())
        self.vanish(collected, "1000")
        collected.collect()
        assert collected.waiting().places == {"place_missing": 1}, (
            "what was said before the good answer does not count"
        )

    def test_the_only_place_of_a_city_can_vanish_too(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_places=1, num_posts=5)
        town.build()
        self.vanish(town, "1000")
        town.collect()
        town.clock.pass_by(DAY_S + 1)
        town.collect()
        assert town.waiting().is_nothing

    def test_a_place_that_comes_back_is_walked_again(self, collected, instagram):
        self.vanish(collected, "1000")
        for _ in range(2):
            collected.collect()
            collected.clock.pass_by(DAY_S + 1)
        instagram.faults.clear()
        instagram.world.add_post("1000", is_videos=(False,))
        collected.assert_complete(collected.collect())

    def test_the_checks_of_its_posts_keep_to_the_budget(self, collected, instagram):
        self.vanish(collected, "1000")
        collected.collect()
        collected.clock.pass_by(DAY_S + 1)
        collected.collect(max_requests=9)
        assert collected.waiting().rechecks == 10 - (9 - 3)
        collected.collect()
        assert collected.waiting().is_nothing


@pytest.mark.fault("I25")
class TestCompleteMeansThatNothingWaits:
    def test_a_deferred_picture_is_something_that_waits(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.fail(f"^/media/{pk}", Answer(status=503), times=None)
        report = town.collect()
        waits = town.waiting()
        assert waits.posts == {"media_unreachable": 1}
        assert waits.not_before == town.clock.now() + timedelta(hours=1)
        assert f"run it again after {waits.not_before:%Y-%m-%d %H:%M} UTC" in report.record.notes[-1]

    def test_a_spent_budget_leaves_places_and_a_good_run_none(self, town):
        town.collect(max_requests=3)
        assert sum(town.waiting().places.values()) == 1
        assert town.waiting().not_before is None
        town.collect()
        assert town.waiting().is_nothing

    def test_posts_that_may_be_gone_wait(self, collected, instagram):
        instagram.world.remove(instagram.world.shown("1000")[3])
        collected.clock.pass_by(31 * DAY_S)
        collected.collect()
        waiting = collected.waiting()
        assert (waiting.rechecks, waiting.not_before) == (1, collected.clock.now() + timedelta(days=1))

    def test_an_answer_in_vain_to_a_check_waits_too(self, collected, instagram):
        instagram.world.remove(instagram.world.shown("1000")[3])
        instagram.fail("api/v1/media", HTML, times=None)
        collected.clock.pass_by(31 * DAY_S)
        collected.collect()
        assert collected.waiting().rechecks == 1

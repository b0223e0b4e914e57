"""Bad days of the source: nothing is final because of one, nothing is called complete over a loss.

Covered: pictures that do not come, hosts that are ill or throttle, walks that break, places and posts that are said to
be gone, posts that change, clocks and settings that were wrong. Kills stand in test_kills.py.
"""

import json
import time
from datetime import timedelta

import pytest

from pipeline.collect.instagram.live import media_hosts_path
from pipeline.collect.waiting import Waiting, what_waits
from pipeline.stage import StageReport
from tests.fakes.http_server import Answer, changed
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown
from tests.fakes.pictures import encoded, pixels

DAY_S = 86_400.0
PAGES = "sections|web_info"
HTML = Answer.html("<html><title>Sorry</title></html>")
ILL = [
    pytest.param(Answer(status=400), id="400"),
    pytest.param(Answer(status=401), id="401"),
    pytest.param(Answer(status=403), id="403"),
    pytest.param(Answer(status=404), id="404"),
    pytest.param(Answer(status=410), id="410"),
    pytest.param(Answer(), id="an empty 200"),
    pytest.param(HTML, id="HTML"),
    pytest.param(Answer(body=b"GIF89a" + bytes(30)), id="another format"),
    pytest.param(Answer(body=encoded(pixels(0, (1, 1)))), id="a placeholder of one pixel"),
    pytest.param(Answer(status=503), id="503"),
    pytest.param(Answer(ending="reset"), id="reset"),
    pytest.param(Answer.redirect("https://www.instagram.com/accounts/login/"), id="sent to the login page"),
    pytest.param(Answer.redirect("/loop.jpg"), id="sent round and round"),
]


@pytest.fixture
def instagram():
    """A fake Instagram whose pages hold 8 posts."""
    with FakeInstagram() as server:
        server.world.page_size = 8
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch) -> LiveTown:
    """Two places of 20 photos each, which were found."""
    town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, place={"carousel": 0.0, "video": 0.0})
    town.find()
    instagram.requests.clear()
    return town


def waiting(town: LiveTown) -> Waiting:
    return what_waits(town.store, town.city, town.clock.now())


def keys(town: LiveTown) -> set[str]:
    """The posts of the world."""
    world = town.server.world
    return {town.key(pk) for place in world.places.values() for pk in world.shown(place.location_id)}


def kept(town: LiveTown) -> set[str]:
    """The posts that are there with their pictures."""
    return {key for key, row in town.posts().items() if row["state"] == "active" and row["image_digests"]}


def private(answer: Answer) -> Answer:
    """The same post, told by itself, of an account that is private now."""
    told = json.loads(answer.body)
    told["items"][0]["user"]["is_private"] = True
    return Answer.json(told)


def assert_whole(town: LiveTown, report: StageReport) -> None:
    """Every post of the world is kept, and nothing waits."""
    assert kept(town) == keys(town)
    assert (town.reasons(), town.reasons("deferred")) == ({}, {})
    assert waiting(town).is_nothing and report.record.notes == []


@pytest.mark.fault("I21")
class TestPicturesThatDoNotCome:
    @pytest.mark.parametrize("answer", ILL)
    def test_one_passing_fault_costs_no_post(self, town, instagram, answer):
        instagram.fail("^/media/", answer, times=2)
        town.collect()
        assert town.reasons() == {}
        town.clock.pass_by(DAY_S + 1)
        assert_whole(town, town.collect())

    @pytest.mark.parametrize("answer", ILL)
    def test_a_host_that_is_ill_for_two_days_costs_no_post_either(self, town, instagram, answer):
        fault = instagram.fail("^/media/", answer, times=None)
        for _ in range(3):
            report = town.collect()
            assert report.record.about["stopped"] in ("media_host_ill", "media_host_rests")
            assert not waiting(town).is_nothing
            town.clock.pass_by(DAY_S + 1)
        assert fault.num_used <= 3 * 110, "an ill host is left alone"
        fault.times = 0
        assert_whole(town, town.collect())

    def test_the_host_is_said_to_be_ill(self, town, instagram):
        instagram.fail("^/media/", HTML, times=None)
        notes = " ".join(town.collect().record.notes)
        assert "not_an_image" in notes and "the host of pictures is ill" in notes and "incomplete: " in notes

    def test_scattered_faults_lose_nothing(self, town, instagram):
        for number, answer in enumerate((Answer(status=404), HTML, Answer(status=400), Answer(status=410))):
            instagram.fail("^/media/", answer, times=None, every=17, skip=number)
        while waiting(town).posts or not town.posts():
            report = town.collect()
            assert town.reasons() == {}
            town.clock.pass_by(DAY_S + 1)
        assert_whole(town, report)

    def test_only_the_second_word_a_day_later_is_final(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.fail(f"^/media/{pk}", Answer(status=410), times=None)
        town.collect()
        town.clock.pass_by(DAY_S / 2)
        town.collect()
        assert town.reasons("deferred") == {town.key(pk): "media_gone"}
        town.clock.pass_by(DAY_S / 2 + 1)
        report = town.collect()
        assert town.reasons() == {} and town.posts()[town.key(pk)]["state"] == "deleted"
        assert waiting(town).is_nothing, report.record.notes

    def test_a_picture_that_is_nowhere_waits_as_long_as_its_post_is_there(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.fail(f"^/media/{pk}", Answer(status=404), times=None)
        for _ in range(3):
            town.collect()
            assert town.reasons("deferred") == {town.key(pk): "media_not_found"}
            town.clock.pass_by(2 * DAY_S + 1)
        instagram.world.remove(pk)
        town.collect()
        town.clock.pass_by(DAY_S + 1)
        town.collect()
        assert town.posts()[town.key(pk)]["state"] == "deleted"

    def test_a_carousel_is_kept_without_the_picture_that_is_gone_for_good(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False, False, False))
        instagram.fail(f"^/media/{pk}_1", Answer(status=410), times=None)
        town.collect()
        assert town.reasons("deferred") == {town.key(pk): "media_gone"}
        town.clock.pass_by(DAY_S + 1)
        town.collect()
        assert len(town.posts()[town.key(pk)]["image_digests"]) == 2


@pytest.mark.fault("I22")
class TestDropsRememberWhy:
    def test_posts_that_lay_in_the_future_come_back_when_the_clock_is_right(self, town):
        right = town.clock.now()
        town.clock.jump(-(right - right.replace(year=2019)).total_seconds())
        town.collect()
        assert set(town.reasons().values()) == {"bad_time"}
        assert town.collect().record.about["requests"] == "2", "as long as it is wrong nothing is walked again"
        town.clock.jump((right - town.clock.now()).total_seconds())
        assert_whole(town, town.collect())

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
        assert_whole(town, town.collect())

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
        assert len(kept(town)) == 16
        assert_whole(town, town.collect())

    def test_a_post_that_was_found_gone_and_is_there_again_comes_back(self, town, instagram):
        town.collect()
        pk = instagram.world.shown("1000")[3]
        instagram.world.remove(pk)
        for days in (31, 1):
            town.clock.pass_by(days * DAY_S + 1)
            town.collect()
        assert town.posts()[town.key(pk)]["state"] == "deleted"
        instagram.world.removed.clear()
        town.clock.pass_by(31 * DAY_S)
        assert_whole(town, town.collect())


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
    def test_leaves_no_gap(self, town, instagram, break_it):
        town.collect()
        for _ in range(20):
            instagram.world.add_post("1000", is_videos=(False,))
        break_it(instagram)
        town.collect()
        assert not waiting(town).is_nothing
        instagram.faults.clear()
        instagram.world.places["1000"].loop_at_page, instagram.world.places["1000"].empty_pages_at = None, ()
        town.clock.pass_by(DAY_S + 1)
        assert_whole(town, town.collect())

    def test_twice_in_a_row_leaves_no_gap(self, town, instagram):
        town.collect()
        for num_new in (20, 12):
            for _ in range(num_new):
                instagram.world.add_post("1000", is_videos=(False,))
            instagram.fail("1000/sections", HTML, skip=1 if num_new == 12 else 0)
            town.collect()
            town.clock.pass_by(DAY_S + 1)
        assert_whole(town, town.collect())

    def test_a_known_post_among_new_ones_is_no_known_ground(self, town, instagram):
        town.collect()
        old = instagram.world.shown("1000")[15]
        for _ in range(20):
            instagram.world.add_post("1000", is_videos=(False,))
        instagram.world.also_show(old, "1000")
        town.collect()
        assert kept(town) == keys(town)

    def test_an_unchanged_place_still_takes_one_request(self, town, instagram):
        town.collect()
        instagram.world.add_post("1000", is_videos=(False,))
        instagram.requests.clear()
        town.collect()
        assert town.api_requests() == 2


@pytest.mark.fault("I24")
class TestAPlaceThatVanished:
    def vanish(self, town: LiveTown, *location_ids: str) -> None:
        for location_id in location_ids:
            town.server.fail(f"location_id={location_id}|locations/{location_id}", Answer.json({}, 404), times=None)

    def test_the_second_404_days_apart_makes_it_gone_and_its_posts_are_checked(self, town, instagram):
        town.collect()
        pks = instagram.world.shown("1000")
        self.vanish(town, "1000")
        town.clock.pass_by(31 * DAY_S)
        town.collect()
        assert waiting(town).places == {"place_missing": 1}
        assert waiting(town).not_before == town.clock.now() + timedelta(days=1)
        for pk in pks[:5]:
            instagram.world.remove(pk)
        town.clock.pass_by(2 * DAY_S)
        town.collect()
        assert instagram.count("api/v1/media") == 20, "each of its posts by itself"
        town.clock.pass_by(DAY_S + 1)
        report = town.collect()
        assert waiting(town).is_nothing and report.record.notes == []
        assert [town.posts()[town.key(pk)]["state"] for pk in pks[4:6]] == ["deleted", "active"]
        assert report.record.about["places"] == "2 of 2"
        num_asked = instagram.count("api/v1/media")
        town.clock.pass_by(7 * DAY_S)
        town.collect()
        assert instagram.count("api/v1/media") == num_asked

    def test_one_404_is_a_bad_day(self, town, instagram):
        town.collect()
        self.vanish(town, "1000")
        town.collect()
        instagram.faults.clear()
        town.clock.pass_by(2 * DAY_S)
        assert_whole(town, town.collect())
        self.vanish(town, "1000")
        town.collect()
        assert waiting(town).places == {"place_missing": 1}, "what was said before the good answer does not count"

    def test_the_only_place_of_a_city_can_vanish_too(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_places=1, num_posts=5)
        town.build()
        self.vanish(town, "1000")
        town.collect()
        town.clock.pass_by(DAY_S + 1)
        town.collect()
        assert waiting(town).is_nothing

    def test_a_place_that_comes_back_is_walked_again(self, town, instagram):
        town.collect()
        self.vanish(town, "1000")
        for _ in range(2):
            town.collect()
            town.clock.pass_by(DAY_S + 1)
        instagram.faults.clear()
        instagram.world.add_post("1000", is_videos=(False,))
        assert_whole(town, town.collect())

    def test_the_checks_of_its_posts_keep_to_the_budget(self, town, instagram):
        town.collect()
        self.vanish(town, "1000")
        town.collect()
        town.clock.pass_by(DAY_S + 1)
        town.collect(max_requests=9)
        assert waiting(town).rechecks == 20 - (9 - 3)
        town.collect()
        assert waiting(town).is_nothing


@pytest.mark.fault("I25")
class TestCompleteMeansThatNothingWaits:
    def test_a_deferred_picture_is_something_that_waits(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.fail(f"^/media/{pk}", Answer(status=503), times=None)
        report = town.collect()
        told = waiting(town)
        assert told.posts == {"media_unreachable": 1}
        assert told.not_before == town.clock.now() + timedelta(hours=1)
        assert f"run it again after {told.not_before:%Y-%m-%d %H:%M} UTC" in report.record.notes[-1]

    def test_a_spent_budget_leaves_places_and_a_good_run_none(self, town):
        town.collect(max_requests=3)
        assert sum(waiting(town).places.values()) == 1
        assert waiting(town).not_before is None
        town.collect()
        assert waiting(town).is_nothing

    def test_posts_that_may_be_gone_wait(self, town, instagram):
        town.collect()
        instagram.world.remove(instagram.world.shown("1000")[3])
        town.clock.pass_by(31 * DAY_S)
        town.collect()
        assert (waiting(town).rechecks, waiting(town).not_before) == (1, town.clock.now() + timedelta(days=1))

    def test_an_answer_in_vain_to_a_check_waits_too(self, town, instagram):
        town.collect()
        instagram.world.remove(instagram.world.shown("1000")[3])
        instagram.fail("api/v1/media", HTML, times=None)
        town.clock.pass_by(31 * DAY_S)
        town.collect()
        assert waiting(town).rechecks == 1


@pytest.mark.fault("I26")
class TestTheHostsOfMediaHaveAPace:
    def test_retry_after_is_honoured_over_restarts(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=429, headers={"Retry-After": "3600"}), times=None)
        town.collect()
        assert fault.num_used <= 4, "those that were under way"
        assert waiting(town).not_before == pytest.approx(
            town.clock.now() + timedelta(hours=1), abs=timedelta(minutes=1)
        )
        town.clock.pass_by(1800)
        before = waiting(town)
        town.collect()
        assert fault.num_used <= 4
        assert waiting(town) == before, "what stopped the run before is still why"
        fault.times = 0
        town.clock.pass_by(1801)
        assert_whole(town, town.collect())

    def test_a_short_rest_is_waited_for_in_the_run(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=503, headers={"Retry-After": "20"}), times=4)
        report = town.collect()
        assert fault.num_used <= 4
        assert_whole(town, report)

    def test_a_host_that_only_fails_is_asked_a_few_times_and_then_left_alone(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=503), times=None)
        town.collect()
        assert fault.num_used <= 40
        town.collect()
        assert fault.num_used <= 40
        assert media_hosts_path(town.store).is_file()

    def test_rests_grow_within_a_day(self, town, instagram):
        instagram.fail("^/media/", Answer(status=429), times=None)
        rests = []
        for _ in range(4):
            begun = town.clock.now()
            town.collect()
            rests.append((waiting(town).not_before - begun).total_seconds())
            town.clock.pass_by(rests[-1] + 1)
        assert rests == sorted(rests) and rests[-1] >= 10 * rests[0]

    @pytest.mark.parametrize("num_connections", [1, 3])
    def test_connections_are_a_setting(self, store, tmp_path, instagram, monkeypatch, num_connections):
        town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, media_connections=num_connections, num_posts=8)
        at_once, most = [0], [0]

        def slow(answer: Answer) -> Answer:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            time.sleep(0.02)
            at_once[0] -= 1
            return answer

        instagram.fail("^/media/", change=slow, times=None)
        town.build()
        assert most[0] == num_connections


@pytest.mark.fault("I27")
class TestAPostThatChanges:
    def test_one_that_turned_private_is_gone_with_the_page_that_tells_it(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        town.collect()
        instagram.world.change(pk, user={"pk": 5, "username": "x", "is_private": True})
        report = town.collect()
        row = town.posts()[town.key(pk)]
        assert (row["state"], row["caption"], row["image_digests"]) == ("deleted", "", [])
        assert report.record.about["updated_posts"] == "1"
        assert waiting(town).is_nothing

    def test_one_that_turned_private_and_is_shown_no_more_is_gone_at_the_first_word(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        town.collect()
        instagram.world.make_private(pk)
        town.clock.pass_by(31 * DAY_S)
        report = town.collect()
        assert town.posts()[town.key(pk)]["state"] == "deleted"
        assert (report.record.about["updated_posts"], waiting(town).is_nothing) == ("1", True)

    def test_a_caption_that_was_edited_is_the_rows_and_its_pictures_stay(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        town.collect()
        before = town.posts()[town.key(pk)]
        instagram.world.change(pk, caption="Quite another story #lighthouse")
        instagram.requests.clear()
        report = town.collect()
        after = town.posts()[town.key(pk)]
        assert (after["caption"], after["hashtags"]) == ("Quite another story #lighthouse", ["lighthouse"])
        assert after["image_digests"] == before["image_digests"]
        assert (report.record.about["updated_posts"], report.record.about["new_posts"]) == ("1", "0")
        assert instagram.count("^/media/") == 0

    def test_an_edit_before_the_pictures_came_is_not_lost(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        fault = instagram.fail(f"^/media/{pk}", Answer(status=503), times=None)
        town.collect()
        instagram.world.change(pk, caption="Another story")
        town.collect()
        fault.times = 0
        town.clock.pass_by(DAY_S)
        town.collect()
        assert town.posts()[town.key(pk)]["caption"] == "Another story"

    @pytest.mark.parametrize(("location_id", "is_there"), [("1001", True), ("4711", False)])
    def test_one_that_moved_belongs_to_its_new_place_or_to_none(self, town, instagram, location_id, is_there):
        pk = instagram.world.shown("1000")[3]
        town.collect()
        instagram.world.change(pk, location={"pk": int(location_id), "name": "There", "lat": 12.01, "lng": -30.0})
        report = town.collect()
        row = town.posts().get(town.key(pk))
        assert (row["poi_id"] if row else None) == ("p1" if is_there else None)
        assert ("unmatched_place" in town.reasons().values()) is not is_there
        assert report.record.about["updated_posts"] == "1"

    def test_a_carousel_that_lost_a_picture_loses_it_here_too(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False, False, False))
        town.collect()
        instagram.world.change(pk, is_videos=(False, False))
        town.collect()
        assert len(town.posts()[town.key(pk)]["image_digests"]) == 2

    def test_nothing_is_updated_where_nothing_changed(self, town):
        town.collect()
        town.clock.pass_by(31 * DAY_S)
        report = town.collect()
        assert report.is_reused and report.record.about["updated_posts"] == "0"


def test_a_slow_answer_is_no_failure(town, instagram):
    instagram.fail("^/media/", change=changed(delay_s=0.01), times=None)
    assert_whole(town, town.collect())

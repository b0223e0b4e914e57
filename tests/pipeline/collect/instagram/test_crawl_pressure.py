"""Throttling, login pages and answers of an unknown shape: a crawl rests, ends or asks a person, and loses nothing."""

from datetime import timedelta

import pytest

from pipeline.collect.web.errors import HumanError
from pipeline.errors import StageError
from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow


@pytest.fixture
def town(mixed_town) -> LiveTown:
    return mixed_town


PAGES = "sections|web_info"
WAIT = {"message": "Please wait a few minutes before you try again.", "status": "fail"}


class TestPressure:
    @pytest.mark.fault("I1")
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(Answer.json({"message": "too many"}, 429), id="429"),
            pytest.param(Answer.json(WAIT, 401), id="401 please wait"),
            pytest.param(Answer.json(WAIT, 200), id="200 please wait"),
            pytest.param(Answer.json({"message": "feedback_required", "status": "fail"}, 400), id="feedback required"),
        ],
    )
    def test_throttling_rests_everything_and_then_goes_on(self, town, instagram, answer):
        instagram.fail(PAGES, answer, skip=2)
        report = town.collect()
        assert max(town.clock.slept) == pytest.approx(300, abs=1)
        assert town.seen_keys() == town.all_keys()
        assert report.record.notes == []

    @pytest.mark.fault("I1")
    def test_throttling_that_does_not_end_ends_the_run_and_loses_nothing(self, town, instagram):
        fault = instagram.fail(PAGES, Answer.json(WAIT, 429), skip=2, times=None)
        report = town.collect()
        assert instagram.count(PAGES) == 2 + 3, "no other place is tried while everything rests"
        assert [round(seconds) for seconds in town.clock.slept if seconds > 1] == [300, 900]
        assert "incomplete: 0 of 2 places" in report.record.notes[0]
        assert "please_wait" in report.record.notes[0]
        assert len(town.seen_keys()) == 8
        fault.times = 0
        instagram.requests.clear()
        town.clock.pass_by(900)
        town.collect()
        assert town.seen_keys() == town.all_keys()
        assert town.api_requests() == 4, "the first place goes on at its third page"

    @pytest.mark.fault("I1")
    def test_the_end_of_a_rest_is_reported_and_kept_over_a_restart(self, town, instagram):
        instagram.fail(PAGES, Answer.json(WAIT, 429), times=None)
        report = town.collect()
        assert report.record.about["go_on"] == f"{town.clock.now() + timedelta(seconds=900):%Y-%m-%d %H:%M} UTC"
        instagram.faults.clear()
        begun = town.clock.monotonic()
        town.collect()
        assert town.clock.monotonic() - begun >= 899

    @pytest.mark.fault("I1")
    def test_a_longer_rest_than_a_run_would_take_ends_the_run_at_once(self, town, instagram):
        instagram.fail(PAGES, Answer.json({}, 429, headers={"Retry-After": "7200"}), times=None)
        town.collect()
        assert instagram.count(PAGES) == 1
        town.collect()
        assert instagram.count(PAGES) == 1, "the rest still stands"

    @pytest.mark.fault("I2")
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(Answer.redirect("https://www.instagram.com/accounts/login/"), id="login"),
            pytest.param(Answer.redirect("/challenge/abc/"), id="challenge page"),
            pytest.param(Answer.json({"message": "checkpoint_required", "status": "fail"}, 400), id="checkpoint"),
            pytest.param(Answer.json({"message": "challenge_required", "status": "fail"}, 400), id="challenge"),
            pytest.param(Answer.json({"message": "two_factor_required", "status": "fail"}, 400), id="two factors"),
            pytest.param(Answer.json({"message": "bad_password", "status": "fail"}, 400), id="wrong password"),
            pytest.param(Answer.json({"message": "login_required", "status": "fail"}, 403), id="login required"),
            pytest.param(Answer.json({}, 401), id="401 without a word"),
            pytest.param(Answer.html("<title>Login • Instagram</title>"), id="a login page with status 200"),
            pytest.param(Answer.html("<div class='g-recaptcha'></div>"), id="a captcha"),
        ],
    )
    def test_what_only_a_person_can_mend_ends_the_run_at_the_first_request(self, town, instagram, answer):
        town.clock.pass_by(13 * 3600)  # a session that answered lately may be throttled by the login page
        instagram.fail(PAGES, answer, times=None)
        with pytest.raises(HumanError, match=r"MRLF_INSTAGRAM_COOKIES|cookies anew"):
            town.collect()
        assert instagram.count() == 1

    @pytest.mark.fault("I31")
    def test_a_login_redirect_at_the_beginning_is_throttling_where_the_search_was_answered_before(
        self, town, instagram
    ):
        instagram.fail(PAGES, Answer.redirect("https://www.instagram.com/accounts/login/"))
        assert town.collect().record.notes == []
        assert town.seen_keys() == town.all_keys()

    @pytest.mark.fault("I2")
    def test_a_login_redirect_of_a_session_that_answered_is_throttling_once(self, town, instagram):
        instagram.fail(PAGES, Answer.redirect("https://www.instagram.com/accounts/login/"), skip=2)
        assert town.collect().record.notes == []
        assert town.seen_keys() == town.all_keys()

    @pytest.mark.fault("I2")
    def test_a_login_redirect_that_comes_back_is_for_a_person(self, town, instagram):
        instagram.fail(PAGES, Answer.redirect("https://www.instagram.com/accounts/login/"), skip=2, times=None)
        with pytest.raises(HumanError, match="session of the cookie file is over"):
            town.collect()
        assert instagram.count(PAGES) == 2 + 2
        assert len(town.posts()) > 5, "what was collected is in the tables"

    @pytest.mark.fault("I2")
    def test_a_visitor_who_is_sent_to_the_login_page_is_asked_to_sign_in(
        self, store, tmp_path, instagram, monkeypatch
    ):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch)
        town.find()
        monkeypatch.delenv("MRLF_INSTAGRAM_COOKIES")
        instagram.world.page_wants_login = True
        instagram.requests.clear()
        with pytest.raises(HumanError, match="MRLF_INSTAGRAM_COOKIES"):
            town.collect()
        assert instagram.count() == 1


class TestTheSourceHasChanged:
    @pytest.mark.fault("I3")
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(Answer.json({"status": "ok"}, 201), id="201"),
            pytest.param(Answer.json({"status": "ok", "something": 1}), id="no native_location_data"),
            pytest.param(Answer.html("<html></html>"), id="a page in place of JSON"),
        ],
    )
    def test_one_place_waits_and_the_others_go_on(self, town, instagram, answer):
        instagram.fail("location_id=1000|locations/1000", answer, times=None)
        report = town.collect()
        assert "source_changed" in report.record.notes[0]
        assert len(town.seen_keys()) == 10

    @pytest.mark.fault("I3")
    @pytest.mark.parametrize("oddity", [{"missing": ("medias",)}, {"empty_section_at": (1,)}])
    def test_sections_without_medias_are_a_change_of_the_source(self, town, instagram, oddity):
        for name, value in oddity.items():
            setattr(instagram.world.places["1000"], name, value)
        instagram.fail("explore/locations/1000", Answer.json({}, 404), times=None)
        report = town.collect()
        assert "source_changed" in report.record.notes[0]
        assert len(town.seen_keys()) == 10

    @pytest.mark.fault("I3")
    def test_all_places_unknown_is_one_clear_failure(self, town, instagram):
        instagram.fail(PAGES + "|explore", Answer.json({}, 201), times=None)
        with pytest.raises(StageError, match=r"all 2 places of town \(status_201 2\).*mrlf doctor --try"):
            town.collect()

    @pytest.mark.fault("I4")
    def test_a_cursor_that_repeats_ends_the_walk_with_what_was_found(self, town, instagram):
        instagram.world.places["1000"].loop_at_page = 2
        report = town.collect()
        assert instagram.count("1000/sections") == 1, "the first repeat is enough"
        assert "cursor_loop 1" in report.record.notes[0]
        assert len(town.seen_keys()) == 10 + 8

    @pytest.mark.fault("I4")
    def test_empty_pages_that_say_more_end_the_walk_at_the_second(self, town, instagram):
        instagram.world.places["1000"].empty_pages_at = range(2, 10**9)
        report = town.collect()
        assert instagram.count("1000/sections") == 2
        assert "empty_pages 1" in report.record.notes[0]

    @pytest.mark.fault("I4")
    def test_one_empty_page_is_passed_over(self, town, instagram):
        instagram.world.places["1000"].empty_pages_at = (2,)
        town.collect()
        assert town.seen_keys() == town.all_keys()

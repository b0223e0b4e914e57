"""The crawl: all posts of all places once, whatever happens on the way, and nobody is hammered."""

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from pipeline.collect.web.errors import HumanError
from pipeline.errors import IncompleteError, StageBusyError, StageError
from pipeline.privacy.opt_out_removal import leave
from tests.fakes.archive import FakeArchive, graphql_node
from tests.fakes.http_server import Answer, changed
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

PAGES = "sections|web_info"
OF_ARCHIVE = 2_000_000_000_000_000_777
WAIT = {"message": "Please wait a few minutes before you try again.", "status": "fail"}
HERE = {"id": "1000", "name": "Lighthouse 0", "lat": 12.0, "lng": -30.0}


@pytest.fixture
def instagram():
    """A fake Instagram."""
    with FakeInstagram() as server:
        server.world.page_size = 8
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch) -> LiveTown:
    """Two places of 20 posts each, which were found; a page is of 8."""
    town = LiveTown(store, tmp_path / "town", instagram, monkeypatch)
    town.find()
    instagram.requests.clear()
    return town


def all_keys(town: LiveTown) -> set[str]:
    """The posts of the world, whatever became of them."""
    world = town.server.world
    return {town.key(pk) for place in world.places.values() for pk in world.shown(place.location_id)}


def seen_keys(town: LiveTown) -> set[str]:
    """The posts of the tables and the ledger, each once."""
    rows = [row["post_key"] for row in town.rows("posts")]
    assert len(rows) == len(set(rows)), "a post stands twice in posts"
    assert not set(rows) & set(town.reasons()), "a dropped post stands in posts"
    return {*rows, *town.reasons()}


class TestAWholeCrawl:
    def test_every_post_of_every_place_is_collected_once(self, town):
        report = town.collect()
        assert seen_keys(town) == all_keys(town)
        assert report.counts["seen"] == 40
        assert set(town.reasons().values()) == {"video"}
        assert report.record.notes == []

    def test_a_page_is_asked_once_and_no_post_by_itself(self, town, instagram):
        town.collect()
        assert instagram.count("web_info") == 2
        assert instagram.count("sections") == 4  # 20 posts are three pages of 8
        assert instagram.count("api/v1/media") == 0

    def test_a_picture_is_asked_once_and_is_stored_by_its_digest(self, town, instagram):
        town.collect()
        asked = [request.path for request in instagram.seen("^/media/")]
        assert len(asked) == len(set(asked))
        stored = {row["digest"] for row in town.rows("images")}
        assert {digest for row in town.posts().values() for digest in row["image_digests"]} == stored
        assert all(town.store.blobs.path("original", digest).is_file() for digest in stored)

    def test_an_unchanged_city_is_reused_after_one_request_a_place(self, town, instagram):
        town.collect()
        instagram.requests.clear()
        assert town.collect().is_reused
        assert town.api_requests() == 2 == instagram.count()

    def test_the_tables_do_not_depend_on_the_moment_of_the_crawl(self, town, tmp_path, instagram, monkeypatch):
        town.collect()
        monkeypatch.setenv("MRLF_PSEUDONYM_KEY", (town.store.private / "pseudonym.key").read_text().strip())
        from pipeline.store import Store

        other = LiveTown(Store(tmp_path / "other"), tmp_path / "later", instagram, monkeypatch)
        other.clock.pass_by(86_400)
        other.build()
        assert other.digests() == town.digests()


class TestRefresh:
    def test_only_new_posts_are_taken_and_known_ones_end_the_walk(self, town, instagram):
        town.collect()
        new = [town.key(instagram.world.add_post("1000", is_videos=(False,))) for _ in range(3)]
        instagram.requests.clear()
        report = town.collect()
        assert set(new) <= set(town.posts())
        assert town.api_requests() == 2
        assert report.record.about["new_posts"] == "3"

    def test_more_new_posts_than_a_page_are_all_found(self, town, instagram):
        town.collect()
        for _ in range(20):
            instagram.world.add_post("1000")
        town.collect()
        assert seen_keys(town) == all_keys(town)

    @pytest.mark.fault("I12")
    @pytest.mark.parametrize("fate", ["remove", "make_private", "remove_account"])
    @pytest.mark.parametrize("gone_status", [404, 400])
    def test_what_is_gone_becomes_a_tombstone_after_refresh_days(self, town, instagram, fate, gone_status):
        town.collect()
        world = instagram.world
        world.gone_status = gone_status
        pk = next(pk for pk in world.shown("1000") if town.key(pk) in town.posts())
        getattr(world, fate)(world.owner_of(pk) if fate == "remove_account" else pk)
        town.collect()
        assert town.posts()[town.key(pk)]["state"] == "active", "within refresh_days nothing old is asked for"
        town.clock.pass_by(timedelta(days=31).total_seconds())
        town.collect()
        town.clock.pass_by(timedelta(days=1).total_seconds())
        report = town.collect()
        row = town.posts()[town.key(pk)]
        assert (row["state"], row["caption"], row["hashtags"], row["image_digests"]) == ("deleted", "", [], [])
        assert report.counts["deleted"] == sum(row["state"] == "deleted" for row in town.posts().values()) > 0

    def test_a_budget_that_ends_among_old_posts_names_how_many_wait(self, town, instagram):
        town.collect()
        pks = [pk for pk in instagram.world.shown("1000") if town.key(pk) in town.posts()][:3]
        for pk in pks:
            instagram.world.remove(pk)
        town.clock.pass_by(timedelta(days=31).total_seconds())
        report = town.collect(max_requests=7)
        assert "posts that may be gone (3)" in report.record.notes[0]
        assert instagram.count("api/v1/media") == 1
        town.collect()
        assert instagram.count("api/v1/media") == 3, "who was asked for a moment ago is not asked again"
        town.clock.pass_by(timedelta(days=1).total_seconds())
        assert town.collect().counts["deleted"] == 3

    def test_a_whole_walk_asks_for_no_post_that_it_has_met(self, town, instagram):
        town.collect()
        town.clock.pass_by(timedelta(days=31).total_seconds())
        instagram.requests.clear()
        assert town.collect().counts["deleted"] == 0
        assert town.api_requests() == 6

    def test_what_was_seen_longest_ago_comes_first(self, town, instagram):
        town.collect(max_requests=3)
        instagram.requests.clear()
        town.collect(max_requests=1)
        assert [request.query["location_id"] for request in instagram.seen("web_info")] == ["1001"]


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
        assert seen_keys(town) == all_keys(town)
        assert report.record.notes == []

    @pytest.mark.fault("I1")
    def test_throttling_that_does_not_end_ends_the_run_and_loses_nothing(self, town, instagram):
        fault = instagram.fail(PAGES, Answer.json(WAIT, 429), skip=2, times=None)
        report = town.collect()
        assert instagram.count(PAGES) == 2 + 3, "no other place is tried while everything rests"
        assert [round(seconds) for seconds in town.clock.slept if seconds > 1] == [300, 900]
        assert "incomplete: 0 of 2 places" in report.record.notes[0]
        assert "please_wait" in report.record.notes[0]
        assert len(seen_keys(town)) == 16
        fault.times = 0
        instagram.requests.clear()
        town.clock.pass_by(900)
        town.collect()
        assert seen_keys(town) == all_keys(town)
        assert town.api_requests() == 4, "the first place goes on at its third page"

    @pytest.mark.fault("I1")
    def test_the_end_of_a_rest_is_told_and_kept_over_a_restart(self, town, instagram):
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
        assert seen_keys(town) == all_keys(town)

    @pytest.mark.fault("I2")
    def test_a_login_redirect_of_a_session_that_answered_is_throttling_once(self, town, instagram):
        instagram.fail(PAGES, Answer.redirect("https://www.instagram.com/accounts/login/"), skip=2)
        assert town.collect().record.notes == []
        assert seen_keys(town) == all_keys(town)

    @pytest.mark.fault("I2")
    def test_a_login_redirect_that_comes_back_is_for_a_person(self, town, instagram):
        instagram.fail(PAGES, Answer.redirect("https://www.instagram.com/accounts/login/"), skip=2, times=None)
        with pytest.raises(HumanError, match="session of the cookie file is over"):
            town.collect()
        assert instagram.count(PAGES) == 2 + 2
        assert len(town.posts()) > 10, "what was collected is in the tables"

    @pytest.mark.fault("I2")
    def test_a_visitor_who_is_sent_to_the_login_page_is_told_to_sign_in(self, store, tmp_path, instagram, monkeypatch):
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
        assert len(seen_keys(town)) == 20

    @pytest.mark.fault("I3")
    @pytest.mark.parametrize("oddity", [{"missing": ("medias",)}, {"empty_section_at": (1,)}])
    def test_sections_without_medias_are_a_change_of_the_source(self, town, instagram, oddity):
        for name, value in oddity.items():
            setattr(instagram.world.places["1000"], name, value)
        instagram.fail("explore/locations/1000", Answer.json({}, 404), times=None)
        report = town.collect()
        assert "source_changed" in report.record.notes[0]
        assert len(seen_keys(town)) == 20

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
        assert len(seen_keys(town)) == 20 + 16

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
        assert seen_keys(town) == all_keys(town)


class TestPictures:
    @pytest.mark.fault("I7")
    def test_an_address_that_has_lapsed_is_asked_for_once_and_then_fetched(self, town, instagram):
        instagram.fail("^/media/", Answer(status=403), times=2)
        town.collect()
        assert seen_keys(town) == all_keys(town)
        assert 1 <= instagram.count("api/v1/media") <= 2
        assert town.reasons("deferred") == {}

    @pytest.mark.fault("I7")
    def test_an_address_that_stays_lapsed_defers_the_post_until_tomorrow(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=403), times=None)
        report = town.collect()
        assert set(town.reasons("deferred").values()) <= {"media_expired", "media_host_rests", "not_fetched_yet"}
        assert report.counts["kept"] == 0
        assert instagram.count("api/v1/media") <= 10, "no post is refreshed on an ill host"
        fault.times = 0
        town.clock.pass_by(86_401)
        assert town.collect().counts["deferred"] == 0
        assert seen_keys(town) == all_keys(town)

    @pytest.mark.fault("I7")
    @pytest.mark.parametrize("change", [{"status": 503}, {"ending": "reset"}, {"ending": "cut"}])
    def test_a_passing_trouble_is_tried_again(self, town, instagram, change):
        instagram.fail("^/media/", change=changed(**change), every=31, times=None)
        town.collect()
        assert seen_keys(town) == all_keys(town)
        assert town.reasons("deferred") == {}

    @pytest.mark.fault("I10")
    def test_a_picture_that_comes_cut_twice_is_no_picture_and_waits(self, town, instagram):
        instagram.fail("^/media/", change=changed(ending="cut_without_length"), times=None)
        report = town.collect()
        assert set(town.reasons().values()) <= {"video"}
        assert "truncated" in town.reasons("deferred").values()
        assert {row["outcome"] for row in town.rows("images")} == {"truncated"}
        assert report.counts["kept"] == 0
        assert not list((town.store.root / "blobs").rglob("[0-9a-f]*.*"))

    @pytest.mark.fault("I8")
    @pytest.mark.parametrize("to", ["http://169.254.169.254/latest", "http://localhost:1/", "file:///etc/passwd"])
    def test_a_redirect_to_a_private_place_is_refused_and_counted(self, town, instagram, to):
        instagram.fail("^/media/", Answer.redirect(to), times=None)
        town.collect()
        assert set(town.reasons().values()) <= {"video"}
        assert "refused_address" in town.reasons("deferred").values()


class TestPosts:
    @pytest.mark.fault("I11")
    def test_a_post_at_two_places_is_one_row_of_the_place_it_names(self, town, instagram):
        pk = next(pk for pk in instagram.world.shown("1001") if pk)
        instagram.world.also_show(pk, "1000")
        town.collect()
        assert seen_keys(town) == all_keys(town)
        assert town.posts().get(town.key(pk), {"location_id": "1001"})["location_id"] == "1001"

    @pytest.mark.fault("I11")
    def test_a_post_on_two_pages_is_one_row(self, town, instagram):
        instagram.world.places["1000"].pages_overlap = 5
        town.collect()
        assert seen_keys(town) == all_keys(town)

    @pytest.mark.fault("I11")
    def test_a_carousel_gives_all_its_photos_and_none_of_its_videos(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False,) * 6 + (True,) + (False,) * 3)
        town.collect()
        row = town.posts()[town.key(pk)]
        assert (len(row["image_digests"]), row["num_media"]) == (9, 10)

    @pytest.mark.fault("I11")
    def test_a_video_and_a_reel_are_dropped(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(True,), product_type="clips")
        town.collect()
        assert town.reasons()[town.key(pk)] == "video"

    @pytest.mark.fault("I11")
    def test_the_same_picture_posted_again_is_stored_once(self, town, instagram):
        first = instagram.world.add_post("1000", is_videos=(False,))
        again = instagram.world.add_post("1001", is_videos=(False,), pictures_of=first)
        town.collect()
        posts = town.posts()
        assert posts[town.key(first)]["image_digests"] == posts[town.key(again)]["image_digests"]

    @pytest.mark.fault("I16")
    def test_a_place_whose_posts_have_no_coordinates_lends_them_its_own(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(
            store, tmp_path / "town", instagram, monkeypatch, num_places=1, place={"coordinates_in_posts": False}
        )
        town.build()
        assert {(row["latitude"], row["longitude"]) for row in town.rows("posts")} == {(12.0, -30.0)}

    @pytest.mark.fault("I17")
    @pytest.mark.parametrize("pk", ["../../etc/passwd", "a/b", "x" * 400, ""])
    def test_an_id_that_could_be_a_path_is_refused(self, town, instagram, pk):
        instagram.world.changes[instagram.world.add_post("1000")] = {"pk": pk, "id": pk}
        town.collect()
        assert town.reasons("deferred") == {}
        assert len(seen_keys(town)) == 41
        assert list(town.reasons().values()).count("bad_media_id") == 1
        town.collect()
        assert len(seen_keys(town)) == 41

    def test_a_private_account_is_not_taken(self, town, instagram):
        owner = {"pk": 5, "username": "x", "is_private": True}
        pk = instagram.world.add_post("1000", is_videos=(False,), user=owner)
        town.collect()
        assert town.reasons()[town.key(pk)] == "private"
        assert not [request for request in instagram.seen("^/media/") if str(pk) in request.path]

    def test_who_opted_out_is_never_asked_for(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        leave(town.store, [str(pk)])
        town.collect()
        assert town.reasons()[town.key(pk)] == "opted_out"
        assert not [request for request in instagram.seen("^/media/") if str(pk) in request.path]

    def test_who_opts_out_while_a_picture_is_waited_for_is_not_asked_for(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=403), times=None)
        town.collect()
        pk = next(pk for pk in instagram.world.shown("1000") if town.key(pk) in town.reasons("deferred"))
        leave(town.store, [str(pk)])
        fault.times = 0
        town.clock.pass_by(86_401)
        instagram.requests.clear()
        town.collect()
        assert town.key(pk) not in town.posts()
        assert town.reasons()[town.key(pk)] == "opted_out"
        assert not [request for request in instagram.requests if str(pk) in request.path]

    def test_who_opts_out_later_leaves_a_tombstone(self, town, instagram):
        town.collect()
        pk = next(pk for pk in instagram.world.shown("1000") if town.key(pk) in town.posts())
        assert leave(town.store, [str(pk)]) == {"town": 1}
        report = town.collect()
        assert town.posts()[town.key(pk)]["state"] == "deleted"
        assert report.counts["deleted"] == 1


class TestLimits:
    def test_the_newest_posts_of_a_place_are_taken_up_to_the_limit(self, town):
        town.collect(max_posts_per_place=8)
        assert len(seen_keys(town)) == 16

    def test_a_spent_budget_names_what_is_left_and_the_next_run_begins_with_it(self, town, instagram):
        report = town.collect(max_requests=2)
        assert "request_budget 2" in report.record.notes[0]
        assert town.api_requests() == 2
        town.collect()
        assert seen_keys(town) == all_keys(town)
        assert instagram.count("web_info") == 2

    def test_nothing_is_asked_before_the_terms_are_accepted(self, town, instagram, monkeypatch):
        monkeypatch.setenv("I_HAVE_READ_PRIVACY_MD", "yes")
        with pytest.raises(StageError, match=r"docs/PRIVACY\.md"):
            town.collect()
        assert instagram.count() == 0

    def test_a_line_that_is_down_ends_the_run_after_three_places(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_places=6, num_posts=5)
        town.find()
        instagram.requests.clear()
        instagram.fail("", Answer(status=502), times=None)
        report = town.collect()
        assert instagram.count() == 3 * 5
        assert "unreachable" in report.record.notes[0]

    def test_progress_is_told_place_by_place(self, town, caplog):
        with caplog.at_level(logging.INFO, logger="mrlf"):
            town.collect()
        assert "town: place 2 of 2, Harbour Museum 1: begins" in caplog.text
        assert "town: place 2 of 2: 20 new posts" in caplog.text

    def test_a_place_that_takes_long_tells_how_far_it_is(self, store, tmp_path, instagram, monkeypatch, caplog):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=60, reads_per_minute=2)
        with caplog.at_level(logging.INFO, logger="mrlf"):
            town.build()
        assert re.search(r"town: place 1 of 2, Lighthouse 0 goes on: \d+ pages, \d+ new posts", caplog.text)


class TestTheSearch:
    @pytest.fixture
    def fresh(self, store, tmp_path, instagram, monkeypatch) -> LiveTown:
        return LiveTown(store, tmp_path / "town", instagram, monkeypatch)

    @pytest.mark.fault("I1")
    def test_one_that_is_throttled_says_when_to_go_on_and_goes_on(self, fresh, instagram):
        fault = instagram.fail("search", Answer.json(WAIT, 429), times=None)
        with pytest.raises(IncompleteError, match=r"please_wait 2.*run it again after 2026-03-01 12:35 UTC"):
            fresh.find()
        fault.times = 0
        fresh.clock.pass_by(900)
        assert fresh.find().counts["matched_pois"] == 2

    def test_one_that_finds_nothing_says_so(self, fresh, instagram):
        for place in instagram.world.places.values():
            place.found_by = frozenset()
        with pytest.raises(StageError, match="found no place for any POI of town"):
            fresh.find()

    def test_a_poi_is_searched_once(self, fresh, instagram):
        fresh.find()
        num_searches = instagram.count("search")
        fresh.add_place(2, 5)
        fresh.find()
        assert instagram.count("search") == num_searches + 1

    def test_a_spent_budget_keeps_what_was_found_and_names_the_rest(self, fresh, instagram):
        report = fresh.find(max_requests=1)
        assert "request_budget 1" in report.record.notes[0]
        assert report.counts["matched_pois"] == 1
        assert fresh.find().record.notes == []
        assert instagram.count("search") == 2


class TestTwoAtOnce:
    @pytest.mark.fault("I6")
    def test_a_second_run_waits_until_the_account_is_free(self, town, instagram, caplog):
        with ThreadPoolExecutor() as pool, caplog.at_level(logging.INFO, logger="mrlf"):
            with town.store.lock("instagram", "session"):
                second = pool.submit(town.collect)
                while "another run is collecting" not in caplog.text:
                    time.sleep(0.01)
                assert instagram.count() == 0
            assert second.result(timeout=60).counts["seen"] == 40

    @pytest.mark.fault("I6")
    def test_a_second_run_of_the_same_city_is_refused_at_once(self, town, instagram):
        with town.store.lock("town", "posts"), pytest.raises(StageBusyError, match="another process"):
            town.collect()
        assert instagram.count() == 0


class TestAnonymous:
    def test_a_visitor_gets_the_first_look_at_places_named_by_hand(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, is_signed_in=False, num_places=1)
        with pytest.raises(StageError, match=r"look places up by hand.*town\.csv"):
            town.find()
        assert instagram.count() == 0
        (town.store.root / "overrules" / "town.csv").write_text("p0,1000,yes\n")
        town.find()
        report = town.collect()
        assert len(seen_keys(town)) == 8
        (note,) = report.record.notes
        assert "a visitor sees the first posts" in note and "MRLF_INSTAGRAM_COOKIES" in note
        instagram.requests.clear()
        assert town.collect().record.notes == [note]
        assert town.api_requests() == 1


class TestManySources:
    """Live and archive write the same tables with the same keys, whichever comes first."""

    @pytest.fixture
    def archive(self, tmp_path) -> FakeArchive:
        return FakeArchive(tmp_path / "archive")

    def add(self, archive: FakeArchive, pk: int, **changes) -> None:
        """A post of the first place in the archive."""
        archive.post(pk % 1000, node=graphql_node(1, id=str(pk), location=HERE), **changes)

    def build(self, town: LiveTown, archive: FakeArchive, *, is_live: bool = True):
        live = LiveTown.settings() if is_live else None
        town.city = town.city.model_copy(update={"live": live})
        town.find(archive=archive.folder)
        report = town.collect(archive=archive.folder)
        seen_keys(town)
        return report

    def test_a_post_of_an_archive_is_not_fetched_again(self, town, instagram, archive):
        pk = next(iter(instagram.world.shown("1000")))
        self.add(archive, pk)
        report = self.build(town, archive)
        assert town.posts()[town.key(pk)]["source"] == "archive"
        assert not [request for request in instagram.seen("^/media/") if str(pk) in request.path]
        assert report.counts["seen"] == 40
        assert town.collect(archive=archive.folder).is_reused

    def test_an_archive_post_without_its_picture_is_completed_live(self, town, instagram, archive):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        self.add(archive, pk, pictures=0)
        self.build(town, archive, is_live=False)
        assert town.reasons("deferred") == {town.key(pk): "image_missing"}
        self.build(town, archive)
        row = town.posts()[town.key(pk)]
        assert (row["source"], len(row["image_digests"])) == ("live", 1)
        assert town.reasons("deferred") == {}

    def test_an_archive_post_that_was_dropped_for_its_picture_is_completed_live(self, town, instagram, archive):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        self.add(archive, pk, pictures=0)
        archive.file(f"2021-06-01_{pk % 1000:06d}.jpg", b"no picture")
        self.build(town, archive, is_live=False)
        assert town.reasons() == {town.key(pk): "not_an_image"}
        self.build(town, archive)
        assert town.posts()[town.key(pk)]["source"] == "live"
        assert town.key(pk) not in town.reasons()

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_live_post_without_its_picture_is_completed_by_an_archive(self, town, instagram, archive, status):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        instagram.fail(f"^/media/{pk}", Answer(status=status), times=None)
        self.add(archive, OF_ARCHIVE)
        self.build(town, archive)
        assert town.key(pk) in {**town.reasons(), **town.reasons("deferred")}
        self.add(archive, pk)
        report = self.build(town, archive)
        row = town.posts()[town.key(pk)]
        assert (row["source"], row["state"]) == ("archive", "active")
        assert town.key(pk) not in {**town.reasons(), **town.reasons("deferred")}
        assert report.counts["seen"] == 42

    def test_a_live_post_that_comes_into_an_archive_later_stays_as_it_is(self, town, instagram, archive):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        self.add(archive, OF_ARCHIVE)
        self.build(town, archive)
        self.add(archive, pk)
        self.build(town, archive)
        assert town.posts()[town.key(pk)]["source"] == "live"
        assert "duplicate_post" in town.reasons().values()

    def test_an_archive_that_is_taken_away_takes_its_posts_with_it_and_leaves_the_live_ones(self, town, archive):
        self.add(archive, OF_ARCHIVE)
        self.build(town, archive)
        town.collect()
        assert {row["source"] for row in town.rows("posts")} == {"live"}

    def test_a_lost_journal_asks_for_pages_again_and_for_no_post_that_is_there(self, town, instagram):
        town.collect()
        before = town.digests()
        for path in (town.store.root / "crawl").glob("town.sqlite*"):
            path.unlink()
        instagram.requests.clear()
        town.find()
        town.collect()
        assert instagram.count("^/media/") == 0
        assert town.digests() == before

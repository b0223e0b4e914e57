"""The crawl: all posts of all places once, within its limits, and nobody is hammered."""

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from pipeline.errors import IncompleteError, StageBusyError, StageError
from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown


@pytest.fixture
def town(mixed_town) -> LiveTown:
    return mixed_town


WAIT = {"message": "Please wait a few minutes before you try again.", "status": "fail"}


class TestAWholeCrawl:
    def test_every_post_of_every_place_is_collected_once(self, town):
        report = town.collect()
        assert town.seen_keys() == town.all_keys()
        assert report.counts["seen"] == 20
        assert set(town.reasons().values()) == {"video"}
        assert report.record.notes == []

    def test_a_page_is_asked_once_and_no_post_by_itself(self, town, instagram):
        town.collect()
        assert instagram.count("web_info") == 2
        assert instagram.count("sections") == 4  # 10 posts are three pages of 4
        assert instagram.count("api/v1/media") == 0

    def test_a_picture_is_asked_once_and_is_stored_by_its_digest(self, town, instagram):
        town.collect()
        asked = [request.path for request in instagram.seen("^/media/")]
        assert len(asked) == len(set(asked))
        stored = {row["digest"] for row in town.rows("images")}
        assert {digest for row in town.posts().values() for digest in row["image_digests"]} == stored
        assert all(town.store.blobs.path("original", digest).is_file() for digest in stored)

    def test_an_unchanged_city_is_reused_after_one_request_a_place(self, collected, instagram):
        instagram.requests.clear()
        assert collected.collect().is_reused
        assert collected.api_requests() == 2 == instagram.count()

    def test_the_tables_do_not_depend_on_the_moment_of_the_crawl(self, collected, tmp_path, instagram, monkeypatch):
        monkeypatch.setenv("MRLF_PSEUDONYM_KEY", (collected.store.private / "pseudonym.key").read_text().strip())
        from pipeline.store import Store

        other = LiveTown(Store(tmp_path / "other"), tmp_path / "later", instagram, monkeypatch, num_posts=10)
        other.clock.pass_by(86_400)
        other.build()
        assert other.digests() == collected.digests()


class TestRefresh:
    def test_only_new_posts_are_taken_and_known_ones_end_the_walk(self, collected, instagram):
        instagram.world.page_size = 8  # enough of a page is known
        new = [collected.key(instagram.world.add_post("1000", is_videos=(False,))) for _ in range(3)]
        instagram.requests.clear()
        report = collected.collect()
        assert set(new) <= set(collected.posts())
        assert collected.api_requests() == 2
        assert report.record.about["new_posts"] == "3"

    def test_more_new_posts_than_a_page_are_all_found(self, collected, instagram):
        for _ in range(10):
            instagram.world.add_post("1000")
        collected.collect()
        assert collected.seen_keys() == collected.all_keys()

    @pytest.mark.slow
    @pytest.mark.fault("I12")
    @pytest.mark.parametrize("fate", ["remove", "make_private", "remove_account"])
    @pytest.mark.parametrize("gone_status", [404, 400])
    def test_what_is_gone_becomes_a_tombstone_after_refresh_days(self, collected, instagram, fate, gone_status):
        world = instagram.world
        world.gone_status = gone_status
        pk = next(pk for pk in world.shown("1000") if collected.key(pk) in collected.posts())
        getattr(world, fate)(world.owner_of(pk) if fate == "remove_account" else pk)
        collected.collect()
        assert collected.posts()[collected.key(pk)]["state"] == "active", (
            "within refresh_days nothing old is asked for"
        )
        collected.clock.pass_by(timedelta(days=31).total_seconds())
        collected.collect()
        collected.clock.pass_by(timedelta(days=1).total_seconds())
        report = collected.collect()
        row = collected.posts()[collected.key(pk)]
        assert (row["state"], row["caption"], row["hashtags"], row["image_digests"]) == ("deleted", "", [], [])
        assert report.counts["deleted"] == sum(row["state"] == "deleted" for row in collected.posts().values()) > 0

    @pytest.mark.slow
    def test_a_budget_that_ends_among_old_posts_names_how_many_wait(self, collected, instagram):
        pks = [pk for pk in instagram.world.shown("1000") if collected.key(pk) in collected.posts()][:3]
        for pk in pks:
            instagram.world.remove(pk)
        collected.clock.pass_by(timedelta(days=31).total_seconds())
        report = collected.collect(max_requests=6)
        assert "posts that may be gone (3)" in report.record.notes[0]
        assert instagram.count("api/v1/media") == 1
        collected.collect()
        assert instagram.count("api/v1/media") == 3, "who was asked for a moment ago is not asked again"
        collected.clock.pass_by(timedelta(days=1).total_seconds())
        assert collected.collect().counts["deleted"] == 3

    def test_a_whole_walk_asks_for_no_post_that_it_has_met(self, collected, instagram):
        collected.clock.pass_by(timedelta(days=31).total_seconds())
        instagram.requests.clear()
        assert collected.collect().counts["deleted"] == 0
        assert collected.api_requests() == 6

    def test_what_was_seen_longest_ago_comes_first(self, town, instagram):
        town.collect(max_requests=3)
        instagram.requests.clear()
        town.collect(max_requests=1)
        assert [request.query["location_id"] for request in instagram.seen("web_info")] == ["1001"]


class TestLimits:
    def test_the_newest_posts_of_a_place_are_taken_up_to_the_limit(self, town):
        town.collect(max_posts_per_place=4)
        assert len(town.seen_keys()) == 8

    def test_a_spent_budget_names_what_is_left_and_the_next_run_begins_with_it(self, town, instagram):
        report = town.collect(max_requests=2)
        assert "request_budget 2" in report.record.notes[0]
        assert town.api_requests() == 2
        town.collect()
        assert town.seen_keys() == town.all_keys()
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

    def test_progress_is_reported_place_by_place(self, town, caplog):
        with caplog.at_level(logging.INFO, logger="mrlf"):
            town.collect()
        assert "town: place 2 of 2, Harbour Museum 1: begins" in caplog.text
        assert "town: place 2 of 2: 10 new posts" in caplog.text

    @pytest.mark.slow
    def test_a_place_that_takes_long_reports_how_far_it_is(self, store, tmp_path, instagram, monkeypatch, caplog):
        town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=30, reads_per_minute=2)
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
            assert second.result(timeout=60).counts["seen"] == 20

    @pytest.mark.fault("I6")
    def test_a_second_run_of_the_same_city_is_refused_at_once(self, town, instagram):
        with town.store.lock("town", "posts"), pytest.raises(StageBusyError, match="another process"):
            town.collect()
        assert instagram.count() == 0


class TestAnonymous:
    def test_a_visitor_gets_the_first_look_at_places_named_by_hand(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(
            store, tmp_path / "town", instagram, monkeypatch, is_signed_in=False, num_places=1, num_posts=10
        )
        with pytest.raises(StageError, match=r"look places up by hand.*town\.csv"):
            town.find()
        assert instagram.count() == 0
        (town.store.root / "overrules" / "town.csv").write_text("p0,1000,yes\n")
        town.find()
        report = town.collect()
        assert len(town.seen_keys()) == 4
        (note,) = report.record.notes
        assert "a visitor sees the first posts" in note and "MRLF_INSTAGRAM_COOKIES" in note
        instagram.requests.clear()
        assert town.collect().record.notes == [note]
        assert town.api_requests() == 1

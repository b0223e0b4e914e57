"""Bad weeks of the source: a few posts that never come hold nobody up, and each run brings the rest nearer to its end.

What one bad day may not do stands in test_bad_days.py.
"""

import json
import sqlite3
from contextlib import closing, suppress

import pytest

from pipeline.collect.instagram.guarded import GuardedAdapter
from pipeline.collect.instagram.journal.disk import _ADDED, _RENAMED
from pipeline.collect.sources import journal_path
from pipeline.collect.web.errors import HumanError, RetryError
from pipeline.errors import StageError
from pipeline.stage import require_finished
from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow

DAY_S = 86_400.0


def private(answer: Answer) -> Answer:
    """The answer about a post by itself, whose account is private now."""
    body = json.loads(answer.body)
    body["items"][0]["user"]["is_private"] = True
    return Answer.json(body)


def days(town: LiveTown, number: float) -> None:
    """Let days pass."""
    town.clock.pass_by(number * DAY_S + 1)


@pytest.mark.fault("I21")
class TestAFewPostsHoldNobodyUp:
    def test_posts_without_an_address_are_no_ill_host(self, town, instagram):
        for _ in range(12):
            instagram.world.add_post("1000", is_videos=(False,), image_versions2={"candidates": []})
        report = town.collect()
        assert len(town.kept_keys()) == 20
        assert report.record.about["stopped"] == ""
        assert town.waiting().posts == {"image_missing": 12}

    def test_one_ill_host_of_two_leaves_the_other_alone(self, town, instagram, monkeypatch):
        look_up = GuardedAdapter._ips

        def ips(self, host, port):
            if "fbcdn" in host:
                raise RetryError("dns")
            return look_up(self, host, port)

        monkeypatch.setattr(GuardedAdapter, "_ips", ips)
        for number in range(12):
            there = {"url": f"https://ill.fbcdn.net/{number}.jpg", "width": 96, "height": 72}
            instagram.world.add_post("1000", is_videos=(False,), image_versions2={"candidates": [there]})
        for _ in range(3):
            town.collect()
            days(town, 1)
        assert len(town.kept_keys()) == 20

    def test_addresses_that_lapse_into_404_are_asked_for_anew(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=503), times=None)
        town.collect()
        fault.times = 0
        for place in instagram.world.places.values():
            for pk in place.pks:
                instagram.world.expire_media(pk)
        instagram.fail("^/media/.*_0_n.jpg", Answer(status=404), times=None)
        days(town, 3)
        town.collect()
        assert town.kept_keys() == town.all_keys()

    def test_a_visitor_takes_the_address_that_the_page_reports_now(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, num_posts=4, place={"video": 0.0})
        town.find()
        monkeypatch.delenv("MRLF_INSTAGRAM_COOKIES")
        pk = instagram.world.shown("1000")[1]
        fault = instagram.fail(f"^/media/{pk}", Answer(status=503), times=None)
        town.collect()
        fault.times = 0
        instagram.world.expire_media(pk)
        for _ in range(2):
            days(town, 2.1)
            town.collect()
        assert town.kept_keys() == town.all_keys()

    def test_another_word_about_a_post_is_no_second_one(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        fault = instagram.fail(f"^/media/{pk}", Answer(status=410), times=None)
        town.collect()
        fault.answer = Answer(body=b"GIF89a" + bytes(30))
        days(town, 1)
        town.collect()
        assert town.reasons() == {} and town.waiting().posts == {"unsupported_format": 1}


@pytest.mark.fault("I23")
def test_an_old_post_at_the_end_of_a_page_is_no_known_ground(collected, instagram):
    old = instagram.world.shown("1000")[7]
    for _ in range(10):
        instagram.world.add_post("1000", is_videos=(False,))
    pks = instagram.world.places["1000"].pks
    pks.remove(old)
    pks.insert(3, old)
    collected.collect()
    assert collected.kept_keys() == collected.all_keys()


@pytest.mark.fault("I24")
class TestPlacesThatVanish:
    def test_do_not_starve_the_others_of_a_small_budget(self, store, tmp_path, instagram, monkeypatch):
        photos = {"carousel": 0.0, "video": 0.0}
        town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, place=photos, num_places=5, num_posts=5)
        town.build()
        instagram.fail("location_id=100[0-2]|locations/100[0-2]", Answer.json({}, 404), times=None)
        new = instagram.world.add_post("1004", is_videos=(False,))
        for _ in range(6):
            days(town, 2)
            town.collect(max_requests=10)
        assert town.waiting().places == {}
        assert town.key(new) in town.kept_keys()

    def test_all_of_them_can_when_more_than_one_endpoint_says_so(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, num_places=4, num_posts=3)
        town.build()
        instagram.fail("location_id=|locations/", Answer.json({}, 404), times=None)
        for _ in range(2):
            town.collect()
            days(town, 1)
        town.collect()
        assert town.waiting().is_nothing

    def test_where_nothing_else_answers_no_post_is_believed_to_be_gone(self, collected, instagram):
        instagram.fail(
            "location_id=|locations/|api/v1/media", Answer.json({"message": "Media not found"}, 404), times=None
        )
        for _ in range(4):
            days(collected, 2)
            collected.collect()
        assert len(collected.kept_keys()) == 20, "a session that is shut out looks like this"
        assert collected.waiting().rechecks == 20


@pytest.mark.fault("I27")
def test_a_post_without_a_place_of_its_own_stays_where_it_was_met_first(town, instagram):
    pk = instagram.world.add_post("1000", is_videos=(False,), location=None)
    instagram.world.also_show(pk, "1001")
    town.collect()
    report = town.collect()
    assert (report.record.about["updated_posts"], report.is_reused) == ("0", True)


@pytest.mark.fault("S25")
def test_what_was_collected_before_only_a_person_can_go_on_may_be_worked_on(town, instagram):
    town.collect()
    new = instagram.world.add_post("1000", is_videos=(False,))
    instagram.fail("location_id=1001|locations/1001", Answer.json({}, 403), times=None)
    days(town, 1)
    with pytest.raises(HumanError):
        town.collect()
    assert town.key(new) in town.kept_keys()
    require_finished(town.store, town.city.key, {"posts@posts": ""})


@pytest.mark.fault("I25")
def test_after_a_captcha_the_status_names_what_a_person_has_to_do(town, instagram):
    challenge = Answer.json({"message": "challenge_required", "status": "fail"}, 400)
    instagram.fail("web_info|sections", challenge, times=None)
    with pytest.raises(HumanError):
        town.collect()
    assert town.waiting().places == {"checkpoint_required": 2}
    assert "open it in the browser" in town.waiting().when


@pytest.mark.fault("I22")
def test_a_journal_of_the_version_before_has_its_drops_judged_again(town):
    town.collect(min_image_side_px=5000)
    with closing(sqlite3.connect(journal_path(town.store, "town"))) as disk:
        for table, columns in _ADDED.items():
            for name in columns:
                disk.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        disk.execute("ALTER TABLE walks RENAME COLUMN endpoint TO road")
        disk.execute("UPDATE posts SET reason = 'status_404' WHERE state = 'dropped'")
        disk.commit()
    town.collect()
    assert town.kept_keys() == town.all_keys()
    assert town.waiting().is_nothing


@pytest.mark.fault("I22")
def test_a_journal_whose_columns_had_other_names_knows_what_has_changed(collected, instagram):
    with closing(sqlite3.connect(journal_path(collected.store, "town"))) as disk:
        for table, names in _RENAMED.items():
            for old, name in names.items():
                disk.execute(f"ALTER TABLE {table} RENAME COLUMN {name} TO {old}")
        disk.commit()
    instagram.world.change(instagram.world.shown("1000")[3], caption="Another story")
    assert collected.collect().record.about["updated_posts"] == "1"


@pytest.mark.fault("I22")
def test_a_post_that_was_dropped_and_is_private_by_its_own_word_is_counted_once(town, instagram):
    pk = instagram.world.shown("1000")[3]
    town.collect(max_image_bytes=200)
    instagram.fail(f"^/media/{pk}", Answer(status=403), times=None)
    instagram.fail(f"api/v1/media/{pk}", change=private, times=None)
    assert town.collect().counts["seen"] == 20
    assert town.reasons() == {town.key(pk): "private"}


class TestTroubleAtAFewPlacesHoldsUpNoOther:
    @pytest.mark.fault("I21")
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(Answer(status=503), id="503"),
            pytest.param(Answer.json({"odd": 1}), id="odd"),
            pytest.param(Answer.json({}, 403), id="403"),
        ],
    )
    def test_new_posts_of_the_others_come(self, store, tmp_path, instagram, monkeypatch, answer):
        town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, num_places=5, num_posts=3, place={"video": 0.0})
        town.build()
        instagram.fail("location_id=100[0-2]|locations/100[0-2]", answer, times=None)
        for _ in range(5):
            new = instagram.world.add_post("1004", is_videos=(False,))
            days(town, 1)
            with suppress(HumanError, StageError):
                town.collect()
        days(town, 1)
        with suppress(HumanError):
            town.collect()
        assert town.key(new) in town.kept_keys()

    @pytest.mark.fault("I24")
    def test_a_small_budget_reaches_posts_that_may_be_gone_too(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, num_places=4, num_posts=6, place={"video": 0.0})
        town.build()
        pk = instagram.world.shown("1000")[3]
        instagram.world.remove(pk)
        days(town, 31)
        for _ in range(6):
            town.collect(max_requests=4)
            days(town, 1)
        assert town.posts()[town.key(pk)]["state"] == "deleted"

    @pytest.mark.fault("I21")
    def test_a_post_whose_own_page_is_shut_holds_up_no_place(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.fail(f"^/media/{pk}", Answer(status=404), times=None)
        instagram.fail(f"api/v1/media/{pk}", Answer.json({}, 403), times=None)
        for _ in range(3):
            new = instagram.world.add_post("1001", is_videos=(False,))
            with suppress(HumanError):
                town.collect()
            days(town, 2)
        assert town.key(new) in town.kept_keys()


@pytest.mark.fault("I22")
def test_a_part_of_a_carousel_that_a_setting_refused_comes_back(town, instagram):
    pk = instagram.world.add_post("1000", is_videos=(False, False, False))
    town.collect()
    sizes = sorted(row["num_bytes"] for row in town.rows("images") if row["digest"] in digests(town, pk))
    town.collect(max_image_bytes=sizes[1])
    assert len(digests(town, pk)) == 3, "what is there stays"
    more = instagram.world.add_post("1000", is_videos=(False, False, False), pictures_of=pk)
    town.collect(max_image_bytes=sizes[1])
    assert len(digests(town, more)) < 3
    town.collect()
    assert len(digests(town, more)) == 3


@pytest.mark.fault("I21")
def test_a_small_town_whose_host_says_gone_of_everything_keeps_its_posts(store, tmp_path, instagram, monkeypatch):
    photos = {"carousel": 0.0, "video": 0.0}
    town = LiveTown(store, tmp_path / "t", instagram, monkeypatch, num_places=1, num_posts=6, place=photos)
    town.find()
    fault = instagram.fail("^/media/", Answer(status=410), times=None)
    for _ in range(3):
        town.collect()
        days(town, 1)
    fault.times = 0
    days(town, 2)
    town.collect()
    assert town.kept_keys() == town.all_keys()


@pytest.mark.fault("I25")
def test_what_only_who_is_signed_in_may_ask_for_is_reported_to_a_visitor(collected, instagram, monkeypatch):
    instagram.world.remove(instagram.world.shown("1000")[3])
    days(collected, 31)
    collected.collect()
    monkeypatch.delenv("MRLF_INSTAGRAM_COOKIES")
    collected.collect()
    assert collected.waiting().rechecks == 1
    assert "asks for a login" in collected.waiting().when


def digests(town: LiveTown, pk: int) -> list[str]:
    """The pictures of a post."""
    return town.posts()[town.key(pk)]["image_digests"]

"""Pictures that do not come and hosts that are ill or throttle: no post is lost, and a host is left alone."""

import time
from datetime import timedelta

import pytest

from pipeline.collect.instagram.live import media_hosts_path
from tests.fakes.http_server import Answer, changed
from tests.fakes.live_town import LiveTown
from tests.fakes.pictures import encoded, pixels

pytestmark = pytest.mark.slow

DAY_S = 86_400.0
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
    pytest.param(Answer(body=encoded(pixels(0, (100, 20)))), id="a strip"),
    pytest.param(Answer(status=503), id="503"),
    pytest.param(Answer(ending="reset"), id="reset"),
    pytest.param(Answer.redirect("https://www.instagram.com/accounts/login/"), id="sent to the login page"),
    pytest.param(Answer.redirect("/loop.jpg"), id="sent round and round"),
]


@pytest.fixture
def large_town(store, tmp_path, instagram, monkeypatch, ready_towns) -> LiveTown:
    """Two places with so many photos that a run which ends early leaves new ones to each of the next two."""
    photos = {"carousel": 0.0, "video": 0.0}
    return ready_towns.found(LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=18, place=photos))


@pytest.mark.fault("I21")
class TestPicturesThatDoNotCome:
    @pytest.mark.parametrize("answer", ILL)
    def test_one_passing_fault_costs_no_post(self, town, instagram, answer):
        instagram.fail("^/media/", answer, times=2)
        town.collect()
        assert town.reasons() == {}
        town.clock.pass_by(DAY_S + 1)
        town.assert_complete(town.collect())

    @pytest.mark.parametrize("answer", ILL)
    def test_a_host_that_is_ill_for_two_days_costs_no_post_either(self, large_town, instagram, answer):
        town = large_town
        fault = instagram.fail("^/media/", answer, times=None)
        for _ in range(3):
            report = town.collect()
            assert report.record.about["stopped"] in ("media_host_ill", "media_host_rests")
            assert not town.waiting().is_nothing
            town.clock.pass_by(DAY_S + 1)
        assert fault.num_used <= 3 * 110, "an ill host is left alone"
        fault.times = 0
        town.assert_complete(town.collect())

    def test_the_host_is_said_to_be_ill(self, town, instagram):
        instagram.fail("^/media/", HTML, times=None)
        notes = " ".join(town.collect().record.notes)
        assert "not_an_image" in notes and "the host of pictures is ill" in notes and "incomplete: " in notes

    def test_scattered_faults_lose_nothing(self, town, instagram):
        for number, answer in enumerate((Answer(status=404), HTML, Answer(status=400), Answer(status=410))):
            instagram.fail("^/media/", answer, times=None, every=17, skip=number)
        while town.waiting().posts or not town.posts():
            report = town.collect()
            assert town.reasons() == {}
            town.clock.pass_by(DAY_S + 1)
        town.assert_complete(report)

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
        assert town.waiting().is_nothing, report.record.notes

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


@pytest.mark.fault("I26")
class TestTheHostsOfMediaHaveAPace:
    def test_retry_after_is_honoured_over_restarts(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=429, headers={"Retry-After": "3600"}), times=None)
        town.collect()
        assert fault.num_used <= 4, "those that were under way"
        assert town.waiting().not_before == pytest.approx(
            town.clock.now() + timedelta(hours=1), abs=timedelta(minutes=1)
        )
        town.clock.pass_by(1800)
        before = town.waiting()
        town.collect()
        assert fault.num_used <= 4
        assert town.waiting() == before, "what stopped the run before is still why"
        fault.times = 0
        town.clock.pass_by(1801)
        town.assert_complete(town.collect())

    def test_a_short_rest_is_waited_for_in_the_run(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=503, headers={"Retry-After": "20"}), times=4)
        report = town.collect()
        assert fault.num_used <= 4
        town.assert_complete(report)

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
            rests.append((town.waiting().not_before - begun).total_seconds())
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


def test_a_slow_answer_is_no_failure(town, instagram):
    instagram.fail("^/media/", change=changed(delay_s=0.01), times=None)
    town.assert_complete(town.collect())

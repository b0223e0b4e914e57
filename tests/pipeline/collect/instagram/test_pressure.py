"""Pressure over hours and processes: rests grow within a window, a login page is throttling once, never endless."""

import contextlib

import pytest

from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.pace import Pace, PaceLimits, rate_controller
from pipeline.collect.instagram.session import open_context
from pipeline.collect.web.errors import HumanError, WaitError
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.instagram_limits import client_limits

HOUR_S = 3600.0
NO_LIMIT = PaceLimits(per_minute=10**6, per_hour=10**6)
WAIT = Answer.json({"message": "Please wait a few minutes before you try again.", "status": "fail"}, 401)
LOGIN = Answer.redirect("https://www.instagram.com/accounts/login/?next=/api/v1/x/")


@pytest.fixture
def server():
    """A server that answers everything well."""
    with FakeServer(lambda _: Answer.json({"status": "ok"})) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    """The clock of all processes; its longer sleeps are the rests."""
    return FakeClock()


@pytest.fixture
def process(server, clock, tmp_path):
    """The client of a new process; the one before it is gone."""
    with contextlib.ExitStack() as before:

        def begin(session: str = "canary", **changes) -> InstagramClient:
            before.close()
            pace = before.enter_context(contextlib.closing(Pace(tmp_path / "instagram.sqlite", clock, NO_LIMIT)))
            context = open_context(
                {"sessionid": session, "csrftoken": "t", "ds_user_id": "7"} if session else None,
                rate_controller=rate_controller(pace),
                request_timeout_s=2,
                base_url=server.url,
            )
            before.callback(context.close)
            return InstagramClient(
                context=context, base=server.url, pace=pace, clock=clock, retries=Retries(), **client_limits(**changes)
            )

        yield begin


def rests(clock: FakeClock) -> list[int]:
    """How long was rested, rest by rest."""
    return [round(seconds) for seconds in clock.slept if seconds > 1]


def ask_until_throttled(client: InstagramClient, most: int = 40) -> int:
    """Ask on until the run ends; how many good answers came."""
    for number in range(most):
        try:
            client.get_json("api/v1/x/")
        except WaitError:
            return number
    return most


@pytest.mark.fault("I30")
class TestThrottlingWithinAWindow:
    @pytest.mark.parametrize("every", [2, 3, 7])
    def test_good_answers_between_do_not_start_the_rests_anew(self, process, server, clock, every):
        server.fail(answer=WAIT, every=every, times=None)
        assert 0 < ask_until_throttled(process()) < 40
        assert rests(clock) == [300, 900]
        assert server.count() == 3 * every

    def test_a_new_process_goes_on_where_the_rests_were(self, process, server, clock):
        for _ in range(2):
            server.fail(answer=WAIT)
            process().get_json("a/")
        assert rests(clock) == [300, 900]
        server.fail(answer=WAIT)
        with pytest.raises(WaitError):
            process().get_json("a/")
        assert rests(clock) == [300, 900], "the run ends, the rest is left to the next one"
        assert process().pace.rest_left_s() == pytest.approx(900, abs=2)

    def test_after_the_end_each_run_asks_once_and_rests_never_get_shorter(self, process, server, clock):
        server.fail(answer=WAIT, times=None)
        lefts = []
        for _ in range(8):
            client = process()
            clock.pass_by(client.pace.rest_left_s())
            num_before = server.count()
            assert ask_until_throttled(client) == 0
            lefts.append(round(client.pace.rest_left_s()))
            assert server.count() - num_before == (1 if len(lefts) > 1 else 3)
        assert lefts == sorted(lefts)
        assert lefts[0] == 900 and lefts[-1] == 6 * HOUR_S

    def test_after_hours_without_throttling_the_first_rest_is_the_first_again(self, process, server, clock):
        fault = server.fail(answer=WAIT, times=2)
        process().get_json("a/")
        assert rests(clock) == [300, 900]
        clock.pass_by(6 * HOUR_S)
        fault.times = 3
        process().get_json("a/")
        assert rests(clock) == [300, 900, 300]

    @pytest.mark.parametrize(
        "answer",
        [
            WAIT,
            Answer.json({"message": "feedback_required", "status": "fail"}),
            Answer.json({}, 429),
            Answer.html("Please wait a few minutes", 429),
        ],
        ids=["401 please wait", "200 feedback required", "429", "429 in words"],
    )
    def test_what_retry_after_asks_for_wins_where_it_is_longer(self, process, server, clock, answer):
        server.fail(answer=Answer(status=answer.status, body=answer.body, headers={"Retry-After": "5000"}))
        client = process()
        with pytest.raises(WaitError):
            client.get_json("a/")
        assert client.pace.rest_left_s() == pytest.approx(5000)

    def test_a_rest_is_never_shortened_by_a_later_one(self, process, clock):
        client = process()
        client.pace.rest(7200)
        client.pace.rest(300)
        assert client.pace.rest_left_s() == process().pace.rest_left_s() == 7200

    @pytest.mark.parametrize("jump", [-86_400 * 30, -600, 86_400 * 30])
    def test_a_jump_of_the_clock_makes_no_rest_that_comes_again_and_again(self, process, server, clock, jump):
        server.fail(answer=WAIT, times=3)
        ask_until_throttled(process())
        clock.jump(jump)
        assert 0 <= process().pace.rest_left_s() <= 900
        clock.pass_by(6 * HOUR_S + 900)
        assert process().pace.rest_left_s() == 0, "the second process knows what the first one made of it"
        clock.slept.clear()
        server.fail(answer=WAIT)
        process().get_json("a/")
        assert rests(clock) == [300], "and throttlings of the future have grown old"

    def test_the_message_names_the_rest(self, process, server, caplog):
        server.fail(answer=WAIT, times=None)
        ask_until_throttled(process())
        assert [record.getMessage() for record in caplog.records] == [
            "Instagram throttles (please_wait, the 1st time in 6 hours): everything rests for 5 minutes, "
            "until 12:05 UTC",
            "Instagram throttles (please_wait, the 2nd time in 6 hours): everything rests for 15 minutes, "
            "until 12:20 UTC",
            "Instagram throttles (please_wait, the 3rd time in 6 hours): everything rests for 15 minutes, "
            "until 12:35 UTC; this run ends, the next one goes on",
        ]

    def test_who_waits_for_an_earlier_rest_or_does_not_is_reported_until_when(self, process, clock, caplog):
        process().pace.rest(800)
        with caplog.at_level("INFO", logger="mrlf"):
            process().get_json("a/")
        assert "the rest after throttling is not over: going on in 13.3 minutes, at 12:13 UTC" in caplog.text
        assert "requests an hour" not in caplog.text
        process().pace.rest(86_400)
        with pytest.raises(WaitError, match=r"everything rests until 2026-03-02 12:13 UTC") as raised:
            process().check_rest()
        assert raised.value.reason == "resting"
        assert "until 2026-03-02 12:13 UTC" in caplog.text


def test_a_window_that_is_shorter_than_the_rests_makes_no_endless_question(process, server, clock):
    server.fail(answer=WAIT, times=None)
    assert ask_until_throttled(process(throttled_within_s=1.0)) == 0
    assert rests(clock) == [300, 900]


def test_a_door_that_may_not_rest_leaves_the_rest_behind(process, server, clock):
    server.fail(answer=WAIT)
    client = process(may_rest=False)
    assert ask_until_throttled(client) == 0
    assert (rests(clock), client.pace.rest_left_s()) == ([], 300)


@pytest.mark.fault("I31")
class TestTheLoginPageAtTheBeginning:
    def test_of_a_session_that_worked_lately_it_is_throttling(self, process, server, clock):
        process().get_json("a/")
        clock.pass_by(11 * HOUR_S)
        server.fail(answer=LOGIN)
        assert process().get_json("a/") == {"status": "ok"}
        assert rests(clock) == [300]

    def test_where_it_comes_back_it_is_for_a_person_and_no_process_gets_another_rest(self, process, server, clock):
        process().get_json("a/")
        server.fail(answer=LOGIN, times=None)
        for num_asked in (2, 1, 1):
            num_before = server.count()
            with pytest.raises(HumanError) as raised:
                process().get_json("a/")
            assert raised.value.reason == "session_ended"
            assert server.count() - num_before == num_asked
        assert rests(clock) == [300]

    def test_a_process_that_is_killed_in_the_rest_has_spent_it(self, process, server, clock, monkeypatch):
        process().get_json("a/")
        server.fail(answer=LOGIN, times=None)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(clock, "sleep", _killed)
            process().get_json("a/")
        client = process()
        assert client.pace.rest_left_s() == pytest.approx(300)
        with pytest.raises(HumanError):
            client.get_json("a/")
        assert server.count() == 3
        assert rests(clock) == [300], "the rest was waited for, and no other one was begun"

    def test_a_good_answer_between_makes_it_new(self, process, server, clock):
        for _ in range(2):
            process().get_json("a/")
            server.fail(answer=LOGIN)
            process().get_json("a/")
        assert rests(clock) == [300, 900], "as throttling it still counts"

    @pytest.mark.parametrize(
        ("session", "hours"), [("another", 0), ("canary", 12.1)], ids=["other session", "long ago"]
    )
    def test_of_a_session_that_did_not_it_is_for_a_person_at_once(self, process, server, clock, session, hours):
        process().get_json("a/")
        clock.pass_by(hours * HOUR_S)
        server.fail(answer=LOGIN, times=None)
        with pytest.raises(HumanError) as raised:
            process(session).get_json("a/")
        assert (raised.value.reason, server.count(), rests(clock)) == ("session_ended", 2, [])

    def test_a_page_that_is_open_to_visitors_is_no_answer_to_the_session(self, process, server, clock):
        server.fail("page", Answer.html("<html>ö</html>"))
        process().get_page("page/")
        server.fail(answer=LOGIN, times=None)
        with pytest.raises(HumanError):
            process().get_json("a/")
        assert rests(clock) == []

    def test_a_visitor_is_reported_to_sign_in_whatever_a_session_did_before(self, process, server, clock):
        process().get_json("a/")
        server.fail(answer=LOGIN, times=None)
        with pytest.raises(HumanError) as raised:
            process("").get_json("a/")
        assert (raised.value.reason, rests(clock)) == ("login_required", [])

    def test_the_cookie_itself_is_not_written(self, process, server, tmp_path):
        process().get_json("a/")
        server.fail(answer=LOGIN)
        process().get_json("a/")
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"canary" not in written


def _killed(seconds: float) -> None:

    raise KeyboardInterrupt

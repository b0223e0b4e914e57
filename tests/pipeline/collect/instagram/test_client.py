"""The client: one request at a time, in its turn; every answer is one of the classes, none is a crash."""

import contextlib
import dataclasses

import pytest

from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.pace import Pace, PaceLimits, rate_controller
from pipeline.collect.instagram.session import open_context
from pipeline.collect.web.errors import (
    BadResponseError,
    BudgetSpentError,
    FinalError,
    HumanError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer, FakeServer, changed
from tests.fakes.instagram_limits import client_limits

CANARY = "canarysession"
COOKIES = {"sessionid": CANARY, "csrftoken": "canarytoken", "ds_user_id": "7"}
FAST = Retries(first_s=0.01, longest_s=0.02)


@pytest.fixture
def server():
    """A server that answers `{"ok": path}`."""
    with FakeServer(lambda request: Answer.json({"ok": request.path, "form": request.form})) as server:
        yield server


@pytest.fixture
def client(server, tmp_path):
    """A signed-in client of it; `max_requests` and the clock may be changed."""
    clock = FakeClock()
    with contextlib.closing(
        Pace(tmp_path / "pace.sqlite", clock, PaceLimits(per_minute=10**6, per_hour=10**6))
    ) as pace:
        context = open_context(
            COOKIES, rate_controller=rate_controller(pace), request_timeout_s=0.3, base_url=server.url
        )
        limits = client_limits(timeout_s=0.3)
        yield InstagramClient(context=context, base=server.url, pace=pace, clock=clock, retries=FAST, **limits)


def test_the_headers_of_a_signed_in_browser_go_along(client, server):
    client.post_json("api/v1/x/", {"tab": "recent"}, referer="explore/locations/1/")
    (request,) = server.requests
    assert request.form == {"tab": "recent"}
    assert CANARY in request.headers["Cookie"]
    assert request.headers["X-CSRFToken"] == "canarytoken"
    assert request.headers["Referer"].endswith("/explore/locations/1/")
    assert request.headers["X-Requested-With"] == "XMLHttpRequest"
    assert "x-ig-app-id" in {name.lower() for name in request.headers}


@pytest.mark.parametrize(
    ("answer", "path", "error", "reason"),
    [
        pytest.param(Answer.json({}, 201), "a/", SourceChangedError, "status_201", id="201"),
        pytest.param(Answer.json({}, 404), "a/", SourceChangedError, "status_404", id="404 of a place"),
        pytest.param(Answer.json({}, 404), "api/v1/media/1/info/", FinalError, "gone", id="404 of a post"),
        pytest.param(Answer.json({}, 410), "api/v1/media/1/info/", FinalError, "gone", id="410 of a post"),
        pytest.param(
            Answer.json({"message": "Media not found or unavailable", "status": "fail"}, 400),
            "api/v1/media/1/info/",
            FinalError,
            "gone",
            id="400 that says gone",
        ),
        pytest.param(Answer.json({"status": "fail"}), "a/", SourceChangedError, "status_fail", id="fail with 200"),
        pytest.param(Answer.html("<html>"), "a/", BadResponseError, "html", id="HTML"),
        pytest.param(Answer(body=b"[]"), "a/", BadResponseError, "not_an_object", id="a list"),
        pytest.param(Answer(body=b"null"), "a/", BadResponseError, "not_an_object", id="null"),
        pytest.param(Answer(body=b'{"a":' * 50_000), "a/", BadResponseError, "nested_too_deep", id="deep nesting"),
        pytest.param(Answer.redirect("/elsewhere"), "a/", SourceChangedError, "redirect", id="a redirect elsewhere"),
        pytest.param(Answer.redirect("/challenge/x/"), "a/", HumanError, "checkpoint_required", id="a challenge"),
        pytest.param(Answer.redirect("/accounts/login/"), "a/", HumanError, "session_ended", id="a first login page"),
        pytest.param(Answer.json({}, 400), "a/", SourceChangedError, "status_400", id="400 without a word"),
        pytest.param(Answer.json({}, 403), "a/", HumanError, "checkpoint_required", id="403"),
    ],
)
def test_an_answer_is_one_of_the_classes_and_is_asked_once(client, server, answer, path, error, reason):
    server.fail("", answer, times=None)
    with pytest.raises(error) as raised:
        client.get_json(path)
    assert raised.value.reason == reason
    assert server.count() == 1
    assert CANARY not in repr(raised.value) + str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 503}, id="503"),
        pytest.param({"ending": "reset"}, id="reset"),
        pytest.param({"ending": "cut"}, id="cut"),
        pytest.param({"ending": "cut_chunks"}, id="cut chunks"),
        pytest.param({"ending": "cut_without_length"}, id="cut without a length"),
        pytest.param({"delay_s": 0.5}, id="timeout"),
    ],
)
def test_a_passing_trouble_is_asked_again_five_times_at_most(client, server, change):
    server.fail("", change=changed(**change), times=2)
    assert client.get_json("a/")["ok"] == "/a/"
    assert server.count() == 3
    server.requests.clear()
    server.fail("", change=changed(**change), times=None)
    with pytest.raises(RetryError) as raised:
        client.get_json("a/")
    assert server.count() == 5
    assert "127.0.0.1" not in str(raised.value)
    assert raised.value.__cause__ is None or CANARY not in repr(raised.value.__cause__)


def test_a_huge_answer_is_not_read_to_its_end(client, server):
    server.fail("", Answer(body=b"[" + b" " * 65536, ending="endless"))
    with pytest.raises(BadResponseError) as raised:
        client.get_json("a/")
    assert raised.value.reason == "too_many_bytes"


def test_the_budget_counts_every_request_also_repeated_ones(client, server):
    client.max_requests = 4
    server.fail("", Answer(status=502), times=2)
    client.get_json("a/")
    client.get_json("b/")
    with pytest.raises(BudgetSpentError):
        client.get_json("c/")
    assert server.count() == 4


def test_a_retry_after_that_is_longer_than_the_rest_is_honoured(client, server):
    server.fail("", Answer.json({}, 429, headers={"Retry-After": "600"}))
    client.get_json("a/")
    assert client.clock.slept[-1] >= 600 or max(client.clock.slept) >= 600


def test_the_rests_grow_and_then_the_run_ends(client, server):
    server.fail("", Answer.json({}, 429), times=None)
    with pytest.raises(WaitError):
        client.get_json("a/")
    assert [round(s) for s in client.clock.slept if s > 1] == [300, 900]
    assert client.pace.rest_left_s() == pytest.approx(900)
    with pytest.raises(WaitError) as raised:
        dataclasses.replace(client, cool_downs_s=(60,)).check_rest()
    assert raised.value.reason == "resting"


def test_a_page_is_asked_for_as_a_browser_does(client, server):
    server.fail("", Answer.html("<html>ö</html>"))
    assert client.get_page("explore/locations/1/") == "<html>ö</html>"
    assert server.requests[0].headers["Accept"] == "text/html"

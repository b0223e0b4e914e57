"""One question to the Places API: what is sent, and what every kind of answer means."""

import logging
import socket
import traceback

import pytest
import requests

from pipeline.collect.poi_sources.foursquare_client import KEY_VARIABLE, PlacesClient, base_url, key_from_environment
from pipeline.collect.web import answers
from pipeline.collect.web.errors import (
    BadResponseError,
    FinalError,
    HumanError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.errors import StageError
from tests.fakes.foursquare_server import KEY, fake_place
from tests.fakes.http_server import Answer, FakeServer, changed

PARAMS = {"ll": "12.000000,-30.000000", "radius": "10000", "sort": "POPULARITY", "limit": "50"}


@pytest.fixture
def client(server, clock):
    return PlacesClient(KEY, clock, server.url)


def test_a_question_carries_the_key_the_version_and_an_honest_name(client, server):
    page = client.first(PARAMS)
    (request,) = server.requests
    assert [place.name for place in page.places[:2]] == ["Place 0", "Place 1"]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["X-Places-Api-Version"] == "2025-06-17"
    assert "mrlf-pipeline" in request.headers["User-Agent"]
    assert request.query == PARAMS


def test_pages_follow_each_other_to_the_end(client):
    first = client.first(PARAMS)
    second = client.after(first.next_link)
    third = client.after(second.next_link)
    names = [place.name for page in (first, second, third) for place in page.places]
    assert (names, third.next_link) == ([f"Place {number}" for number in range(120)], "")


def test_a_netrc_of_the_machine_does_not_replace_the_key(client, server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client.first(PARAMS)
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.fault("P1")
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_is_for_a_person(client, server, status):
    server.fail(answer=Answer.json({"message": f"bad token {KEY}"}, status), times=None)
    with pytest.raises(HumanError, match=KEY_VARIABLE) as caught:
        client.first(PARAMS)
    assert caught.value.reason == "bad_key"
    assert KEY not in printed(caught.value)


@pytest.mark.fault("P2")
@pytest.mark.parametrize(
    ("answer", "reason", "after_s"),
    [
        pytest.param(Answer.json({}, 429, headers={"Retry-After": "2"}), "throttled", 2, id="seconds"),
        pytest.param(
            Answer.json({}, 429, headers={"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT"}), "throttled", 30, id="date"
        ),
        pytest.param(Answer.json({}, 429), "throttled", None, id="none"),
        pytest.param(Answer.json({}, 429, headers={"Retry-After": "soon"}), "throttled", None, id="unreadable"),
        pytest.param(Answer.json({}, 429, headers={"Retry-After": "9" * 400}), "throttled", 366 * 86400, id="endless"),
        pytest.param(Answer.json({"message": "Your Quota is used up"}, 429), "quota", None, id="quota"),
        pytest.param(Answer.json({"message": "No API credits remaining"}, 429), "quota", None, id="credits"),
        pytest.param(Answer.json({"message": "limit exceeded for the day"}, 429), "quota", None, id="day"),
        pytest.param(Answer.json({"message": "x"}, 402), "quota", None, id="payment"),
    ],
)
def test_throttling_and_quota_are_reported_apart_by_the_body(client, server, answer, reason, after_s):
    server.fail(answer=answer)
    with pytest.raises(WaitError) as caught:
        client.first(PARAMS)
    assert (caught.value.reason, caught.value.retry_after_s) == (reason, after_s)


@pytest.mark.fault("P3")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(Answer.html("oops", 500), "status_500", id="500"),
        pytest.param(Answer.html("oops", 502), "status_502", id="502"),
        pytest.param(Answer.html("oops", 503), "status_503", id="503"),
        pytest.param(Answer(ending="reset"), "no_connection", id="reset"),
        pytest.param(Answer.json({"results": []}, ending="cut"), "short_body", id="half body"),
        pytest.param(Answer.json({"results": [1, 2]}, ending="cut_chunks"), "short_body", id="half of the chunks"),
        pytest.param(Answer.json({"results": [1, 2]}, ending="cut_without_length"), "short_body", id="no length"),
    ],
)
def test_a_passing_trouble_is_worth_another_try(client, server, answer, reason):
    server.fail(answer=answer)
    with pytest.raises(RetryError) as caught:
        client.first(PARAMS)
    assert caught.value.reason == reason
    assert KEY not in printed(caught.value)


@pytest.mark.fault("P3")
def test_a_slow_answer_is_a_timeout(client, server, monkeypatch):
    monkeypatch.setattr("pipeline.collect.poi_sources.foursquare_client.TIMEOUT_S", (1.0, 0.1))
    server.fail(answer=Answer.json({"results": []}, delay_s=0.5))
    with pytest.raises(RetryError, match="timeout"):
        client.first(PARAMS)


@pytest.mark.fault("P3")
def test_a_name_that_is_not_found_is_a_passing_trouble(clock, monkeypatch):
    def not_found(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    with pytest.raises(RetryError, match="no_connection") as caught:
        PlacesClient(KEY, clock, "https://places.invalid").first(PARAMS)
    assert KEY not in printed(caught.value)


@pytest.mark.fault("P3")
def test_tls_that_fails_is_tried_again_and_never_left_out(server, clock):
    with pytest.raises(RetryError, match="tls"):
        PlacesClient(KEY, clock, server.url.replace("http:", "https:")).first(PARAMS)
    assert server.requests == []


DEEP = b'{"results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.fault("P4")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"<html>Login</html>" + b"x" * 500, "html", id="HTML"),
        pytest.param(b"[]", "not_an_object", id="a list"),
        pytest.param(b"null", "not_an_object", id="null"),
        pytest.param(b"", "not_json", id="nothing"),
        pytest.param(b'\xef\xbb\xbf{"results": []}', "not_json", id="BOM"),
        pytest.param(b'{"results": [NaN]}', "not_json", id="NaN"),
        pytest.param(b'{"results": [-Infinity]}', "not_json", id="Infinity"),
        pytest.param(b'{"results": [], "results": [1]}', "not_json", id="a key said twice"),
        pytest.param(DEEP, "nested_too_deep", id="100 000 deep"),
        pytest.param(b'{"results": ["\\ud800"]}', "lone_surrogate", id="lone surrogate"),
        pytest.param(b'{"results": {}}', "no_results", id="results are no list"),
        pytest.param(b'{"error": "x"}', "no_results", id="another object"),
    ],
)
def test_a_hostile_body_is_a_typed_error_with_its_beginning(client, server, body, reason):
    server.fail(answer=Answer(body=body))
    with pytest.raises(BadResponseError) as caught:
        client.first(PARAMS)
    assert caught.value.reason == reason
    assert len(caught.value.excerpt) <= 200
    assert caught.value.excerpt == body[:200].decode("utf-8", "replace").replace("\ufeff", " ")


@pytest.mark.fault("P4")
def test_a_body_of_gigabytes_is_not_read_to_its_end(client, server, monkeypatch):
    monkeypatch.setattr("pipeline.collect.poi_sources.foursquare_client.MAX_ANSWER_BYTES", 2**20)
    server.fail(answer=Answer(body=b"x" * 65536, ending="endless"))
    with pytest.raises(BadResponseError, match="too_many_bytes"):
        client.first(PARAMS)
    assert answers.MAX_ANSWER_BYTES < 200 * 2**20


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(client, server, status):
    with FakeServer(lambda request: Answer.json({"results": []})) as other:
        server.fail(answer=Answer.redirect(f"{other.url}/places/search", status))
        with pytest.raises(SourceChangedError, match=f"{status}"):
            client.first(PARAMS)
        assert other.requests == []


@pytest.mark.parametrize(("status", "reason"), [(400, "bad_request"), (404, "gone"), (410, "gone")])
def test_a_refused_question_reports_what_foursquare_said(client, server, status, reason):
    server.fail(answer=Answer.json({"message": f"no field x, {KEY}"}, status))
    with pytest.raises(FinalError, match="no field x") as caught:
        client.first(PARAMS)
    assert caught.value.reason == reason
    assert KEY not in printed(caught.value)


def test_the_next_page_is_followed_only_to_the_same_scheme_host_and_port(client, server):
    with FakeServer(lambda request: Answer.json({"results": []})) as other:
        links = {
            f"{other.url}/x": "other_host",
            server.url.replace("http:", "https:") + "/x": "other_host",
            server.url.replace("//", "//user@") + "/x": "other_host",
            "//127.0.0.1/x": "other_host",
            "http://[x/y": "no_address",
            f"{server.url}/places/search?token={KEY}": "key_in_link",
        }
        for link, reason in links.items():
            server.fail(change=changed(headers={"Link": f'<{link}>; rel="next"'}))
            page = client.first(PARAMS)
            assert (page.next_link, page.refused) == ("", reason)
            with pytest.raises(SourceChangedError, match=reason):
                client.after(link)
        assert other.requests == []
        assert len(server.requests) == len(links)


def test_a_relative_link_is_taken_from_where_the_page_was(client, server):
    server.fail(change=changed(headers={"Link": '</places/search?cursor=x>; rel="next"'}))
    assert client.first(PARAMS).next_link == f"{server.url}/places/search?cursor=x"


def test_the_key_is_in_no_repr_log_or_kept_body(client, server, caplog):
    server.places[0] = fake_place(0, name=f"Place {KEY}")
    with caplog.at_level(logging.DEBUG):
        page = client.first(PARAMS)
    assert KEY not in repr(client) + str(vars(client)["_session"].__dict__) + caplog.text
    assert KEY.encode() not in page.body


@pytest.mark.parametrize("key", ["two words", "line\nbreak12", "kürzlich-gemacht", "short"])
def test_what_is_no_key_is_not_sent(key, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(StageError, match=KEY_VARIABLE) as caught:
        key_from_environment()
    assert key not in str(caught.value)


def test_a_missing_key_names_the_variable_and_the_ways_without_one(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(StageError, match=rf"{KEY_VARIABLE}.*file: .*os_places: "):
        key_from_environment()


@pytest.mark.parametrize("url", ["http://places.example", "ftp://127.0.0.1", "places.example"])
def test_the_key_does_not_travel_in_the_clear(url, monkeypatch):
    monkeypatch.setenv("MRLF_FOURSQUARE_URL", url)
    with pytest.raises(StageError, match="https://"):
        base_url()


def printed(error: BaseException) -> str:
    """All that a print of the error could show: messages, chain, and what the errors of requests carry along."""
    shown = "".join(traceback.format_exception(error))
    chain: BaseException | None = error
    while chain is not None:
        shown += repr(chain) + repr(chain.__dict__)
        request = getattr(chain, "request", None)
        shown += str(request.headers) if isinstance(request, requests.PreparedRequest) else ""
        chain = chain.__cause__ or chain.__context__
    return shown

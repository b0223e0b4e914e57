"""The session: cookies from a file that is its owner's alone, never a pickle, and sent to one host only."""

import json
import os
import pickle
import time
from datetime import UTC, datetime

import pytest

from pipeline.collect.instagram.cookie_files import cookies_path, read_cookies
from pipeline.collect.instagram.session import open_context
from pipeline.collect.web.errors import HumanError
from tests.fakes.http_server import Answer, FakeServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER_S, EARLIER_S = NOW.timestamp() + 86_400, NOW.timestamp() - 1
COOKIES = {"sessionid": "77001%3Acanary%3A1", "csrftoken": "canarytoken", "ds_user_id": "77001"}


def entries(**changes):
    """The cookies as extensions write them, `changes` in each of them."""
    domain = {"domain": ".instagram.com", "path": "/", "secure": True, "httpOnly": True}
    return [{"name": name, "value": value, **domain, **changes} for name, value in COOKIES.items()]


def lines(*, domain=".instagram.com", expires="0", start="", end="\n"):
    """The cookies as cookies.txt."""
    rows = [f"{start}{domain}\tTRUE\t/\tTRUE\t{expires}\t{name}\t{value}" for name, value in COOKIES.items()]
    return end.join(["# Netscape HTTP Cookie File", "# made by an extension", "", *rows, ""])


@pytest.fixture
def cookie_file(tmp_path):
    """Writes a file that only its owner can read."""

    def write(content, mode=0o600):
        path = tmp_path / "cookies"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(entries(expirationDate=LATER_S)), id="JSON list"),
        pytest.param(json.dumps(entries(session=True)), id="JSON list of session cookies"),
        pytest.param(json.dumps({"cookies": entries(expires=-1), "origins": []}), id="JSON of a test browser"),
        pytest.param(json.dumps(entries(expires=LATER_S * 1000)), id="expiry in milliseconds"),
        pytest.param(json.dumps(entries(expires="2030-01-01T00:00:00Z")), id="expiry in words"),
        pytest.param(json.dumps(entries(expires="Tue, 01 Jan 2030 00:00:00 GMT")), id="expiry as in HTTP"),
        pytest.param(json.dumps(entries(expires="with the browser")), id="expiry that is none"),
        pytest.param(json.dumps(COOKIES), id="plain object"),
        pytest.param("\ufeff" + json.dumps(COOKIES), id="plain object with BOM"),
        pytest.param(json.dumps(entries(domain="www.instagram.com")), id="of www"),
        pytest.param(json.dumps([*entries(), *entries(value="other", domain=".example.com")]), id="other sites"),
        pytest.param(json.dumps([*entries(), *entries(value="old", expires=EARLIER_S)]), id="an old one too"),
        pytest.param(json.dumps([*entries(), {"name": "mid"}, "x", None, {"name": 1, "value": 2}]), id="odd entries"),
        pytest.param(lines(), id="cookies.txt"),
        pytest.param(lines(expires=str(int(LATER_S))), id="cookies.txt with expiry"),
        pytest.param(lines(start="#HttpOnly_"), id="cookies.txt with HttpOnly"),
        pytest.param("\ufeff" + lines(end="\r\n"), id="cookies.txt with BOM and CRLF"),
        pytest.param(lines() + lines(domain=".example.com").replace("canary", "other"), id="cookies.txt, other sites"),
    ],
)
def test_cookies_are_read_as_extensions_write_them(cookie_file, content):
    assert read_cookies(cookie_file(content), NOW) == COOKIES


@pytest.mark.parametrize("name", COOKIES)
@pytest.mark.parametrize("value", [None, "", "a b", "a;b", "a\r\nX-Header: b", "é", "a" * 5000, 7])
def test_a_cookie_that_is_missing_or_cannot_be_sent_is_named(cookie_file, name, value):
    stated = {**COOKIES, name: value}
    path = cookie_file(json.dumps({key: each for key, each in stated.items() if each is not None}))
    with pytest.raises(HumanError, match=rf"holds no {name} of instagram.com.* export the cookies") as caught:
        read_cookies(path, NOW)
    assert caught.value.reason == "cookies_missing"


@pytest.mark.parametrize("domain", ["example.com", "instagram.com.example.com", "notinstagram.com", "i.instagram.com"])
def test_cookies_of_another_site_are_not_taken(cookie_file, domain):
    with pytest.raises(HumanError, match=r"holds no sessionid, csrftoken, ds_user_id of instagram\.com"):
        read_cookies(cookie_file(json.dumps(entries(domain=domain))), NOW)


@pytest.mark.fault("I2")
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(entries(expirationDate=EARLIER_S)),
        json.dumps(entries(expires=EARLIER_S * 1000)),
        json.dumps(entries(expiry=int(EARLIER_S))),
        json.dumps(entries(expires="2020-01-01")),
        lines(expires=str(int(EARLIER_S))),
    ],
    ids=["JSON", "milliseconds", "expiry", "words", "cookies.txt"],
)
def test_an_expired_cookie_is_a_matter_for_a_person(cookie_file, content):
    with pytest.raises(HumanError, match=r"sessionid, csrftoken, ds_user_id expired.* export the cookies") as caught:
        read_cookies(cookie_file(content), NOW)
    assert caught.value.reason == "cookies_expired"
    assert isinstance(caught.value, ValueError)
    assert "canary" not in str(caught.value)


class Planted:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.fault("I19")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_planted_pickle_is_refused_and_never_run(cookie_file, tmp_path, protocol):
    sentinel = tmp_path / "sentinel"
    planted = pickle.dumps({**COOKIES, "x": Planted(f"touch {sentinel}")}, protocol)
    with pytest.raises(HumanError) as caught:
        read_cookies(cookie_file(planted), NOW)
    assert caught.value.reason == "not_cookies"
    assert not sentinel.exists()
    pickle.loads(planted)  # noqa: S301  # the sentinel would have come
    assert sentinel.exists()


@pytest.mark.fault("I19")
def test_instaloaders_own_session_file_is_refused_by_name(cookie_file):
    with pytest.raises(HumanError, match=r"is a pickle, as Instaloader's session files are.* export the cookies"):
        read_cookies(cookie_file(pickle.dumps(COOKIES)), NOW)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"SQLite format 3\0" + b"\0" * 99, "database"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n", "no text"),
        (b"{\0}", "no text"),
        (b"a" * (2**20 + 1), "larger"),
        (b"", "neither"),
        (b"hello", "neither"),
        (b"{}", "neither"),
        (b"[]", "neither"),
        (b"[1, null]", "neither"),
        (b'{"cookies": 7}', "JSON of another kind"),
        (b'{"sessionid": "canary"', "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
    ],
)
def test_what_is_no_cookie_file_is_refused_by_its_kind_with_what_to_do(cookie_file, content, kind):
    with pytest.raises(HumanError, match=rf"{kind}.* export the cookies") as caught:
        read_cookies(cookie_file(content), NOW)
    assert "canary" not in str(caught.value)


@pytest.mark.fault("I19")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o666, 0o644, 0o610, 0o601, 0o777])
def test_a_file_that_others_can_read_or_write_is_refused_with_the_command(cookie_file, mode):
    path = cookie_file(json.dumps(COOKIES), mode)
    with pytest.raises(HumanError, match=f"run chmod 600 '?{path}'?") as caught:
        read_cookies(path, NOW)
    assert caught.value.reason == "cookies_not_private"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_alone_is_read(cookie_file, mode):
    assert read_cookies(cookie_file(json.dumps(COOKIES), mode), NOW) == COOKIES


@pytest.mark.fault("I19")
def test_a_file_of_another_user_is_refused(cookie_file, monkeypatch):
    path = cookie_file(json.dumps(COOKIES))
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(HumanError, match="belongs to another user"):
        read_cookies(path, NOW)


def test_a_link_is_followed_and_what_it_leads_to_is_judged(cookie_file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(cookie_file(json.dumps(COOKIES)))
    assert read_cookies(link, NOW) == COOKIES
    cookie_file(json.dumps(COOKIES), 0o644)
    with pytest.raises(HumanError, match="chmod 600"):
        read_cookies(link, NOW)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, message in [("pipe", "is a folder, a pipe"), ("folder", "is a folder, a pipe"), ("none", "there is no")]:
        started = time.monotonic()
        with pytest.raises(HumanError, match=message):
            read_cookies(tmp_path / name, NOW)
        assert time.monotonic() - started < 0.5


def test_the_path_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("MRLF_INSTAGRAM_COOKIES", raising=False)
    assert cookies_path() is None
    monkeypatch.setenv("MRLF_INSTAGRAM_COOKIES", " ")
    assert cookies_path() is None
    monkeypatch.setenv("MRLF_INSTAGRAM_COOKIES", str(tmp_path / "cookies.json"))
    assert cookies_path() == tmp_path / "cookies.json"


@pytest.fixture
def server():
    """Answers everything."""
    with FakeServer(lambda _: Answer.json({"status": "ok"})) as server:
        yield server


def context_of(base_url, cookies=COOKIES):
    """A context for this base address."""
    return open_context(cookies, rate_controller=None, request_timeout_s=2, base_url=base_url)


def test_a_session_sends_its_cookies_and_the_headers_of_a_web_client(server):
    context = context_of(server.url)
    context._session.get(f"{server.url}/api/", allow_redirects=False)
    headers = {name.lower(): value for name, value in server.requests[0].headers.items()}
    assert context.is_logged_in
    assert dict(pair.split("=", 1) for pair in headers["cookie"].split("; ")) == COOKIES
    assert headers["x-csrftoken"] == "canarytoken"
    assert headers["x-requested-with"] == "XMLHttpRequest"
    assert headers["x-ig-app-id"].isdecimal()
    assert headers["referer"] == "https://www.instagram.com/"


def test_the_host_is_the_one_that_is_asked_and_no_length_is_reported_without_a_body(server):
    for cookies in (COOKIES, None):
        context_of(server.url, cookies)._session.get(f"{server.url}/api/")
    for request in server.requests:
        assert request.headers["Host"] == server.url.removeprefix("http://")
        assert "Content-Length" not in request.headers


def test_a_form_arrives_whole_and_an_empty_one_too(server):
    session = context_of(server.url)._session
    assert session.post(f"{server.url}/sections/", data={"tab": "recent", "max_id": "x=="}).status_code == 200
    assert session.post(f"{server.url}/sections/", data={}).status_code == 200
    assert [request.form for request in server.requests] == [{"tab": "recent", "max_id": "x=="}, {}]


def test_without_cookies_the_context_is_anonymous(server):
    context = context_of(server.url, None)
    context._session.get(server.url)
    assert not context.is_logged_in
    assert "canary" not in str(server.requests[0].headers)


def test_no_cookie_goes_to_another_host_or_port(server):
    with FakeServer(lambda _: Answer()) as other:
        session = context_of(server.url)._session
        session.get(other.url)
        session.get(server.url.replace("127.0.0.1", "localhost"))
        context_of("https://www.instagram.com")._session.get(server.url)
        server.fail(answer=Answer.redirect(f"{other.url}/elsewhere"))
        assert session.get(server.url).is_redirect, "reported and not followed"
        assert [request.headers.get("Cookie") for request in other.requests] == [None]
        assert [request.headers.get("Cookie") is None for request in server.requests] == [True, True, False]


@pytest.mark.parametrize("base_url", ["http://localhost:{port}", "http://127.0.0.1:{port}"])
def test_cookies_go_to_the_base_by_each_of_its_names(server, base_url):
    base_url = base_url.format(port=server.url.rpartition(":")[2])
    context_of(base_url)._session.get(base_url)
    assert "canary" in server.requests[0].headers["Cookie"]


@pytest.mark.parametrize(
    "answer",
    [
        "sessionid=; Max-Age=0; Path=/",
        "sessionid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
        'sessionid=""',
        "sessionid=other; Path=/",
        "csrftoken=other; Path=/",
        "ds_user_id=; Max-Age=0; Path=/",
    ],
)
@pytest.mark.fault("I2")
def test_a_login_page_cannot_take_the_session_away(server, answer):
    session = context_of(server.url)._session
    server.fail(answer=Answer(status=302, headers={"Location": "/accounts/login/", "Set-Cookie": answer}))
    session.get(server.url, allow_redirects=False)
    session.get(server.url)
    sent = server.requests[-1].headers["Cookie"]
    assert dict(pair.split("=", 1) for pair in sent.split("; ")) == COOKIES


@pytest.mark.parametrize("to", ["/accounts/login/", "https://[::1/"])
def test_a_redirect_is_reported_without_reading_its_body_or_address(server, to):
    server.fail(answer=Answer(status=302, headers={"Location": to}, ending="endless"))
    response = context_of(server.url)._session.get(server.url, allow_redirects=False, stream=True)
    assert (response.status_code, response.is_redirect, response.headers["Location"]) == (302, True, to)
    response.close()


def test_other_cookies_of_an_answer_are_kept(server):
    session = context_of(server.url)._session
    server.fail(answer=Answer(headers={"Set-Cookie": "mid=abc; Path=/"}))
    session.get(server.url)
    session.get(server.url)
    assert "mid=abc" in server.requests[-1].headers["Cookie"]


def test_the_context_prints_nothing_and_reports_no_secret(server, capfd):
    context = context_of(server.url)
    context.log("canary")
    context.error("canary")
    context.close()
    stated = (repr(context), repr(context._session), repr(context._session.cookies), str(context.error_log))
    assert "canary" not in " ".join(stated)
    assert context.username == "<signed in>"
    assert capfd.readouterr() == ("", "")

"""Pages in place of answers: the login page and captchas are known, and what people wrote is never taken for them."""

import contextlib
import json

import pytest

from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.endpoints import PageEndpoint, SectionsEndpoint
from pipeline.collect.instagram.pace import Pace, PaceLimits, rate_controller
from pipeline.collect.instagram.session import open_context
from pipeline.collect.web.errors import BadResponseError, FinalError, HumanError, SourceChangedError, WaitError
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer
from tests.fakes.instagram_limits import client_limits
from tests.fakes.instagram_server import FakeInstagram

PLACE = "1000"
HOSTILE = (
    "captcha login_required checkpoint_required challenge_required, please wait a few minutes, rate limit, "
    'feedback_required, media not found <title>Login • Instagram</title> <form id="loginForm" action="/challenge/">'
    '</script><div class="g-recaptcha"> "require_login": true {"entry_data": {"LoginAndSignupPage": []}}'
)
OLD_LOGIN = (
    '<!DOCTYPE html>\n<html lang="en" class="no-js not-logged-in client-root"><head>\n<title>\nLogin • Instagram\n'
    '</title></head><body><script>window._sharedData = {"config": {"viewerId": null}, "entry_data": '
    '{"LoginAndSignupPage": [{"captcha": {"enabled": false, "key": ""}}]}};</script></body></html>'
)
LOGIN_PAGES = {
    "the old page": OLD_LOGIN,
    "its data alone": OLD_LOGIN.replace("Login • ", ""),
    "title": "\ufeff \n<html><head><title>Log in &bull; Instagram</title></head></html>",
    "title of another language": "<!-- x --><html><head><TITLE>Anmelden • Instagram</TITLE></head></html>",
    "form by its id": "<html><title>Instagram</title><body><form id='loginForm' method=post></form>",
    "form by its address": '<html><body><form action="/accounts/login/ajax/"><input name=username></form></body>',
    "password": '<html><body><div><input aria-label="Passwort" type="password"></div></body></html>',
    "where it says it lies": '<html><link rel="canonical" href="https://www.instagram.com/accounts/login/"/></html>',
    "og:url": '<html><meta property="og:url" content="https://www.instagram.com/accounts/login/?next=x"/></html>',
    "sent on by itself": '<html><meta http-equiv="refresh" content="0; URL=/accounts/login/?next=%2Fexplore"></html>',
    "behind much": f"<html><script>{'x' * 2**20}</script><title>Login • Instagram</title></html>",
}
LOGIN_JSON = {
    "require_login": {"message": "", "require_login": True, "status": "fail"},
    "require_login and ok": {"require_login": True, "status": "ok"},
    "login_required": {"message": "login_required", "error_title": "You've Been Logged Out", "status": "fail"},
    "without a status": {"message": "login_required", "logout_reason": 8},
    "error type": {"message": "Sorry", "error_type": "login_required", "status": "fail"},
    "in a list": {"message": {"errors": ["login_required"]}, "status": "fail"},
}
CAPTCHAS = {
    "recaptcha": '<html><body><div class="g-recaptcha" data-sitekey="x"></div></body></html>',
    "hcaptcha": '<html><body><iframe src="https://newassets.hcaptcha.com/captcha/v1/"></iframe></body></html>',
    "script": '<html><script src="https://www.google.com/recaptcha/api.js"></script><body></body></html>',
    "title": "<html><title>Captcha</title></html>",
    "words": "<html><title>Instagram</title><h2>Help us confirm it\u2019s you</h2></html>",
    "attempt": "<html><p>We detected an <b>unusual\n login</b> attempt.</p></html>",
    "beside a login form": '<html><form id="loginForm"></form><img src="/captcha/?x"></html>',
    "form": '<html><form action="/captcha/verify" method="post"></form></html>',
}
CHALLENGES = {
    "challenge form": '<html><form action="/challenge/123/abc/" method="post"></form></html>',
    "challenge by its id": '<html><form id="challenge-form"></form></html>',
    "sent on by itself": '<html><meta http-equiv="refresh" content="0;url=/challenge/?next=/"></html>',
}


def cases(raised: dict[str, object]) -> list[object]:
    """The values as cases of their names."""
    return [pytest.param(value, id=name) for name, value in raised.items()]


@pytest.fixture
def instagram():
    """A place with two posts."""
    with FakeInstagram() as server:
        server.world.add_location(PLACE, "Old Lighthouse", 12.0, -30.0, num_posts=2)
        yield server


@pytest.fixture
def open_a_client(instagram, tmp_path):
    """Opens the client to it, signed in or not."""
    clock = FakeClock()
    with contextlib.closing(Pace(tmp_path / "pace", clock, PaceLimits(per_minute=10**6, per_hour=10**6))) as pace:

        def signed_in(is_signed_in: bool = True) -> InstagramClient:
            context = open_context(
                instagram.world.cookies() if is_signed_in else None,
                rate_controller=rate_controller(pace),
                request_timeout_s=5,
                base_url=instagram.url,
            )
            retries = Retries(max_tries=1)
            return InstagramClient(
                context=context, base=instagram.url, pace=pace, clock=clock, retries=retries, **client_limits()
            )

        yield signed_in


@pytest.fixture
def client(open_a_client):
    """The client of a signed-in session that has not answered yet."""
    return open_a_client()


def ask(client: InstagramClient, kind: str) -> object:
    """One question of a kind."""
    if kind == "page":
        return client.get_page(f"explore/locations/{PLACE}/")
    return client.get_json("api/v1/x/") if kind == "get" else client.post_json("api/v1/x/", {})


@pytest.mark.fault("I32")
class TestALoginPageWithStatus200:
    @pytest.mark.parametrize("kind", ["post", "page"])
    @pytest.mark.parametrize(
        "answer",
        [
            *cases({name: Answer.html(page) for name, page in LOGIN_PAGES.items()}),
            *cases({name: Answer.json(raised) for name, raised in LOGIN_JSON.items()}),
        ],
    )
    def test_is_the_end_of_a_session_that_never_answered(self, client, instagram, kind, answer):
        instagram.fail(answer=answer, times=None)
        with pytest.raises(HumanError) as raised:
            ask(client, kind)
        assert (raised.value.reason, instagram.count()) == ("session_ended", 1)

    @pytest.mark.parametrize("answer", [Answer.html(OLD_LOGIN), Answer.json(LOGIN_JSON["login_required"])])
    def test_is_throttling_once_for_a_session_that_answered(self, client, instagram, answer):
        SectionsEndpoint().first(client, PLACE)
        instagram.fail(answer=answer)
        SectionsEndpoint().first(client, PLACE)
        assert max(client.clock.slept) == 300
        instagram.fail(answer=answer, times=None)
        with pytest.raises(HumanError) as raised:
            SectionsEndpoint().first(client, PLACE)
        assert (raised.value.reason, instagram.count()) == ("session_ended", 1 + 2 + 2)

    @pytest.mark.parametrize("answer", [Answer.html(OLD_LOGIN), Answer.json(LOGIN_JSON["require_login"])])
    def test_reports_a_visitor_to_sign_in(self, open_a_client, instagram, answer):
        instagram.fail(answer=answer, times=None)
        with pytest.raises(HumanError, match="MRLF_INSTAGRAM_COOKIES") as raised:
            PageEndpoint().first(open_a_client(False), PLACE)
        assert (raised.value.reason, instagram.count()) == ("login_required", 1)


@pytest.mark.fault("I33")
class TestACaptcha:
    @pytest.mark.parametrize(
        ("status", "kind"), [(200, "get"), (200, "page"), (403, "post"), (429, "page"), (503, "get")]
    )
    @pytest.mark.parametrize("page", cases(CAPTCHAS))
    def test_stops_for_a_person_at_the_first_request(self, client, instagram, page, status, kind):
        instagram.fail(answer=Answer.html(page, status), times=None)
        with pytest.raises(HumanError, match="captcha, which only a person may solve") as raised:
            ask(client, kind)
        assert (raised.value.reason, instagram.count(), client.clock.slept) == ("captcha", 1, [])

    @pytest.mark.parametrize("status", [200, 403, 429])
    @pytest.mark.parametrize("page", cases(CHALLENGES))
    def test_so_does_a_challenge(self, client, instagram, page, status):
        instagram.fail(answer=Answer.html(page, status), times=None)
        with pytest.raises(HumanError) as raised:
            ask(client, "page")
        assert (raised.value.reason, instagram.count()) == ("checkpoint_required", 1)

    @pytest.mark.parametrize(
        ("to", "reason"),
        [
            ("/captcha/?next=/", "captcha"),
            ("https://www.instagram.com/challenge/captcha/", "captcha"),
            ("https://captcha.example.org/", "captcha"),
            ("/challenge/?next=/", "checkpoint_required"),
            ("/accounts/login/two_factor/", "checkpoint_required"),
            ("/accounts/signup/", "session_ended"),
        ],
    )
    def test_behind_a_redirect_is_known_by_its_address(self, client, instagram, to, reason):
        instagram.fail(answer=Answer.redirect(to), times=None)
        with pytest.raises(HumanError) as raised:
            ask(client, "get")
        assert (raised.value.reason, instagram.count()) == (reason, 1)

    def test_in_the_body_of_a_redirect_elsewhere_is_seen(self, client, instagram):
        page = Answer.html(CAPTCHAS["recaptcha"], 302)
        instagram.fail(answer=Answer(status=302, body=page.body, headers={**page.headers, "Location": "/x/"}))
        with pytest.raises(HumanError, match="captcha"):
            ask(client, "get")

    @pytest.mark.parametrize("status", [200, 400, 403, 429])
    @pytest.mark.parametrize(
        "raised",
        [
            {"message": "captcha_required", "status": "fail"},
            {"captcha": {"key": "x"}, "status": "ok"},
            {"message": "Sorry", "error_type": "recaptcha_challenge", "status": "fail"},
        ],
    )
    def test_in_words_of_json_is_seen(self, client, instagram, raised, status):
        instagram.fail(answer=Answer.json(raised, status), times=None)
        with pytest.raises(HumanError) as error:
            ask(client, "get")
        assert (error.value.reason, instagram.count()) == ("captcha", 1)

    def test_a_challenge_without_a_word_is_a_closed_door(self, client, instagram):
        instagram.fail(answer=Answer.json({"challenge": {"url": "/x/"}, "status": "fail"}))
        with pytest.raises(HumanError) as raised:
            ask(client, "get")
        assert raised.value.reason == "checkpoint_required"


@pytest.mark.fault("I32")
@pytest.mark.fault("I33")
class TestWhatPeopleWrote:
    @pytest.mark.parametrize("era", ["2026-09", "2026-05"])
    @pytest.mark.parametrize("is_signed_in", [True, False])
    def test_on_a_place_s_page_is_read(self, open_a_client, instagram, era, is_signed_in):
        instagram.world.page_era = era
        instagram.world.add_post(PLACE, caption=HOSTILE)
        page = PageEndpoint().first(open_a_client(is_signed_in), PLACE)
        assert HOSTILE in json.dumps(page.medias, ensure_ascii=False).replace('\\"', '"')

    def test_beside_a_visitor_s_login_form_is_read(self, open_a_client, instagram):
        def with_a_form(answer: Answer) -> Answer:
            form = b'<body><form id="loginForm"><input type="password"></form><a href="/accounts/login/">Log in</a>'
            return Answer(body=answer.body.replace(b"<body>", form), headers=answer.headers)

        instagram.fail("explore", change=with_a_form)
        assert len(PageEndpoint().first(open_a_client(False), PLACE).medias) == 2

    def test_in_an_answer_is_read(self, client, instagram):
        instagram.world.add_post(PLACE, caption=HOSTILE)
        assert len(SectionsEndpoint().first(client, PLACE).medias) == 3

    @pytest.mark.parametrize("status", ["fail", None])
    def test_in_an_answer_that_says_no_decides_nothing(self, client, instagram, status):
        raised = {"status": status, "message": "", "items": [{"caption": {"text": HOSTILE}, "title": HOSTILE}]}
        instagram.fail(answer=Answer.json({key: value for key, value in raised.items() if value is not None}))
        with pytest.raises(SourceChangedError) if status else contextlib.nullcontext():
            ask(client, "get")
        assert instagram.count() == 1

    def test_in_the_scripts_of_an_unknown_page_decides_nothing(self, client, instagram):
        data = json.dumps({"caption": HOSTILE}).replace("<", "\\u003C")
        page = f'<html><title>x</title><script type="application/json">{data}</script><img alt="captcha"></html>'
        instagram.fail(answer=Answer.html(page), times=None)
        assert ask(client, "page") == page
        with pytest.raises(BadResponseError, match="html"):
            ask(client, "get")

    @pytest.mark.parametrize("body", ['[{"text": "captcha login_required"}]', '{"text": "captcha" "login_required"}'])
    def test_in_json_of_another_kind_decides_nothing(self, client, instagram, body):
        instagram.fail(answer=Answer(body=body.encode()))
        with pytest.raises(BadResponseError):
            ask(client, "get")

    def test_a_place_may_be_named_after_a_captcha(self, client, instagram):
        instagram.fail(answer=Answer.redirect(f"/explore/locations/{PLACE}/captcha-museum/"))
        with pytest.raises(SourceChangedError, match="redirect"):
            ask(client, "page")


@pytest.mark.parametrize(
    ("answer", "path", "error"),
    [
        (Answer.html("<h2>Error</h2><p>Please wait a few minutes before you try again.</p>"), "x/", WaitError),
        (Answer(body=b"Please wait a few minutes before you try again."), "x/", WaitError),
        (Answer.html("<p>Please wait a few minutes before you try again.</p>", 429), "x/", WaitError),
        (Answer.html(OLD_LOGIN, 404), "api/v1/media/1/info/", FinalError),
        (Answer.html(OLD_LOGIN, 401), "x/", HumanError),
        (Answer.redirect("https://[::1/"), "x/", SourceChangedError),
        (Answer(status=302, headers={"Location": "/x/"}, ending="endless"), "x/", SourceChangedError),
        (Answer(status=403, ending="endless"), "x/", HumanError),
    ],
    ids=[
        "200 wait",
        "200 wait, plain",
        "429 wait",
        "404 of a post",
        "401",
        "no address",
        "endless redirect",
        "endless 403",
    ],
)
def test_other_pages_are_what_they_were(client, instagram, answer, path, error):
    client.may_rest = False
    instagram.fail(answer=answer, times=None)
    with pytest.raises(error):
        client.get_page(path)
    assert instagram.count() == 1

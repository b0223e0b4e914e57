"""What an answer of Instagram means: nothing wrong, or one of the classes of error.

Law: a word of pressure or of a closed door decides before the status does; a status nobody knows is a change of the
source, never a crash.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from pipeline.collect.web.answers import retry_after_s
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import FinalError, HumanError, RetryError, SourceChangedError, WaitError

PRESSURE = {"feedback_required": "feedback_required", "wait a few minutes": "please_wait", "rate limit": "throttled"}
CLOSED = (
    "checkpoint_required", "challenge_required", "two_factor_required", "login_required", "bad_password",
    "consent_required", "inactive user",
)  # fmt: skip
GONE = ("media not found", "media_not_found", "not found or unavailable")
LOGIN_PATHS = ("/accounts/login",)
CLOSED_PATHS = (
    "/challenge", "/checkpoint", "/accounts/suspended", "/accounts/two_factor", "/auth_platform", "/consent",
)  # fmt: skip
MEDIA_PATH = "api/v1/media/"

WHAT_TO_DO = {
    "login_required": "Instagram asks for a login: export the cookies of a browser in which a dedicated account is "
    "signed in, and name the file in MRLF_INSTAGRAM_COOKIES",
    "session_ended": "the session of the cookie file is over: sign in with the browser again, export its cookies "
    "anew, and wait some hours before you go on",
    "checkpoint_required": "Instagram wants to see a person (a checkpoint): open it in the browser in which the "
    "account is signed in, follow what it asks, export the cookies anew, and wait a day before you go on",
}


class LoginRedirect(Exception):  # noqa: N818 (the door decides what it means)
    """The answer was a redirect to the login page."""


def judge(response: requests.Response, path: str, clock: Clock) -> None:
    """Nothing for a plain 200 whose body may be read.

    Raises:
        WaitError, RetryError, HumanError, FinalError, SourceChangedError, LoginRedirect
    """
    status = response.status_code
    if status == requests.codes.ok:
        return
    if response.is_redirect:
        raise _redirect(response)
    said = _said(response)
    judge_words(said, path)
    if status == requests.codes.too_many:
        raise WaitError("throttled", retry_after_s=retry_after_s(response, clock))
    if status in (401, 403):
        raise human("session_ended" if status == requests.codes.unauthorized else "checkpoint_required")
    if status in (404, 410) and path.startswith(MEDIA_PATH):
        raise FinalError("gone")
    if status >= 500 or status == requests.codes.request_timeout:
        raise RetryError(f"status_{status}")
    raise SourceChangedError(f"status_{status}")


def judge_object(answer: dict[str, Any], path: str) -> None:
    """The same for a JSON answer with status 200, which can still say no.

    Raises:
        WaitError, HumanError, FinalError, SourceChangedError, LoginRedirect
    """
    if answer.get("status") in (None, "ok") and not answer.get("require_login"):
        return
    judge_words(json.dumps(answer)[:4000], path)
    if answer.get("require_login"):
        raise LoginRedirect
    raise SourceChangedError("status_fail")


def judge_words(said: str, path: str) -> None:
    """Look for words of pressure, of a closed door and of a post that is gone."""
    said = said.lower()
    for words, reason in PRESSURE.items():
        if words in said:
            raise WaitError(reason)
    for word in CLOSED:
        if word in said:
            raise human("login_required" if word == "login_required" else "checkpoint_required")
    if path.startswith(MEDIA_PATH) and any(words in said for words in GONE):
        raise FinalError("gone")


def human(reason: str) -> HumanError:
    """The error that says what a person has to do."""
    return HumanError(reason, f"{WHAT_TO_DO[reason]}. What was collected is kept; nothing more was asked")


def _redirect(response: requests.Response) -> Exception:
    to = urlsplit(response.headers.get("Location", "")).path
    if to.startswith(LOGIN_PATHS):
        return LoginRedirect()
    if to.startswith(CLOSED_PATHS):
        return human("checkpoint_required")
    return SourceChangedError("redirect")


def _said(response: requests.Response) -> str:
    """The beginning of an error's body; "" where it does not come."""
    try:
        return response.raw.read(4000, decode_content=True).decode("utf-8", "replace")
    except (OSError, ValueError, HTTPError):
        return ""

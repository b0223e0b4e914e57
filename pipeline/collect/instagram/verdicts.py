"""What an answer of Instagram means: nothing wrong, or one of the classes of error.

Law: a word of pressure or of a lost login decides before the status does; a status nobody knows is a change of the
source, never a crash. Words are looked for where Instagram speaks, in the envelope of its JSON and in the frame of its
pages, and never in what people wrote.
Covered: the login page and a captcha as a redirect, as a page with any status and as JSON; `Retry-After` beside words.
"""

from typing import Any

import requests

from pipeline.collect.instagram.pages import kind_of_address, look_at_page
from pipeline.collect.web.answers import json_object, read_beginning, retry_after_s
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import (
    BadResponseError,
    FinalError,
    HumanError,
    RetryError,
    SourceChangedError,
    WaitError,
)

PRESSURE = {"feedback_required": "feedback_required", "wait a few minutes": "please_wait", "rate limit": "throttled"}
LOGIN = "login_required"
CLOSED = (
    "checkpoint_required",
    "challenge_required",
    "two_factor_required",
    LOGIN,
    "bad_password",
    "consent_required",
    "inactive user",
)
GONE = ("media not found", "media_not_found", "not found or unavailable")
MEDIA_PATH = "api/v1/media/"
ENVELOPE = (
    "message",
    "error",
    "errors",
    "error_type",
    "error_title",
    "error_message",
    "exception_name",
    "feedback_title",
    "feedback_message",
    "detail",
)
"""The keys of an answer with which Instagram speaks itself; posts, places and searches stand under others."""

CLOSED_KEYS = ("checkpoint_url", "challenge", "two_factor_required")
MAX_ERROR_BYTES = 256 * 2**10
ERROR_DEADLINE_S = 30.0
MAX_TEXTS = 100

WHAT_TO_DO = {
    "login_required": "Instagram asks for a login: export the cookies of a browser in which a dedicated account is "
    "signed in, and name the file in MRLF_INSTAGRAM_COOKIES",
    "session_ended": "the session of the cookie file is over: sign in with the browser again, export its cookies "
    "anew, and wait some hours before you go on",
    "checkpoint_required": "Instagram wants to see a person (a checkpoint): open it in the browser in which the "
    "account is signed in, follow what it asks, export the cookies anew, and wait a day before you go on",
    "captcha": "Instagram shows a captcha, which only a person may solve: open it in the browser in which the account "
    "is signed in, follow what it asks, export the cookies anew, and wait a day before you go on",
}


class LoginRedirect(Exception):  # noqa: N818 (the client decides what it means)
    """The answer led to the login page, or was that page."""


def judge(response: requests.Response, path: str, clock: Clock) -> None:
    """Nothing for a plain 200 whose body may be read.

    Raises:
        WaitError, RetryError, HumanError, FinalError, SourceChangedError, LoginRedirect
    """
    status = response.status_code
    if status == requests.codes.ok:
        return
    if response.is_redirect:
        _judge_address(response.headers["Location"])
    wait_s = retry_after_s(response, clock)
    said = read_beginning(response, max_bytes=MAX_ERROR_BYTES, deadline_s=ERROR_DEADLINE_S, clock=clock)
    judge_body(said, path, wait_s, is_good=200 <= status < 300)
    if response.is_redirect:
        raise SourceChangedError("redirect")
    if status == requests.codes.too_many:
        raise WaitError("throttled", retry_after_s=wait_s)
    if status in (401, 403):
        raise human("session_ended" if status == requests.codes.unauthorized else "checkpoint_required")
    if status in (404, 410) and path.startswith(MEDIA_PATH):
        raise FinalError("gone")
    if status >= 500 or status == requests.codes.request_timeout:
        raise RetryError(f"status_{status}")
    raise SourceChangedError(f"status_{status}")


def judge_body(body: bytes, path: str, wait_s: float | None, *, is_good: bool) -> None:
    """The same for the body of an error, and for one with a good status that is not the JSON it should be.

    wait_s: what `Retry-After` asks for, if anything. Raises as `judge` does.
    """
    text = body.decode("utf-8-sig", "replace").lstrip()
    if text.startswith("<"):
        page = look_at_page(text)
        if page.kind in ("captcha", "challenge"):
            raise human("captcha" if page.kind == "captcha" else "checkpoint_required")
        judge_words(page.words, path, wait_s, is_good=is_good)
        if page.kind == "login" and is_good:
            raise LoginRedirect
        return
    try:
        answer = json_object(body, is_strict=False)
    except (BadResponseError, RetryError):
        if not text.startswith(("{", "[")) or not is_good:  # broken JSON may hold what people wrote
            judge_words(text[:4000], path, wait_s, is_good=is_good)
        return
    judge_envelope(answer, path, wait_s, is_good=is_good)


def judge_object(answer: dict[str, Any], path: str, wait_s: float | None = None) -> None:
    """The same for a JSON answer with status 200, which can still say no. Raises as `judge` does."""
    judge_envelope(answer, path, wait_s, is_good=True)
    if answer.get("status") not in (None, "ok"):
        raise SourceChangedError("status_fail")


def judge_envelope(answer: dict[str, Any], path: str, wait_s: float | None, *, is_good: bool) -> None:
    """Look at what Instagram says itself in an answer, not at the posts in it."""
    if any("captcha" in key.casefold() and _is_wanted(value) for key, value in answer.items()):
        raise human("captcha")
    judge_words(" ".join(_texts([answer.get(key) for key in ENVELOPE])), path, wait_s, is_good=is_good)
    if any(answer.get(key) for key in CLOSED_KEYS):
        raise human("checkpoint_required")
    if answer.get("require_login"):
        raise LoginRedirect if is_good else human(LOGIN)


def judge_words(said: str, path: str, wait_s: float | None = None, *, is_good: bool = False) -> None:
    """Look for words of a captcha, of pressure, of a lost login and of a post that is gone."""
    said = said.casefold()
    if "captcha" in said:
        raise human("captcha")
    for words, reason in PRESSURE.items():
        if words in said:
            raise WaitError(reason, retry_after_s=wait_s)
    for word in CLOSED:
        if word in said:
            if word == LOGIN and is_good:
                raise LoginRedirect
            raise human(LOGIN if word == LOGIN else "checkpoint_required")
    if path.startswith(MEDIA_PATH) and any(words in said for words in GONE):
        raise FinalError("gone")


def human(reason: str) -> HumanError:
    """The error that says what a person has to do."""
    return HumanError(reason, f"{WHAT_TO_DO[reason]}. What was collected is kept; nothing more was asked")


def _judge_address(address: str) -> None:
    """What a redirect means by its address; it is not followed."""
    kind = kind_of_address(address)
    if kind == "login":
        raise LoginRedirect
    if kind:
        raise human("captcha" if kind == "captcha" else "checkpoint_required")


def _is_wanted(value: object) -> bool:
    """Whether a captcha has to be solved: `{"enabled": false}` and what is empty ask for none."""
    return bool(value) and not (isinstance(value, dict) and value.get("enabled") is False)


def _texts(values: list[Any]) -> list[str]:
    """The texts in nested values, the first ones, without recursion: an answer may be nested deep."""
    waiting, texts = list(values), list[str]()
    while waiting and len(texts) < MAX_TEXTS:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value[:4000])
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return texts

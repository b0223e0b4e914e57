"""The door to Instagram: the only way a request goes there, for reading JSON and pages.

Law: requests go one after the other at the stored pace and within the run's budget; a passing trouble is asked again a
few times; when throttled everything rests, for longer each time, and after the last rest the run ends politely; what
only a person can mend ends it at once, without a second request.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import requests

from pipeline.collect.instagram.pace import Pace
from pipeline.collect.instagram.verdicts import LoginRedirect, human, judge, judge_object
from pipeline.collect.web.answers import MAX_ANSWER_BYTES, json_object, read_body
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import BudgetSpentError, RetryError, WaitError
from pipeline.collect.web.retries import Retries, with_retries

if TYPE_CHECKING:
    from instaloader import InstaloaderContext

NO_PARAMS: Mapping[str, str] = {}
AnswerT = TypeVar("AnswerT")
log = logging.getLogger("mrlf")


class Door(Protocol):
    """What a road over Instagram needs of it; paths begin without a slash."""

    @property
    def is_signed_in(self) -> bool:
        """Whether requests carry the cookies of an account."""
        ...

    def get_json(self, path: str, params: Mapping[str, str] = NO_PARAMS, *, referer: str = "") -> dict[str, Any]:
        """The JSON object that a GET answers."""
        ...

    def post_json(self, path: str, form: Mapping[str, str], *, referer: str = "") -> dict[str, Any]:
        """The JSON object that a POST of a form answers."""
        ...

    def get_page(self, path: str) -> str:
        """The HTML of a page, as a visitor's browser asks for it."""
        ...


@dataclass(kw_only=True)
class InstagramDoor:
    """The door over Instaloader's context: its session, its headers, its rate controller.

    max_requests: the run's budget; None for no limit. num_requests: how many were sent.
    """

    context: "InstaloaderContext"
    base: str
    pace: Pace
    clock: Clock
    cool_downs_s: tuple[float, ...] = (300, 900)
    max_requests: int | None = None
    timeout_s: float = 30.0
    retries: Retries = field(default_factory=Retries)
    num_requests: int = 0
    _has_answered: bool = False
    _login_rests: int = 0

    @property
    def is_signed_in(self) -> bool:
        """Whether requests carry the cookies of an account."""
        return bool(self.context.is_logged_in)

    def check_rest(self) -> None:
        """Raise WaitError where a rest that an earlier run began takes longer than this run would rest."""
        if self.pace.rest_left_s() > max(self.cool_downs_s, default=0.0):
            raise WaitError("resting")

    def get_json(self, path: str, params: Mapping[str, str] = NO_PARAMS, *, referer: str = "") -> dict[str, Any]:
        """The JSON object that a GET answers.

        Raises:
            HumanError, WaitError, RetryError, FinalError, SourceChangedError, BudgetSpentError
        """
        return self._patiently(lambda: self._object("GET", path, params, None, referer))

    def post_json(self, path: str, form: Mapping[str, str], *, referer: str = "") -> dict[str, Any]:
        """The JSON object that a POST of a form answers; raises as `get_json` does."""
        return self._patiently(lambda: self._object("POST", path, NO_PARAMS, form, referer))

    def get_page(self, path: str) -> str:
        """The HTML of a page; raises as `get_json` does."""
        headers = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate",
                   "Sec-Fetch-Site": "none", "X-Requested-With": None}  # fmt: skip
        return self._patiently(lambda: self._body("GET", path, NO_PARAMS, None, headers).decode("utf-8", "replace"))

    def _patiently(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask; when throttled rest and ask again, until the rests are used up."""
        for rest_s in self.cool_downs_s:
            try:
                return self._sternly(ask)
            except WaitError as error:
                self._rest(error, rest_s)
        try:
            return self._sternly(ask)
        except WaitError as error:
            self._begin_rest(error, self.cool_downs_s[-1] if self.cool_downs_s else 0)
            raise

    def _sternly(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask, again after a passing trouble; a redirect to the login page is throttling once, then the end."""
        try:
            answer = with_retries(ask, self.clock, self.retries)
        except LoginRedirect:
            if not self.is_signed_in:
                raise human("login_required") from None
            if not self._has_answered or self._login_rests:
                raise human("session_ended") from None
            self._login_rests += 1
            raise WaitError("login_redirect") from None
        self._has_answered, self._login_rests = True, 0
        return answer

    def _rest(self, error: WaitError, rest_s: float) -> None:
        """Rest, unless the source asks for more than the longest rest of a run."""
        seconds = self._begin_rest(error, rest_s)
        if seconds > max(self.cool_downs_s):
            raise error
        self.clock.sleep(seconds)

    def _begin_rest(self, error: WaitError, rest_s: float) -> float:
        seconds = max(rest_s, error.retry_after_s or 0.0)
        until = self.pace.rest(seconds)
        log.warning("Instagram throttles (%s): everything rests until %s UTC", error.reason, f"{until:%H:%M}")
        return seconds

    def _object(
        self, method: str, path: str, params: Mapping[str, str], form: Mapping[str, str] | None, referer: str
    ) -> dict[str, Any]:
        headers = {"Referer": f"{self.base}/{referer}"} if referer else {}
        answer = json_object(self._body(method, path, params, form, headers), is_strict=False)
        judge_object(answer, path)
        return answer

    def _body(
        self, method: str, path: str, params: Mapping[str, str], form: Mapping[str, str] | None,
        headers: Mapping[str, str | None],
    ) -> bytes:  # fmt: skip
        """One request, counted and at its turn."""
        if self.max_requests is not None and self.num_requests >= self.max_requests:
            raise BudgetSpentError("request_budget")
        self.context._rate_controller.wait_before_query("other")
        self.num_requests += 1
        try:
            response = self.context._session.request(
                method, f"{self.base}/{path}", params=dict(params), data=dict(form) if form is not None else None,
                headers=dict(headers), allow_redirects=False, stream=True, timeout=self.timeout_s,
            )  # fmt: skip
        except requests.exceptions.Timeout:
            raise RetryError("timeout") from None
        except requests.exceptions.RequestException:  # its text holds the address
            raise RetryError("no_connection") from None
        with response:
            judge(response, path, self.clock)
            return read_body(response, max_bytes=MAX_ANSWER_BYTES, deadline_s=4 * self.timeout_s, clock=self.clock)

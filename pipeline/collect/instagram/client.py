"""The client to Instagram: the only way a request goes there, for reading JSON and pages.

Law: requests go one after the other at the stored pace and within the run's budget; a passing trouble is asked again a
few times; when throttled everything rests, for longer each time within a window of hours, and after the last rest the
run ends politely; what only a person can mend ends it at once, without a second request.
Covered: good answers between throttlings, and a run that is started anew between them.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import requests

from pipeline.collect.instagram.pace import LONGEST_REST_S, Pace
from pipeline.collect.instagram.pressure import session_digest
from pipeline.collect.instagram.verdicts import LoginRedirect, human, judge, judge_body, judge_object
from pipeline.collect.web.answers import MAX_ANSWER_BYTES, json_object, read_body, retry_after_s
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import BadResponseError, BudgetSpentError, RetryError, WaitError
from pipeline.collect.web.retries import Retries, with_retries
from pipeline.collect.web.words import ordinal, span

if TYPE_CHECKING:
    from instaloader import InstaloaderContext

NO_PARAMS: Mapping[str, str] = {}
AnswerT = TypeVar("AnswerT")
log = logging.getLogger("mrlf")


class Client(Protocol):
    """What an endpoint over Instagram needs of it; paths begin without a slash."""

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
class InstagramClient:
    """The client over Instaloader's context: its session, its headers, its rate controller.

    cool_downs_s: the rests of the first, second, ... throttling within the last `throttled_within_s` seconds.
    may_rest: whether this run may wait for the end of a rest; else it leaves the rest behind and ends.
    max_requests: the run's budget; None for no limit. num_requests: how many were sent.
    """

    context: "InstaloaderContext"
    base: str
    pace: Pace
    clock: Clock
    cool_downs_s: tuple[float, ...]
    throttled_within_s: float
    timeout_s: float
    may_rest: bool = True
    max_requests: int | None = None
    retries: Retries = field(default_factory=Retries)
    num_requests: int = 0

    @property
    def is_signed_in(self) -> bool:
        """Whether requests carry the cookies of an account."""
        return bool(self.context.is_logged_in)

    def check_rest(self) -> None:
        """Raise WaitError where a rest that an earlier run began takes longer than this run would rest."""
        if self.pace.rest_left_s() > max(self.cool_downs_s, default=0.0):
            message = f"Instagram is not asked: after throttling everything rests until {self.pace.rest_end()}"
            log.warning("%s", message)
            raise WaitError("resting", message)

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
        return self._patiently(lambda: self._page(path))

    def _patiently(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask; when throttled rest and ask again, until the rests are used up."""
        num_asked = 0
        while True:
            num_asked += 1
            try:
                return self._sternly(ask)
            except WaitError as error:
                self._rest(error, num_asked)

    def _sternly(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask, again after a passing trouble; a redirect to the login page may be throttling once."""
        try:
            return with_retries(ask, self.clock, self.retries)
        except LoginRedirect:
            if not self.is_signed_in:
                raise human("login_required") from None
            if not self.pace.pressure.may_rest(self._session):
                raise human("session_ended") from None
            self.pace.pressure.note_login_rest(self._session)
            raise WaitError("login_redirect") from None

    @property
    def _session(self) -> str:
        return session_digest(self.context._session.cookies.get_dict().get("sessionid", ""))

    def _rest(self, error: WaitError, num_asked: int) -> None:
        """Begin the rest whose turn it is and wait for its end.

        Raises:
            WaitError: `error`, the run is over: the rests are used up, or the source asks for more than the longest.
        """
        pressure = self.pace.pressure
        number = max(num_asked, 1 + pressure.num_throttled(self.throttled_within_s))
        seconds = min(max(self._rest_s(number), error.retry_after_s or 0.0), LONGEST_REST_S)
        is_end = not self.may_rest or number > len(self.cool_downs_s) or seconds > max(self.cool_downs_s)
        pressure.note_throttled(seconds)
        self.pace.rest(seconds)
        log.warning(
            "Instagram throttles (%s, the %s time in %s): everything rests for %s, until %s%s",
            error.reason,
            ordinal(number),
            span(self.throttled_within_s),
            span(seconds),
            self.pace.rest_end(),
            "; this run ends, the next one goes on" if is_end else "",
        )
        if is_end:
            raise error
        self.clock.sleep(seconds)

    def _rest_s(self, number: int) -> float:
        """The rest of the `number`-th throttling; behind the last one twice as long each time, up to the window."""
        if number <= len(self.cool_downs_s):
            return self.cool_downs_s[number - 1]
        last_s = self.cool_downs_s[-1] if self.cool_downs_s else 0.0
        num_more = min(number - len(self.cool_downs_s) - 1, 30)
        return min(last_s * 2.0**num_more, max(last_s, self.throttled_within_s))

    def _object(
        self, method: str, path: str, params: Mapping[str, str], form: Mapping[str, str] | None, referer: str
    ) -> dict[str, Any]:
        headers = {"Referer": f"{self.base}/{referer}"} if referer else {}
        body, wait_s = self._body(method, path, params, form, headers)
        try:
            answer = json_object(body, is_strict=False)
        except BadResponseError:
            judge_body(body, path, wait_s, is_good=True)
            raise
        judge_object(answer, path, wait_s)
        if self.is_signed_in:
            self.pace.pressure.note_answer(self._session)
        return answer

    def _page(self, path: str) -> str:
        """A page is open to visitors: that it comes says nothing of the session."""
        headers = {
            "Accept": "text/html",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": "none",
            "X-Requested-With": None,
        }
        body, wait_s = self._body("GET", path, NO_PARAMS, None, headers)
        judge_body(body, path, wait_s, is_good=True)
        return body.decode("utf-8", "replace")

    def _body(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        form: Mapping[str, str] | None,
        headers: Mapping[str, str | None],
    ) -> tuple[bytes, float | None]:
        """What one request answers, counted and at its turn; beside it what `Retry-After` asks for."""
        if self.max_requests is not None and self.num_requests >= self.max_requests:
            raise BudgetSpentError("request_budget")
        self.context._rate_controller.wait_before_query("other")
        self.num_requests += 1
        try:
            response = self.context._session.request(
                method,
                f"{self.base}/{path}",
                params=dict(params),
                data=dict(form) if form is not None else None,
                headers=dict(headers),
                allow_redirects=False,
                stream=True,
                timeout=self.timeout_s,
            )
        except requests.exceptions.Timeout:
            raise RetryError("timeout") from None
        except requests.exceptions.RequestException:  # its text holds the address
            raise RetryError("no_connection") from None
        with response:
            judge(response, path, self.clock)
            body = read_body(response, max_bytes=MAX_ANSWER_BYTES, deadline_s=4 * self.timeout_s, clock=self.clock)
            return body, retry_after_s(response, self.clock)

"""Fetching the places of a city page by page: politely, until there are enough, and so that a stop loses nothing.

Law: a page that was kept is never asked for again; the source's word on when to come back is heard, within a run and
across runs; what a run cannot finish is deferred (IncompleteError) and goes on at the page where it stopped.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pipeline.collect.poi_sources.foursquare_answers import AnswerFolder, State
from pipeline.collect.poi_sources.foursquare_client import Page, PlacesClient
from pipeline.collect.poi_sources.foursquare_places import BadPlace, Place
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import BudgetSpentError, FinalError, RetryError, SourceChangedError, WaitError
from pipeline.collect.web.retries import Retries, with_retries
from pipeline.errors import IncompleteError, StageError

LONGEST_STAY_S = 86_400.0
"""Nobody who throttles asks for more."""

log = logging.getLogger("mrlf")

FIRST_BACK_OFF_S = 30.0
LONGEST_BACK_OFF_S = 600.0
CURSOR_LOOP = "cursor_loop"

Places = list[Place | BadPlace]


@dataclass(kw_only=True)
class RetryBudget:
    """What one run may spend: requests, and seconds of waiting where it is throttled."""

    clock: Clock
    max_requests: int
    max_wait_s: float
    retries: Retries = field(default_factory=Retries)
    num_requests: int = 0
    waited_s: float = 0.0
    num_waits: int = 0

    def ask(self, question: Callable[[], Page]) -> Page:
        """The answer, after as many tries and waits as there may be.

        Raises:
            IncompleteError: it has to be asked another day.
        """
        self.num_waits = 0
        while True:
            try:
                return with_retries(lambda: self._once(question), self.clock, self.retries)
            except WaitError as error:
                self._hear(error)
            except RetryError as error:
                raise incomplete(error.reason) from None
            except BudgetSpentError as error:
                raise incomplete(error.reason) from None

    def wait(self, seconds: float, reason: str, *, is_stated: bool = True) -> None:
        """Let `seconds` pass. Raises IncompleteError where that is more than this run may wait."""
        until = self.clock.now() + timedelta(seconds=seconds)
        if self.waited_s + seconds > self.max_wait_s:
            raise incomplete(reason, until if is_stated else None)
        log.info("%s: waiting %.0f s, until %s UTC", reason, seconds, until.astimezone(UTC).strftime("%H:%M"))
        self.waited_s += seconds
        self.clock.sleep(seconds)

    def _once(self, question: Callable[[], Page]) -> Page:
        if self.num_requests >= self.max_requests:
            raise BudgetSpentError("max_requests")
        self.num_requests += 1
        return question()

    def _hear(self, error: WaitError) -> None:
        """Wait as long as the source says; where it says nothing, longer each time and spread at random."""
        self.num_waits += 1
        asked_s = error.retry_after_s
        if error.reason == "quota" and (asked_s is None or self.waited_s + asked_s > self.max_wait_s):
            until = None if asked_s is None else self.clock.now() + timedelta(seconds=asked_s)
            raise incomplete("quota", until)
        if asked_s is not None:
            self.wait(max(asked_s, 2.0 ** (self.num_waits - 1)), error.reason)
            return
        back_off_s = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** (self.num_waits - 1))
        self.wait(back_off_s * random.uniform(0.5, 1.0), error.reason, is_stated=False)  # noqa: S311


def incomplete(reason: str, not_before: datetime | None = None) -> IncompleteError:
    """The error that ends a run which another one is to go on with."""
    why = {
        "quota": "the quota of calls of your Foursquare project is used up",
        "throttled": "Foursquare asks for fewer requests",
        "max_requests": "this run has sent as many requests as it may (max_requests)",
    }.get(reason, f"Foursquare does not answer ({reason})")
    return IncompleteError(why, reason=reason, not_before_utc=not_before)


@dataclass(kw_only=True)
class Fetch:
    """One question and where its answers are kept.

    num_good: how many POIs the places found so far make. open_client: opened at the first request only, so that what
    is kept needs no key.
    """

    folder: AnswerFolder
    params: dict[str, str]
    open_client: Callable[[], PlacesClient]
    num_good: Callable[[Places], int]
    max_pois: int
    budget: RetryBudget
    title: str

    def run(self) -> tuple[State, Places]:
        """Ask until there are `max_pois` good POIs or no other page; the state, and all places in their order.

        An answer without any place is not believed for ever: the next run asks again.

        Raises:
            IncompleteError: the pages so far are kept, and the next run goes on behind them.
            HumanError: the key is not taken.
            StageError: Foursquare refuses the question, or answers in a shape that is not known here.
        """
        state = self.folder.state()
        pages = [list(page) for page in self.folder.places(state)]
        if state.is_finished and not any(pages):
            state, pages = self.folder.begin_anew(), []
        if self._is_done(state, pages):
            return state, _joined(pages)
        client = self.open_client()
        try:
            return self._go_on(client, state, pages)
        except IncompleteError:
            if not state.stopped:
                raise
            return state, _joined(pages)  # the page that went wrong could not be asked again: what was found is used
        except SourceChangedError as error:
            raise StageError(
                f"Foursquare answered in a shape that this version does not know ({error}). What was fetched before "
                "is kept. Try again later; if it stays so, name a file or an extract of OS Places instead"
            ) from None

    def _go_on(self, client: PlacesClient, state: State, pages: list[Places]) -> tuple[State, Places]:
        if state.stopped:
            state, pages = state.without_last(), pages[:-1]
        self._respect(state)
        is_resumed = state.is_started
        while not state.stopped and not self._is_done(state, pages):
            if _is_loop(state, pages):
                state = self.folder.write(replace(state, next_link="", stopped=CURSOR_LOOP))
                break
            link = state.next_link
            try:
                page = self._ask(client, link)
            except FinalError as error:
                if not (is_resumed and link):
                    raise StageError(str(error)) from None
                log.info(
                    "%s: Foursquare has forgotten the page where the last run stopped: from the start", self.title
                )
                state, pages, is_resumed = self.folder.begin_anew(), [], False
                continue
            is_resumed = False
            state = self.folder.put(state, link, page, self.budget.clock.now())
            pages.append(list(page.places))
            self._tell(pages)
        return state, _joined(pages)

    def _ask(self, client: PlacesClient, link: str) -> Page:
        try:
            return self.budget.ask(lambda: client.after(link) if link else client.first(self.params))
        except IncompleteError as error:
            if error.not_before_utc is not None and error.reason == "throttled":  # a quota can be raised meanwhile
                moment = error.not_before_utc.astimezone(UTC).isoformat(timespec="seconds")
                self.folder.write(replace(self.folder.state(), not_before_utc=moment))
            raise

    def _respect(self, state: State) -> None:
        """Stay away as long as the source asked an earlier run to; a longer time means a clock set back since."""
        if state.not_before_utc:
            left_s = (datetime.fromisoformat(state.not_before_utc) - self.budget.clock.now()).total_seconds()
            if 0 < left_s <= LONGEST_STAY_S:
                self.budget.wait(left_s, "throttled")

    def _is_done(self, state: State, pages: list[Places]) -> bool:
        return state.is_finished or (state.is_started and self.num_good(_joined(pages)) >= self.max_pois)

    def _tell(self, pages: list[Places]) -> None:
        places = _joined(pages)
        log.info("%s: page %d, %d places, %d kept", self.title, len(pages), len(places), self.num_good(places))


def _joined(pages: list[Places]) -> Places:
    return [place for page in pages for place in page]


def _is_loop(state: State, pages: list[Places]) -> bool:
    """Whether paging goes round: the next page was asked for already, the last one brought only places that were
    known before, or the last two were empty."""
    if state.next_link and state.next_link in state.links:
        return True
    if len(pages) < 2:
        return False
    if not pages[-1]:
        return not pages[-2]
    last, known = _ids(pages[-1]), _ids(_joined(pages[:-1]))
    return bool(last) and last <= known


def _ids(places: Places) -> set[str]:
    return {place.fsq_place_id for place in places if isinstance(place, Place)}

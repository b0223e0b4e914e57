"""Trying the roads once: which of them answer today, in words for the command line."""

from collections.abc import Sequence

from pipeline.collect.instagram.client import Door
from pipeline.collect.instagram.endpoints.endpoint import Page, Road
from pipeline.collect.web.errors import BudgetSpentError, HumanError, SourceChangedError, SourceError, WaitError


def try_in_turn(roads: Sequence[Road], door: Door, location_id: str) -> list[tuple[str, str]]:
    """Name and outcome of each road; after one that only a person or time can mend, no further request."""
    outcomes: list[tuple[str, str]] = []
    stopped_by = ""
    for road in roads:
        if road.needs_login and not door.is_signed_in:
            outcome = "skipped: needs a login"
        elif stopped_by:
            outcome = f"not asked: {stopped_by}"
        else:
            outcome, stopped_by = _outcome(road, door, location_id)
        outcomes.append((road.name, outcome))
    return outcomes


def _outcome(road: Road, door: Door, location_id: str) -> tuple[str, str]:
    """The outcome in words, and the reason not to ask on, if any."""
    try:
        return _answer(road.first(door, location_id)), ""
    except SourceChangedError as error:
        return f"source_changed: {error.reason}", ""
    except HumanError as error:
        return f"a person is needed: {error}", error.reason
    except (WaitError, BudgetSpentError) as error:
        return f"not now: {error.reason}", error.reason
    except SourceError as error:
        return f"no answer: {error.reason}", ""


def _answer(page: Page) -> str:
    place = "the place with coordinates" if page.location and page.location.coordinates else "no coordinates"
    return f"answers: {len(page.medias)} posts, more: {'yes' if page.cursor else 'no'}, {place}"

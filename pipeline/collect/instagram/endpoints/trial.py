"""Trying the endpoints once: which of them answer today, in words for the command line."""

from collections.abc import Sequence

from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.endpoints.endpoint import Endpoint, Page
from pipeline.collect.web.errors import BudgetSpentError, HumanError, SourceChangedError, SourceError, WaitError


def try_in_turn(endpoints: Sequence[Endpoint], client: Client, location_id: str) -> list[tuple[str, str]]:
    """Name and outcome of each endpoint; after one that only a person or time can mend, no further request."""
    outcomes: list[tuple[str, str]] = []
    stopped_by = ""
    for endpoint in endpoints:
        if endpoint.needs_login and not client.is_signed_in:
            outcome = "skipped: needs a login"
        elif stopped_by:
            outcome = f"not asked: {stopped_by}"
        else:
            outcome, stopped_by = _outcome(endpoint, client, location_id)
        outcomes.append((endpoint.name, outcome))
    return outcomes


def _outcome(endpoint: Endpoint, client: Client, location_id: str) -> tuple[str, str]:
    """The outcome in words, and the reason not to ask on, if any."""
    try:
        return _answer(endpoint.first(client, location_id)), ""
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

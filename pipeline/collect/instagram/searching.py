"""Searching Instagram's places for a city's POIs, once for each.

Reads  the POIs that were not searched yet
Writes what was found into the journal, POI by POI
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.journal import Journal
from pipeline.collect.instagram.search import search_places
from pipeline.collect.matching import Matcher, NamedPoint
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import BudgetSpentError, RetryError, SourceChangedError, WaitError

log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class SearchReport:
    """How far a search came. deferred: POIs by the reason why they were not searched; not_before: when to go on."""

    num_searched: int = 0
    num_requests: int = 0
    deferred: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""
    not_before: datetime | None = None


def search_city(
    city: str, journal: Journal, client: InstagramClient, pois: Sequence[NamedPoint], matcher: Matcher, clock: Clock
) -> SearchReport:
    """Search for each POI; what throttling or the budget leaves is for the next run.

    Raises:
        HumanError: only a person can go on.
    """
    deferred: Counter[str] = Counter()
    num_searched, stopped = 0, ""
    try:
        client.check_rest()
        for number, poi in enumerate(pois, start=1):
            outcome, stubs = _search(client, poi, matcher)
            journal.searches.note(poi.poi_id, poi.name, outcome, stubs, clock.now().timestamp())
            num_searched += outcome == "answered"
            deferred.update([outcome] if outcome != "answered" else [])
            log.info("%s: searched POI %d of %d: %d places", city, number, len(pois), len(stubs))
    except (WaitError, BudgetSpentError) as error:
        stopped = error.reason
        deferred[stopped] += len(pois) - num_searched - deferred.total()
    left = client.pace.rest_left_s()
    not_before = datetime.fromtimestamp(clock.now().timestamp() + left, UTC) if left else None
    return SearchReport(
        num_searched=num_searched,
        num_requests=client.num_requests,
        deferred=deferred,
        stopped=stopped,
        not_before=not_before,
    )


def _search(client: InstagramClient, poi: NamedPoint, matcher: Matcher) -> tuple[str, list[LocationStub]]:
    """`answered` and the places, or the reason why not."""

    def is_enough(stubs: Sequence[LocationStub]) -> bool:
        return any(pair.is_match and pair.poi_id == poi.poi_id for stub in stubs for pair in matcher.pairs(stub))

    try:
        return "answered", search_places(client, poi.name, poi.latitude, poi.longitude, is_enough=is_enough)
    except SourceChangedError as error:
        return f"source_changed/{error.reason}", []
    except RetryError as error:
        return f"unreachable/{error.reason}", []

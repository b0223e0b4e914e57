"""What a live run over a city would ask of Instagram, reckoned without asking anything.

Reads  pois, places, posts, and the journal as `pipeline.collect.instagram.status` reads it
Law: no request, nothing written. A number that cannot be known before is a lower bound and said to be one.
"""

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.collect.instagram.journal.records import is_due
from pipeline.collect.instagram.journal.searches import answered_pois
from pipeline.collect.instagram.pace import PaceLimits
from pipeline.collect.instagram.search import SEARCHES
from pipeline.collect.instagram.status import look_at_journal, poi_names
from pipeline.collect.instagram.walk import WalkLimits, kind_of_walk
from pipeline.store import Store

POSTS_A_PAGE = 24
MOST_SEARCHES = len(SEARCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do; `at_least` says why the numbers are lower bounds.

    num_first, num_refresh, num_again: places to be walked for the first time, down to known posts, or once more in
    full. num_waiting: places whose time has not come. has_pois: whether the POIs were built; else `num_to_search` is
    the number wanted. Each search is one request at least.
    """

    has_pois: bool
    num_to_search: int
    num_first: int
    num_refresh: int
    num_again: int
    num_waiting: int
    num_requests: int
    num_pictures: int
    hours: float
    at_least: tuple[str, ...]

    @property
    def num_places(self) -> int:
        """Places that a run would walk over, as far as they are known."""
        return self.num_first + self.num_refresh + self.num_again


@dataclass(frozen=True, slots=True, kw_only=True)
class _Journal:
    """What the plan needs of a journal; empty where there is none."""

    answered: frozenset[str] = frozenset()
    walks: Mapping[str, sqlite3.Row] = field(default_factory=dict)
    num_posts: Mapping[str, int] = field(default_factory=dict)
    num_pictures: int = 0


def plan_run(
    store: Store, city: str, *, limits: WalkLimits, pace: PaceLimits, max_pois: int, is_signed_in: bool, now: datetime
) -> Plan:
    """What a run would do now; `max_pois` stands for the POIs as long as they were not built."""
    pois = poi_names(store, city)
    journal = look_at_journal(store, city, lambda disk: _journal(disk, pois, now)) or _Journal()
    num_to_search = len(pois.keys() - journal.answered) if pois else max_pois
    num_posts, a_post = _collected(store, city)
    num_requests = num_to_search if is_signed_in else 0
    num_pictures = float(journal.num_pictures)
    kinds: Counter[str] = Counter()
    for location_id in _matched(store, city):
        walk = journal.walks.get(location_id)
        kind = _kind(walk, limits, now)
        kinds[kind] += 1
        known = max(journal.num_posts.get(location_id, 0), num_posts[location_id])
        num_requests += _num_pages(kind, walk, known, limits) if is_signed_in or kind == "waiting" else 1
        num_pictures += _num_new(kind, known, limits) * a_post
    return Plan(
        has_pois=bool(pois),
        num_to_search=num_to_search,
        num_first=kinds["first"],
        num_refresh=kinds["refresh"],
        num_again=kinds["again"],
        num_waiting=kinds["waiting"],
        num_requests=num_requests,
        num_pictures=round(num_pictures),
        hours=pace.hours(num_requests),
        at_least=_at_least(num_to_search, kinds, limits) if is_signed_in else (),
    )


def _kind(walk: sqlite3.Row | None, limits: WalkLimits, now: datetime) -> str:
    """What a walk over a place would be for."""
    if walk is None:
        return "first"
    if not is_due(walk["not_before"], now.timestamp()):
        return "waiting"
    capped_at = walk["capped_at"] if "capped_at" in walk.keys() else None
    return kind_of_walk(
        has_all=walk["has_all"],
        walked_all=walk["walked_all"],
        capped_at=capped_at,
        limits=limits,
        now=now.timestamp(),
    )


def _num_pages(kind: str, walk: sqlite3.Row | None, known: int, limits: WalkLimits) -> int:
    """Requests for the pages of a place that are not passed yet; one at least, none where it waits."""
    if kind == "waiting":
        return 0
    if kind == "refresh":
        return 1
    num_posts = limits.max_posts if kind == "first" and limits.max_posts else known
    passed = walk["num_pages"] if walk is not None and walk["is_open"] else 0
    return max(1, math.ceil(num_posts / POSTS_A_PAGE) - passed)


def _num_new(kind: str, known: int, limits: WalkLimits) -> int:
    return max(0, limits.max_posts - known) if kind == "first" and limits.max_posts else 0


def _at_least(num_to_search: int, kinds: Counter[str], limits: WalkLimits) -> tuple[str, ...]:
    """Why more may be asked, in words."""
    reasons = []
    if num_to_search:
        reasons.append(
            f"a search takes 1 to {MOST_SEARCHES} requests, and the places it finds are walked too, a "
            f"request for every {POSTS_A_PAGE} posts"
        )
    if kinds["first"] and not limits.max_posts:
        reasons.append("how many posts a place has is not known before (max_posts_per_place of posts limits it)")
    if kinds["refresh"] + kinds["again"]:
        reasons.append("new posts are not known before, and posts that are not met again are asked for one by one")
    return tuple(reasons)


def _matched(store: Store, city: str) -> list[str]:
    places = store.tables.read(city, "places").to_pylist()
    return sorted({place["location_id"] for place in places if place["is_match"]})


def _collected(store: Store, city: str) -> tuple[Counter[str], float]:
    """Posts in the table by place, and the pictures of one post; 1 as long as there is none."""
    num_posts: Counter[str] = Counter()
    num_pictures = 0
    for batch in store.tables.batches(city, "posts", ["location_id", "image_digests"]):
        num_posts.update(batch["location_id"].to_pylist())
        num_pictures += len(batch["image_digests"].flatten())
    return num_posts, num_pictures / num_posts.total() if num_pictures else 1.0


def _journal(disk: sqlite3.Connection, pois: Mapping[str, str], now: datetime) -> _Journal:
    waiting = disk.execute(
        "SELECT pictures FROM posts WHERE state = 'waiting' OR (state = 'deferred' AND not_before <= ?)",
        (now.timestamp(),),
    )
    return _Journal(
        answered=frozenset(answered_pois(disk, pois)),
        walks={walk["location_id"]: walk for walk in disk.execute("SELECT * FROM walks")},
        num_posts=dict(disk.execute("SELECT location_id, COUNT(*) FROM posts GROUP BY location_id").fetchall()),
        num_pictures=sum(len(json.loads(pictures or "[]")) for (pictures,) in waiting),
    )

"""What the command line says of a live collection: its status, a run before it begins, and a run that has ended."""

import math
from collections.abc import Mapping
from datetime import datetime

from pipeline.collect.instagram.dry_run import Plan
from pipeline.collect.instagram.readiness import Check
from pipeline.collect.instagram.status import NOT_ASKED, LiveStatus, PaceStatus, PlaceStatus
from pipeline.collect.waiting import Waiting
from pipeline.errors import plural
from pipeline.ledger import counted
from pipeline.stage import StageReport

MOST_PLACES = 12
"""So many places of a kind are named; of more, the number."""

STATES = {
    "kept": "kept",
    "waiting": "waiting for their pictures",
    "deferred": "deferred",
    "dropped": "dropped",
    "gone": "gone",
    "known": "known from elsewhere",
    "bare": "known without a picture",
}
SOURCES = {
    "file": "a file",
    "demo": "the demo generator",
    "overture": "the places of Overture Maps",
    "os_places": "an extract of Foursquare's OS Places",
    "os_places_catalog": "Foursquare's catalogue of OS Places",
    "from_archive": "the places that the posts of the archive name",
    "foursquare": "Foursquare's Places API",
}


def status_lines(status: LiveStatus) -> list[str]:
    """The live part of `mrlf status`."""
    if not status.has_journal:
        return ["live             nothing was collected yet", *_pace_lines(status.pace)]
    posts = {STATES.get(state, state): count for state, count in status.posts.items()}
    lines = [
        f"live             {status.num_done} of {status.num_places} places done"
        + (f", {status.num_gone} of them gone from Instagram" if status.num_gone else ""),
        f"  posts          {counted(posts) or 'none yet'}",
    ]
    if status.deferred_posts:
        lines.append(f"  deferred posts {counted(status.deferred_posts)}")
    if status.unanswered:
        reasons = {"not asked yet" if key == NOT_ASKED else key: count for key, count in status.unanswered.items()}
        lines.append(f"  searches       {status.num_pois} POIs, of these not answered: {counted(reasons)}")
    lines += _place_lines("  open           ", [_open(place) for place in status.open_walks])
    lines += _place_lines("  waits          ", [_waiting(place) for place in status.deferred_places])
    return lines + _pace_lines(status.pace)


def plan_lines(city: str, plan: Plan, budgets: Mapping[str, int | None]) -> list[str]:
    """What `mrlf collect --dry-run` says of Instagram; `budgets`: requests that one run may send, by stage."""
    floor = "at least " if plan.at_least else ""
    built = "" if plan.has_pois else " (the POIs are not built yet: as many as max_pois)"
    kinds = {"first": plan.num_first, "refresh": plan.num_refresh, "all once more": plan.num_again}
    by_kind = ", ".join(f"{name} {count}" for name, count in kinds.items() if count) or "none is known yet"
    waits = f"; {plan.num_waiting} wait for their time" if plan.num_waiting else ""
    limits = ", ".join(f"{stage} {count:,}" for stage, count in budgets.items() if count is not None)
    return [
        f"{city}: nothing was asked; a run now would take",
        f"  POIs to search   {plan.num_to_search:,}{built}",
        f"  places to walk   {plan.num_places:,} ({by_kind}){waits}",
        f"  requests         {floor}{plan.num_requests:,}" + (f"; in one run at most {limits}" if limits else ""),
        f"  pictures         {floor}{plan.num_pictures:,}, from the hosts of media, beside the requests",
        f"  time             {floor}{duration(plan.hours)} at the configured pace",
        *(f"  at least, for    {reason}" for reason in plan.at_least),
    ]


def run_lines(city: str, reports: Mapping[str, StageReport], num_searches: int, waiting: Waiting) -> list[str]:
    """What a run came to: complete, or how far it is and when it may go on; `num_searches` requests found places."""
    if "posts" not in reports:
        return [f"{city}: incomplete: all requests of this run are spent; run `mrlf collect {city}` again, it goes on"]
    about, counts = reports["posts"].record.about, reports["posts"].counts
    lines = [f"{city}: {'complete' if waiting.is_nothing else 'incomplete'}"]
    if "places" in about:
        waits = f"; waiting: {counted(waiting.places)}" if waiting.places else ""
        lines.append(f"  places    {about['places']} done{waits}")
        new = f", {int(about['new_posts']):,} new in this run, {int(about['updated_posts']):,} updated, "
        new += f"{int(about['gone_posts']):,} found gone"
    else:
        new = ""
    lines.append(f"  posts     {counts['seen']:,} found{new}; {counts['kept']:,} kept, {counts['dropped']:,} dropped")
    deferred = {name.partition("/")[2]: count for name, count in counts.items() if name.startswith("deferred/")}
    if deferred:
        lines.append(f"  deferred  {counts['deferred']:,} posts: {counted(deferred)}")
    if "requests" in about:
        asked = f"{int(about['requests']):,} for posts, {num_searches:,} for places"
        lines.append(f"  requests  {asked}, and {int(about['pictures_fetched']):,} for pictures")
    return lines + waiting_lines(city, waiting)


def waiting_lines(city: str, waiting: Waiting) -> list[str]:
    """What waits and when to come back; nothing where a collection is complete."""
    if waiting.is_nothing:
        return []
    lines = [f"  waits     {reason}" for reason in waiting.reasons]
    if waiting.is_for_files or waiting.for_person:
        return [*lines, f"  goes on   {waiting.when}"]
    return [
        *lines,
        f"  goes on   {moment(waiting.not_before) if waiting.not_before else 'at once'}: run "
        f"`mrlf collect {city}` again",
    ]


def pois_lines(report: StageReport) -> list[str]:
    """How many POIs there are and where the list is from."""
    about = report.record.about
    source = SOURCES.get(about.get("source", ""), about.get("source", "unknown"))
    since = f", answers since {about['answers_since_utc']}" if about.get("answers_since_utc") else ""
    rank = f", ranked by {about['rank'].removeprefix('by ')}" if about.get("rank") else ""
    return [
        f"{report.city}: {report.counts['pois']:,} POIs, from {source}{rank}{since}",
        *(f"  {name:<28} {count:,}" for name, count in report.counts.items() if name != "pois" and count),
    ]


def check_lines(checks: list[Check]) -> list[str]:
    """A line per check."""
    width = max(len(check.topic) for check in checks)
    return [f"{check.state:<8} {check.topic:<{width}}  {check.finding}" for check in checks]


def duration(hours: float) -> str:
    """Hours, or minutes where it is less than two."""
    minutes = math.ceil(hours * 60)
    return f"{hours:,.1f} hours" if hours >= 2 else f"{minutes} minute{'s' if minutes != 1 else ''}"


def moment(at: datetime) -> str:
    """A moment to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _pace_lines(pace: PaceStatus) -> list[str]:
    lines = [f"  requests       {pace.num_requests:,} in the last hour"]
    return lines + ([f"  rests          until {moment(pace.rest_until)}"] if pace.rest_until else [])


def _open(place: PlaceStatus) -> str:
    return f"{place.name}: {plural(place.num_pages, 'page')} passed"


def _waiting(place: PlaceStatus) -> str:
    when = f"not before {moment(place.not_before)}" if place.not_before else "goes on with the next run"
    return f"{place.name}: {place.reason}, {when}"


def _place_lines(title: str, places: list[str]) -> list[str]:
    more = len(places) - MOST_PLACES
    return [title + place for place in places[:MOST_PLACES]] + ([f"{title}and {more} more"] if more > 0 else [])

"""The commands of `mrlf` that collect: `pois`, and `collect` with its dry run."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.errors import EX_TEMPFAIL, plain_errors

if TYPE_CHECKING:
    from pipeline.cities import City
    from pipeline.stage import StageReport
    from pipeline.store import Store

COLLECTING = ("pois", "places", "posts")


def pois(city: CityArgument) -> None:
    """Read a city's POIs from a file, OS Places or Foursquare.

    Foursquare's answers are kept for a limited time (foursquare_keep_hours, 24) and not requested again until it is
    over; then everything but the ids is deleted. The output shows when Foursquare was asked, until when its answers
    are kept, and where else its names are stored.

    The exit status is 0, or 75 (EX_TEMPFAIL) when Foursquare asks to be called again later: run it again then.

    Examples:

        mrlf pois melbourne

        FOURSQUARE_API_KEY=... mrlf pois melbourne
    """
    with plain_errors():
        from pipeline.cli.collect_text import pois_lines
        from pipeline.cli.keeping import keeping_lines
        from pipeline.collect.poi_sources.keeping import expire_answers
        from pipeline.stages import checked_city, run_stage_of
        from pipeline.store import Store

        known, now = checked_city(city), datetime.now(UTC)
        store = Store.open()
        expire_answers(store, now)
        report = run_stage_of(store, known, "pois")
        _print_notes(report)
        _print(pois_lines(report))
        _print(keeping_lines(store, known, now))


def collect(
    city: CityArgument,
    max_requests: Annotated[
        int | None,
        typer.Option(
            min=1, help="Requests to Instagram in this run; by default the limits of the stages places and posts."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; show what a run would need.")] = False,
) -> None:
    """Collect a city: its POIs, their places and their posts.

    Work that is done is not repeated, so run it as often as you like; a later run adds what is new. Read
    docs/PRIVACY.md before the first live run; `mrlf doctor CITY` shows what is missing.

    The exit status is 0 when the collection is complete; 75 (EX_TEMPFAIL) when the run was throttled or used up its
    requests, or when another process is collecting this city: run it again, it continues where it stopped; 130 after
    Ctrl-C: the same; 1 when you have to fix something first.

    Examples:

        mrlf collect melbourne --dry-run

        mrlf collect melbourne

        mrlf collect melbourne --max-requests 200
    """
    with plain_errors():
        from pipeline.cli.collect_text import run_lines
        from pipeline.collect.poi_sources.keeping import expire_answers
        from pipeline.collect.waiting import what_waits
        from pipeline.stages import checked_city
        from pipeline.store import Store

        known = checked_city(city)
        store = Store.open()
        expire_answers(store, datetime.now(UTC))
        if dry_run:
            _plan(store, known)
            return
        with _alone(store, known):
            reports, num_searches = _collect(store, known, max_requests)
        waiting = what_waits(store, known, datetime.now(UTC))
        _print(run_lines(known.key, reports, num_searches, waiting))
        if not waiting.is_nothing or "posts" not in reports:
            raise typer.Exit(EX_TEMPFAIL)


@contextmanager
def _alone(store: "Store", city: "City") -> Iterator[None]:
    """Be the only process that collects a city: two would wait for each other's requests and ask for the same.

    Raises:
        StageBusyError: another process collects it, or builds one of the stages that collect.
    """
    with store.lock(city.key, "collect", what=f"{city.key} is being collected"):
        for stage in COLLECTING:
            with store.lock(city.key, stage):
                pass  # nobody else is at it
        yield


def _collect(store: "Store", city: "City", max_requests: int | None) -> "tuple[dict[str, StageReport], int]":
    """The stages' reports and the number of requests spent on searches; posts is missing if these used up all."""
    from pipeline.stages import run_stage_of

    reports = {"pois": run_stage_of(store, city, "pois")}
    _print_notes(reports["pois"])
    reports["places"] = run_stage_of(store, city, "places", {"max_requests": max_requests})
    _print_notes(reports["places"])
    num_searches = int(reports["places"].record.about.get("requests", 0))
    left = None if max_requests is None else max_requests - num_searches
    if left is None or left > 0:
        reports["posts"] = run_stage_of(store, city, "posts", {"max_requests": left})
        _print_notes(reports["posts"])
    return reports, num_searches


def _plan(store: "Store", city: "City") -> None:
    """Print what a run would need, and whether it could begin."""
    from pipeline.cli.collect_text import check_lines, plan_lines
    from pipeline.collect.doctor import foursquare_check, wants_foursquare
    from pipeline.collect.instagram.cookie_files import cookies_path
    from pipeline.collect.instagram.dry_run import plan_run
    from pipeline.collect.instagram.live import pace_limits
    from pipeline.collect.instagram.readiness import live_checks
    from pipeline.collect.instagram.settings import live_settings
    from pipeline.collect.instagram.walk import WalkLimits
    from pipeline.collect.places import PlacesSettings
    from pipeline.collect.pois import PoisSettings
    from pipeline.collect.posts import PostsSettings

    now = datetime.now(UTC)
    pois_settings, places = city.settings("pois", PoisSettings), city.settings("places", PlacesSettings)
    posts, live = city.settings("posts", PostsSettings), live_settings(city)
    if live is None:
        typer.echo(f"{city.key}: no requests go to Instagram, its posts come from an archive")
    else:
        plan = plan_run(
            store,
            city.key,
            limits=WalkLimits(max_posts=posts.max_posts_per_place, refresh_days=posts.refresh_days),
            pace=pace_limits(live),
            max_pois=pois_settings.max_pois,
            is_signed_in=cookies_path() is not None,
            now=now,
        )
        _print(plan_lines(city.key, plan, {"places": places.max_requests, "posts": posts.max_requests}))
    checks = live_checks(store, city, now)
    if wants_foursquare(city):
        checks.append(foursquare_check(city))
    _print(check_lines(checks))


def _print_notes(report: "StageReport") -> None:
    for note in report.record.notes:
        typer.echo(f"  note: {note}", err=True)


def _print(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)

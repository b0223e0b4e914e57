"""The commands of `mrlf` round collecting: `doctor` and `opt-out`."""

import socket
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.errors import plain_errors
from pipeline.errors import StageError, plural

if TYPE_CHECKING:
    from pipeline.cities import City
    from pipeline.privacy.leftovers import Swept
    from pipeline.store import Store

FROM_STDIN = "-"
PATIENCE_S = 10.0
"""How long `opt-out` waits for a stage that is writing pictures."""


def doctor(
    city: Annotated[
        str | None, typer.Argument(help="A city of cities.yaml; without one, what all cities share.")
    ] = None,
    location_id: Annotated[
        str | None,
        typer.Option(
            "--try",
            metavar="LOCATION_ID",
            help="Send one request to each endpoint of a place's posts and show the result.",
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Open no connection.")] = False,
) -> None:
    """Check what collecting needs, without sending a request.

    It shows what is configured, reachable and missing. Each line is ok, missing or wrong, with what to do. The exit
    status is 1 if CITY was named and cannot be collected yet, else 0. Only `--try` contacts Instagram: one request per
    endpoint, at the configured pace, under the terms and the session of CITY.

    Examples:

        mrlf doctor

        mrlf doctor melbourne

        mrlf doctor melbourne --try 212988663
    """
    with plain_errors():
        from pipeline.cities import load_city
        from pipeline.cli.collect_text import check_lines
        from pipeline.collect.doctor import examine
        from pipeline.stages import checked_cities
        from pipeline.store import Store

        known = load_city(city) if city else None
        store = Store.open()
        if location_id is not None:
            _try(store, known or _only_live_city(), location_id)
            return
        dial = None if offline else socket.create_connection
        checks = examine(store, known, datetime.now(UTC), dial=dial, read=checked_cities)
        for line in check_lines(checks):
            typer.echo(line)
        if known is not None and any(check.stops for check in checks):
            raise typer.Exit(1)


def opt_out(
    entries: Annotated[
        list[str],
        typer.Argument(
            metavar="ENTRY",
            help="An account's id or @name, a post's id or shortcode, or the URL of either; - reads standard input.",
        ),
    ],
) -> None:
    """Exclude accounts or posts, also from what was collected.

    The list holds keyed hashes only. With `-` the entries are read from standard input, one per line, so that none
    stays in the shell's history.

    Examples:

        mrlf opt-out -

        mrlf opt-out @somebody https://www.instagram.com/p/Cabcdefghij/
    """
    with plain_errors():
        from pipeline.privacy.leftovers import sweep_leftovers
        from pipeline.privacy.opt_out import OptOut
        from pipeline.privacy.opt_out_removal import register_opt_out
        from pipeline.store import Store

        named = [entry for entry in entries if entry != FROM_STDIN]
        if FROM_STDIN in entries:
            named += filter(None, (line.strip() for line in sys.stdin))
        if not named:
            raise StageError("no entry was given: name an account or a post")
        store = Store.open()
        still_there = register_opt_out(store, named)
        hashes = plural(len(OptOut.load(store)), "keyed hash")
        typer.echo(f"{plural(len(named), 'entry')} taken into the list, which has {hashes} now")
        typer.echo("nothing of theirs is collected any more, in any city but synthetic ones")
        for city, num_posts in still_there.items():
            typer.echo(f"{city}: {plural(num_posts, 'post')} of theirs will go with the next build: mrlf run {city}")
        for line in _swept_lines(sweep_leftovers(store, patience_s=PATIENCE_S, is_anew=True), bool(still_there)):
            typer.echo(line)


def _swept_lines(swept: "Swept", has_posts: bool) -> list[str]:
    """What belonged to no post: a killed run may have left pictures of theirs that no table names."""
    removed = {
        "pictures that belonged to no post": swept.pictures,
        "unfinished data sets": swept.releases,
        "unfinished files of killed runs": swept.temporaries,
    }
    lines = [f"removed {count:,} {what}" for what, count in removed.items() if count]
    if has_posts or swept.pictures:
        lines.append("Dagster's history keeps contact sheets of pictures: empty it with dagster run wipe --force")
    lines += [f"not all of the store was checked ({why}): the next run checks again" for why in swept.waiting]
    return lines if lines or has_posts else ["no post of theirs was found in the store"]


def _try(store: "Store", city: "City", location_id: str) -> None:
    """Print a line per endpoint. No request is retried, and a cool-down under way is not waited for."""
    from pipeline.collect.archive.fields import LOCATION_ID
    from pipeline.collect.instagram.endpoints import ENDPOINTS, try_endpoints
    from pipeline.collect.instagram.live import ASKED, SESSION, Runtime, open_client
    from pipeline.collect.instagram.settings import live_settings
    from pipeline.collect.web.retries import Retries

    live = live_settings(city)
    if live is None:
        raise StageError(f"city {city.key} has no section live: in cities.yaml, so it is not collected from Instagram")
    if not LOCATION_ID.fullmatch(location_id):
        raise StageError("--try takes the id of a place, the number in instagram.com/explore/locations/<number>/")
    with store.lock(*SESSION, what=ASKED):
        pass  # else the client would wait for hours
    with open_client(store, live, Runtime(retries=Retries(max_tries=1)), max_requests=len(ENDPOINTS)) as client:
        client.may_rest = False
        if left_s := client.pace.rest_left_s():
            raise StageError(
                f"Instagram is not asked: everything rests for {left_s / 60:.0f} more minutes, "
                f"until {client.pace.rest_end()}"
            )
        typer.echo(f"{datetime.now(UTC):%Y-%m-%d}, place {location_id}, signed in: {_yes(client.is_signed_in)}")
        for endpoint, outcome in try_endpoints(client, location_id):
            typer.echo(f"  {endpoint:<12} {outcome}")


def _only_live_city() -> "City":
    from pipeline.cities import load_cities

    live = [city for city in load_cities().values() if city.live is not None]
    if len(live) != 1:
        names = ", ".join(city.key for city in live) or "none has a section live:"
        raise StageError(f"name the CITY whose terms and pace apply to --try ({names})")
    return live[0]


def _yes(value: bool) -> str:
    return "yes" if value else "no"

"""The commands of `mrlf images`: to look at what the picture stages did, on this machine alone."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cities import load_city
from pipeline.cli.collect import CityArgument
from pipeline.cli.errors import plain_errors
from pipeline.report.review import page_of, review, write_page
from pipeline.store import Store

images = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at what the picture stages did.")


@images.callback()
def _group() -> None:
    """A group also while it has one command."""


@images.command("review")
def review_pictures(
    city: CityArgument,
    outcome: Annotated[
        str | None,
        typer.Option(help="Only pictures that ended so: filled, filled_again, mostly_person, face_left, ..."),
    ] = None,
    number: Annotated[int, typer.Option(min=1, max=500, help="How many pictures at most.")] = 24,
    output: Annotated[
        Path | None, typer.Option(help="A new file, not in the store; by default one for temporary files.")
    ] = None,
) -> None:
    """Put original, mask and clean picture side by side into one HTML file for you alone. Nothing is written to the
    store.

    The file holds people's pictures: delete it when you have looked.

    Examples:

        mrlf images review melbourne

        mrlf images review melbourne --outcome filled_again --number 50
    """
    with plain_errors():
        store, known = Store.open(), load_city(city)
        shown = review(store, known.key, outcome=outcome, number=number)
        path = write_page(store, page_of(known.name, shown), output)
        typer.echo(str(path))
        typer.echo(
            f"{len(shown)} pictures. The file holds people's pictures: delete it when you have looked", err=True
        )

"""The commands of `mrlf images`: look at what the picture stages did, on this machine alone."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.errors import plain_errors
from pipeline.errors import plural

images = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at what the picture stages did.")


@images.callback()
def _group() -> None:
    """Keeps this a group while it has one command."""


@images.command("review")
def review_pictures(
    city: CityArgument,
    outcome: Annotated[
        str | None,
        typer.Option(help="Only pictures with this outcome: filled, filled_again, mostly_person, face_left, ..."),
    ] = None,
    number: Annotated[int, typer.Option(min=1, max=500, help="Pictures at most.")] = 24,
    output: Annotated[
        Path | None, typer.Option(help="A new file outside the store; by default a temporary file.")
    ] = None,
) -> None:
    """Show original, mask and clean pictures side by side.

    They are written into an HTML file that only you can read. Nothing is written to the store. The file holds people's
    pictures: delete it when you have looked.

    Examples:

        mrlf images review melbourne

        mrlf images review melbourne --outcome filled_again --number 50
    """
    with plain_errors():
        from pipeline.cities import load_city
        from pipeline.report.review import page_of, review, write_page
        from pipeline.store import Store

        known, store = load_city(city), Store.open()
        shown = review(store, known.key, outcome=outcome, number=number)
        path = write_page(store, page_of(known.name, shown), output)
        typer.echo(str(path))
        typer.echo(
            f"{plural(len(shown), 'picture')}. The file holds people's pictures: delete it when you have looked",
            err=True,
        )

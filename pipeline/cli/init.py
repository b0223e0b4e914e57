"""The command `mrlf init`: begin a project in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.errors import plain_errors


def init(folder: Annotated[Path, typer.Argument(help="The folder; by default this one.")] = Path()) -> None:
    """Begin a project: write a cities.yaml to fill in.

    It has the demo city, and a city of your own to describe. The data will lie in the folder `data` beside it. A file
    that is there is left alone.

    Examples:

        mrlf init

        mrlf init my-cities
    """
    with plain_errors():
        from pipeline.cities import CITIES_NAME

        folder.mkdir(parents=True, exist_ok=True)
        path = folder.absolute() / CITIES_NAME
        text = Path(__file__).with_name("first_cities.yaml").read_bytes()
        try:
            with path.open("xb") as file:
                file.write(text)
        except FileExistsError:
            raise ValueError(f"{path} is there already and was left alone: edit it, or name another folder") from None
        typer.echo(f"{path}: describe your cities there, or try it with `mrlf run demo`")

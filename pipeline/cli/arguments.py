"""Arguments and options that several commands share."""

from typing import Annotated

import typer

CityArgument = Annotated[str, typer.Argument(help="A city of cities.yaml, for example: demo")]

"""Fakeville for the command line: the real commands, run in this process, against fake servers."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from pipeline.cli.app import app
from tests.fakes.fakeville import CITY, write_fakeville
from tests.fakes.foursquare_server import FakeFoursquare
from tests.fakes.instagram_server import FakeInstagram

NUM_PLACES = 3
NUM_POSTS = 30


class Fakeville:
    """Both servers, the files, and `mrlf` run in this process."""

    def __init__(self, folder: Path, instagram: FakeInstagram, foursquare: FakeFoursquare) -> None:
        self.folder, self.instagram, self.foursquare = folder, instagram, foursquare
        self.data = folder / "data"
        variables = write_fakeville(folder, instagram.world)
        self.variables = {**variables, "MRLF_INSTAGRAM_URL": instagram.url, "MRLF_FOURSQUARE_URL": foursquare.url}

    def mrlf(self, *words: str, stdin: str = ""):
        return CliRunner().invoke(app, list(words), input=stdin)

    def live(self, **changes) -> None:
        """Change the section `live:`; None takes a field out."""
        path = self.folder / "cities.yaml"
        content = yaml.safe_load(path.read_text())
        live = content["cities"][CITY]["live"] | changes
        content["cities"][CITY]["live"] = {name: value for name, value in live.items() if value is not None}
        path.write_text(yaml.safe_dump(content))

    def num_api_requests(self) -> int:
        return sum(not request.path.startswith("/media/") for request in list(self.instagram.requests))

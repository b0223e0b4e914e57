"""What tests of the command line share: Fakeville, three places to collect."""

import pytest

from tests.fakes.called_fakeville import NUM_PLACES, NUM_POSTS, Fakeville
from tests.fakes.fakeville import fakeville_pois, fakeville_world
from tests.fakes.foursquare_server import FakeFoursquare
from tests.fakes.instagram_server import FakeInstagram


@pytest.fixture
def fakeville(tmp_path, monkeypatch):
    """Three places of 30 posts each, and what stands around them."""
    with FakeInstagram(fakeville_world(NUM_PLACES, NUM_POSTS)) as instagram:
        with FakeFoursquare(fakeville_pois(NUM_PLACES)) as foursquare:
            made = Fakeville(tmp_path / "fakeville", instagram, foursquare)
            monkeypatch.delenv("MRLF_PSEUDONYM_KEY", raising=False)
            for name, value in made.variables.items():
                monkeypatch.setenv(name, value)
            yield made

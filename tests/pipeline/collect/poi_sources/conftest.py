"""A Places API of its own for every test, with the key in the environment, and a clock that takes no time."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.cities import City
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.web.retries import Retries
from pipeline.stage import StageReport
from pipeline.store import Store
from tests.fakes.clock import FakeClock
from tests.fakes.foursquare_server import CENTRE, KEY, FakeFoursquare, fake_place


@pytest.fixture
def clock() -> FakeClock:
    """A clock that a test moves."""
    return FakeClock()


@pytest.fixture
def server(monkeypatch) -> Iterator[FakeFoursquare]:
    """A Places API with 120 museums, 50 to a page."""
    with FakeFoursquare(fake_place(number) for number in range(120)) as fake:
        monkeypatch.setenv("MRLF_FOURSQUARE_URL", fake.url)
        monkeypatch.setenv("FOURSQUARE_API_KEY", KEY)
        yield fake


@pytest.fixture
def town() -> City:
    """The city around the fake places."""
    return City(key="town", name="Town", latitude=CENTRE[0], longitude=CENTRE[1], radius_km=10)


@pytest.fixture
def build(store: Store, town: City, clock: FakeClock) -> Callable[..., StageReport]:
    """Builds the POIs of the town with these settings; of another city or clock where one is given."""

    def built(city: City = town, **settings: Any) -> StageReport:
        return build_pois(store, city, PoisSettings(**settings), clock=clock, retries=Retries())

    return built

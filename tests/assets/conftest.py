"""What tests of the assets share: a small file of cities, stages that do no work, a home for Dagster."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from assets.training import train_mrlf as training
from pipeline.cities import CITIES_VARIABLE, City
from pipeline.errors import StageError
from pipeline.stage import Outcome, StageReport, run_stage
from pipeline.stages import STAGES, Stage
from pipeline.store import Store
from tests.assets.helpers import ROOT, write_cities
from tests.assets.warm import stop_server


@pytest.fixture(scope="session", autouse=True)
def no_server_of_commands_outlives_the_tests() -> Iterator[None]:
    """Commands of Dagster are forks of a server, which the first of them starts."""
    yield
    stop_server()


@pytest.fixture
def cities(tmp_path, monkeypatch) -> dict[str, dict[str, Any]]:
    """The fields of two cities, demo and melbourne; `write_cities` puts a change of them into force."""
    fields = {
        key: {"name": key.title(), "latitude": 12.0, "longitude": -30.0, "radius_km": 12.0, "is_synthetic": True}
        for key in ("demo", "melbourne")
    }
    monkeypatch.setenv(CITIES_VARIABLE, str(tmp_path / "cities.yaml"))
    write_cities(fields)
    return fields


@pytest.fixture
def fake_stage(monkeypatch):
    """Put a stage in place of the real one: it reports `counts` and `about`, or refuses the cities in `refused`."""

    def install(name: str, *, counts: dict[str, int] | None = None, refused: tuple[str, ...] = (), **about: str):
        seen: list[tuple[str, Any]] = []

        def build(store: Store, city: City, settings: Any, **watch: Any) -> StageReport:
            with store.lock(city.key, name):
                seen.append((city.key, settings))
                if city.key in refused:
                    raise StageError(f"{city.key} has nothing to work on: do something about it")
                return run_stage(
                    store,
                    city,
                    name,
                    code_version="1",
                    settings=settings,
                    inputs={},
                    work=lambda: Outcome(counts=counts or {}, notes=["a remark"], about=about),
                )

        real = STAGES[name]
        fake = Stage(name=name, room=real.room, settings=real.settings, build=build)
        monkeypatch.setitem(STAGES, name, fake)
        return seen

    return install


@pytest.fixture
def dagster_home(tmp_path) -> dict[str, str]:
    """The environment of a Dagster of its own, as `source .venv/bin/activate` makes it."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "MRLF"))}
    module = {"DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME": "assets.definitions"}
    return {**kept, **module, "DAGSTER_HOME": str(home), "MRLF_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def stage(cities, monkeypatch):
    """Put `work(on_epoch)` in the place of the training."""

    def install(work):
        def build(store, city, settings, *, on_epoch):
            return run_stage(
                store,
                city,
                "train_mrlf",
                code_version="1",
                settings=settings,
                inputs={},
                work=lambda: work(on_epoch) or Outcome(),
            )

        real = STAGES["train_mrlf"]
        fake = Stage(name=real.name, room=real.room, settings=real.settings, build=build)
        monkeypatch.setitem(STAGES, "train_mrlf", fake)
        monkeypatch.setattr(training, "released_cities", lambda store: ["demo"])
        monkeypatch.setattr(training, "_shown", lambda store, city: {})

    return install

"""The assets study_data and study, as Dagster runs them on a small town: what their metadata and checks show."""

from collections.abc import Iterator

import dagster as dg
import pytest

from assets.report.study import study
from assets.report.study_data import study_data
from pipeline.store import Store
from tests.assets.helpers import checks, failures, materialize, metadata, write_cities
from tests.fakes.engine import in_this_process
from tests.pipeline.study.study_town import CITY, CellsHere, build_town

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SMALL = {"num_seeds": 1, "max_epochs": 1, "num_resamples": 100, "hashtag_thresholds": [2], "device": "cpu"}


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[Store]:
    """A town as far as its picture features; what is worked on it is worked in this process."""
    with in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.study.running._pool", CellsHere)
        patch.setattr(
            "pipeline.study.study_render.section_figure", lambda section: None
        )  # half of a small study's time
        yield build_town(Store(tmp_path_factory.mktemp("town") / "data"))


@pytest.fixture
def town_in_cities(monkeypatch, tmp_path) -> None:
    """The file of cities names the town as it was built."""
    monkeypatch.setenv("MRLF_CITIES", str(tmp_path / "cities.yaml"))
    place = {name: getattr(CITY, name) for name in ("name", "latitude", "longitude", "radius_km", "is_synthetic")}
    write_cities({"demo": {**place, **CITY.stages, "study_data": {"backbones": []}}})


def run(store: Store, asset: dg.AssetsDefinition, **config: object) -> dg.ExecuteInProcessResult:
    result = materialize(store, asset, **config)
    assert result.success, failures(result)
    return result


def test_study_data_and_study_are_materialized_with_what_they_count(town, town_in_cities):
    data = run(town, study_data)
    shown = metadata(data, "study_data")
    assert shown["dagster/row_count"] == shown["pictures"] == 63 + 4, "as taken, and made clean outside the release"
    assert checks(data) == {"every_picture": True}
    made = run(town, study, **SMALL)
    shown = metadata(made, "study")
    assert shown["rows"] == shown["dagster/row_count"] > 30
    assert shown["rows_without_figures"] > 0 and checks(made) == {"every_row": False}, "no other networks' features"
    assert (town.report_folder("demo") / "study.html").is_file()
    again = metadata(run(town, study, **SMALL), "study")
    assert again["reused"] and again["rows"] == shown["rows"]

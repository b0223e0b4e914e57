"""Towns that a study can be made of, built once."""

import shutil
from pathlib import Path

import pytest

from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.study.variants import StudyData
from tests.fakes.drawn_networks import drawn_once
from tests.fakes.engine import in_this_process
from tests.pipeline.study.study_town import CITY, build_town, with_study_data


@pytest.fixture(scope="module", autouse=True)
def without_worker_processes():
    """Features are computed here; cells of a study have processes of their own."""
    with in_this_process(), drawn_once():
        yield


@pytest.fixture(scope="session")
def bare_town(tmp_path_factory) -> Path:
    """A town without what a study needs beyond the release."""
    with in_this_process(), drawn_once():
        return build_town(Store(tmp_path_factory.mktemp("bare") / "data")).root


@pytest.fixture(scope="session")
def whole_town(bare_town, tmp_path_factory) -> Path:
    """A town with all that a study needs."""
    with in_this_process(), drawn_once():
        return with_study_data(Store(shutil.copytree(bare_town, tmp_path_factory.mktemp("whole") / "data"))).root


@pytest.fixture
def bare(bare_town, tmp_path) -> Store:
    """The first to change."""
    return Store(shutil.copytree(bare_town, tmp_path / "bare"))


@pytest.fixture
def town(whole_town, tmp_path) -> Store:
    """The second to change."""
    return Store(shutil.copytree(whole_town, tmp_path / "town"))


@pytest.fixture
def data(whole_town) -> StudyData:
    """The data of a study, to be read only."""
    store = Store(whole_town)
    return StudyData(store, CITY, latest_release(store, "demo"))

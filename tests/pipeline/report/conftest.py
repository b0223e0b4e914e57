"""Cities that a report can be made of."""

import shutil
from pathlib import Path

import pytest

from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.report.content import Report
from pipeline.report.evaluate_mrlf import build_evaluate_mrlf
from pipeline.report.gather import gather
from pipeline.report.trained_run import TrainedRun
from pipeline.store import Store
from pipeline.training.train_mrlf import latest_run
from tests.pipeline.report.small_city import SETTINGS, Trained, make_city, write_data, write_run


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> dict[bool, Path]:
    """Stores of a synthetic city and of a real one with the same posts, each with its report, made once."""
    folders = {is_synthetic: tmp_path_factory.mktemp("city") / "data" for is_synthetic in (True, False)}
    write_data(Store(folders[True]), make_city(is_synthetic=True))
    shutil.copytree(folders[True], folders[False])
    Store(folders[False]).forget_stage_record("demo", "dataset")
    for is_synthetic, folder in folders.items():
        store, city = Store(folder), make_city(is_synthetic=is_synthetic)
        build_dataset(store, city, DatasetSettings())
        write_run(store, "demo")
        build_evaluate_mrlf(store, city, SETTINGS)
    return folders


@pytest.fixture
def reported(built) -> Trained:
    """A synthetic city with its report, to be read only."""
    return Trained(Store(built[True]), make_city(is_synthetic=True))


@pytest.fixture
def reported_real(built) -> Trained:
    """A city that is not synthetic with its report, to be read only."""
    return Trained(Store(built[False]), make_city(is_synthetic=False))


@pytest.fixture(scope="session")
def reported_record(built) -> Report:
    """The report of the synthetic city as records."""
    store = Store(built[True])
    run = TrainedRun.read(latest_run(store, "demo"))
    return gather(store, "demo", latest_release(store, "demo"), run, num_resamples=100, seed=0)


@pytest.fixture
def own(built, tmp_path) -> Trained:
    """A synthetic city with its report that a test may change."""
    shutil.copytree(built[True], tmp_path / "own")
    return Trained(Store(tmp_path / "own"), make_city(is_synthetic=True))

"""A small trained city in a store, as `mrlf run` leaves it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import Store
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf
from tests.fakes.drawn_networks import drawn_once
from tests.fakes.engine import in_this_process
from tests.pipeline.report.small_city import make_city, write_data

CITY = make_city(is_synthetic=True)
FEATURES = ImageFeaturesSettings(weights="builtin", image_size=32, runtime="torch", precision="fp32")
SIZES = {"num_filters": 8, "num_heads": 2, "char_dim": 8, "word_dim": 8, "ffn_dim": 8}
TRAINING = TrainMrlfSettings(model="mrlf", max_epochs=3, num_threads=1, learning_rate=3e-3, **SIZES)
CITIES = """cities:
  demo: {{name: Demo & City, latitude: 0, longitude: 0, radius_km: 5, is_synthetic: true,
         image_features: {{weights: builtin, image_size: {size}, runtime: torch, precision: fp32}}}}
  bare: {{name: Bare, latitude: 0, longitude: 0, radius_km: 5}}
"""


@pytest.fixture(scope="module", autouse=True)
def one_network() -> Iterator[None]:
    """The picture network is drawn once and runs in this process."""
    with in_this_process(), drawn_once():
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """The folder of a store with a small trained city."""
    store = Store(tmp_path_factory.mktemp("served") / "data")
    write_data(store, CITY)
    with in_this_process(), drawn_once():
        build_image_features(store, CITY, FEATURES)
    build_train_mrlf(store, CITY, TRAINING)
    return store.root


@pytest.fixture
def copied(trained, tmp_path, monkeypatch) -> Store:
    """A copy of it that a test may spoil, and cities.yaml as it was at training."""
    shutil.copytree(trained, tmp_path / "data", symlinks=True)
    write_cities(tmp_path, monkeypatch, size=FEATURES.image_size)
    return Store(tmp_path / "data")


def write_cities(folder: Path, monkeypatch: pytest.MonkeyPatch, *, size: int) -> None:
    """cities.yaml with pictures shown to the network at this size."""
    (folder / "cities.yaml").write_text(CITIES.format(size=size))
    monkeypatch.setenv("MRLF_CITIES", str(folder / "cities.yaml"))

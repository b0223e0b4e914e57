"""No stage asks an address for weights where nothing is left to do."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.stage import StageReport
from pipeline.store import Store
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features
from pipeline.weights import weights_store
from pipeline.weights.registry import REGISTRY
from tests.fakes.city import CITY, fill_city
from tests.fakes.face_gates import short_recall
from tests.fakes.weights_server import WeightsServer
from tests.models.small_backbones import small_backbones

pytestmark = pytest.mark.slow

FEW = {"find_bodies": False}
NETWORKS = ("u2net_human_seg", "big_lama", "vgg19")


@pytest.fixture
def server(monkeypatch) -> Iterator[WeightsServer]:
    """A server without a file, as the address of all weights that do not ship; what a process knows is forgotten."""
    with WeightsServer() as made:
        monkeypatch.delenv("MRLF_WEIGHTS_MIRROR", raising=False)
        entries = {
            name: entry if entry.is_shipped else replace(entry, addresses=(f"{made.url}/{name}",))
            for name, entry in REGISTRY.items()
        }
        monkeypatch.setattr(weights_store, "REGISTRY", entries)
        yield made


def build_all(store: Store) -> list[StageReport]:
    """The stages that show pictures to networks, as a new process runs them."""
    weights_store._unavailable.clear()
    builds: list[Callable[[], StageReport]] = [
        lambda: build_portrait_masks(store, CITY, PortraitMasksSettings(**FEW, num_workers=1)),
        lambda: build_clean_images(store, CITY, CleanImagesSettings(num_workers=1)),
        lambda: build_dataset(store, CITY, DatasetSettings(min_posts_per_poi=2)),
        lambda: build_image_features(store, CITY, ImageFeaturesSettings(image_size=32)),
    ]
    return [build() for build in builds]


@pytest.mark.fault("N7")
def test_a_fully_reused_run_asks_no_address(tmp_path, server):
    store = Store(tmp_path / "data")
    fill_city(store, num_pois=2, posts_per_poi=11)
    with short_recall(), small_backbones():
        build_all(store)
        first = server.count()
        assert {request.path.removeprefix("/") for request in server.seen()} == set(NETWORKS)
        assert all(report.is_reused for report in build_all(store))
    assert server.count() == first

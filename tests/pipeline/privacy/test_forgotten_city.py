"""A whole city whose post is deleted: after the next build nothing of it is found, and what others share stays."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pipeline.cities import City
from pipeline.curate.curated_posts import build_curated_posts
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import StageError
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.privacy import forgotten
from pipeline.privacy.leftovers import Swept, sweep_leftovers
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release, released_cities
from pipeline.report.evaluate_mrlf import EvaluateMrlfSettings, build_evaluate_mrlf
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.files import MANIFEST
from pipeline.store.tables import Tables
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf
from tests.fakes.city import curated_post, post_of
from tests.fakes.deleted import DEMO, NUM_POIS, OTHER, KilledError, holders, killed, put_posts, tombstone
from tests.fakes.engine import in_this_process
from tests.fakes.pictures import encoded, pixels
from tests.models.small_backbones import small_backbones

CANARY = "zyxcanarycaption"
TAG = "zyxcanarytag"
NUM_POSTS = 36
STAGES: list[tuple[Any, Any]] = [
    (build_curated_posts, CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=5, language="any")),
    (
        build_portrait_masks,
        PortraitMasksSettings(weights="builtin", find_bodies=False, num_workers=1),
    ),
    (
        build_clean_images,
        CleanImagesSettings(
            weights="builtin", face_gate="off", face_gate_off_reason="nobody is on these pictures", num_workers=1
        ),
    ),
    (build_dataset, DatasetSettings(min_posts_per_poi=5)),
    (build_image_features, ImageFeaturesSettings(weights="builtin", image_size=32)),
    (
        build_train_mrlf,
        TrainMrlfSettings(
            max_epochs=1,
            num_filters=8,
            num_heads=2,
            char_dim=8,
            word_dim=8,
            image_fc_dim=8,
            ffn_dim=8,
            min_word_count=1,
            min_hashtag_count=1,
            num_threads=1,
        ),
    ),
    (build_evaluate_mrlf, EvaluateMrlfSettings(num_resamples=100)),
]

NUM_TO_RELEASE = 4
"""So many stages make a release anew; models and reports are made of it."""


def build(store: Store, city: City = DEMO, num_stages: int = len(STAGES)) -> list[bool]:
    """All stages after posts; whether each was reused."""
    return [make(store, city, settings).is_reused for make, settings in STAGES[:num_stages]]


@dataclass(frozen=True)
class Town:
    """Two cities; the post `key` has a picture of its own, one of a neighbour and one of the other city."""

    store: Store
    key: str
    own: str
    shared: str
    abroad: str

    @property
    def root(self) -> Path:
        return self.store.root


def make_town(folder: Path) -> Town:
    """Collected, not built."""
    store = Store(folder)
    digests = [store.blobs.put("original", encoded(pixels(n, (96, 96)))) for n in range(NUM_POSTS + 2)]
    shared, abroad = digests[NUM_POSTS:]
    posts = [curated_post(n, n % NUM_POIS, n, [digests[n]]) for n in range(NUM_POSTS)]
    posts[5] |= {"caption": f"a {CANARY} by the sea", "hashtags": [TAG, "town"]}
    posts[5]["image_digests"] = [digests[5], shared, abroad]
    posts[6]["image_digests"] = [digests[6], shared]
    put_posts(store, DEMO, [post_of(post) for post in posts], digests)
    put_posts(store, OTHER, [post_of(curated_post(99, 0, 99, [abroad]))], [abroad])
    return Town(store, posts[5]["post_key"], digests[5], shared, abroad)


def clean_digest(town: Town, digest: str) -> str:
    rows = town.store.tables.read("demo", "clean_images").to_pylist()
    return next(row["clean_digest"] for row in rows if row["digest"] == digest)


@pytest.fixture(scope="module", autouse=True)
def without_workers_and_figures() -> Iterator[None]:
    """Pictures are masked in this process; figures are blank: no text can be searched in what they are drawn of."""

    def blank(_: Any, file: BinaryIO, **__: Any) -> None:
        file.write(encoded(pixels(0, (8, 8)), "PNG"))

    with in_this_process(), small_backbones(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", blank)
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Town:
    """A town with a release, a model and a report, before anything is gone."""
    town = make_town(tmp_path_factory.mktemp("built"))
    build(town.store)
    build(town.store, OTHER, 1)
    return town


def copied(town: Town, root: Path) -> Town:
    shutil.copytree(town.root, root)
    return Town(Store(root), town.key, town.own, town.shared, town.abroad)


@pytest.fixture(scope="module")
def rebuilt(built, tmp_path_factory) -> Town:
    """The town after its post was deleted and all was built again."""
    town = copied(built, tmp_path_factory.mktemp("rebuilt") / "store")
    tombstone(town.store, town.key)
    assert not any(build(town.store))
    return town


@pytest.fixture
def town(built, tmp_path) -> Town:
    """A copy of it to change."""
    return copied(built, tmp_path / "store")


@pytest.mark.slow
@pytest.mark.fault("I12")
@pytest.mark.fault("S12")
def test_after_the_next_build_nothing_is_found_of_a_deleted_post(built, rebuilt):
    picture = built.store.blobs.get("original", built.own)
    clean = clean_digest(built, built.own)
    traces = [
        CANARY.encode(),
        TAG.encode(),
        built.own.encode(),
        clean.encode(),
        picture[-200:-50],
        built.store.blobs.get("clean", clean)[-200:-50],
    ]
    assert all(holders(built.root, trace) or list(built.root.rglob(trace.decode("latin-1"))) for trace in traces[:4])
    old = latest_release(built.store, "demo").version
    for trace in traces:
        assert holders(rebuilt.root, trace) == []
    assert not [path for path in rebuilt.root.rglob("*") if path.name in (built.own, clean, old)]
    tables = {path.split("/")[2] for path in holders(rebuilt.root, built.key.encode())}
    assert tables == {"posts", "drops"}
    assert all(path.startswith("tables/demo/") for path in holders(rebuilt.root, built.key.encode()))


@pytest.mark.slow
@pytest.mark.fault("I12")
def test_what_others_share_and_other_cities_stay_and_the_ledger_closes(built, rebuilt):
    paths = [path for path in built.root.rglob("*") if path.is_file() and "other" in path.parts]
    paths = [path for path in paths if "digests" not in path.parts]  # these hold times and inodes, a copy's are others
    assert paths
    for path in paths:
        assert (rebuilt.root / path.relative_to(built.root)).read_bytes() == path.read_bytes()
    town = rebuilt
    for digest in (town.shared, town.abroad):
        assert town.store.blobs.path("original", digest).is_file()
    assert town.store.blobs.path("clean", clean_digest(town, town.shared)).is_file()
    release = latest_release(town.store, "demo")
    assert release.posts.num_rows == NUM_POSTS - 1
    ledger = release.manifest.about["ledger"]
    assert (ledger["posts"], ledger["released"], ledger["dropped"]) == (NUM_POSTS, NUM_POSTS - 1, 1)
    assert ledger["dropped/curated_posts/deleted"] == 1
    assert (town.store.report_folder("demo") / "report.html").is_file()
    assert len(list((town.root / "models" / "mrlf" / "demo").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.fault("I12")
def test_the_build_after_that_does_nothing(rebuilt):
    town = rebuilt
    versions = {name: town.store.tables.version("demo", name) for name in forgotten.WRITTEN_BY}
    assert all(build(town.store))
    assert {name: town.store.tables.version("demo", name) for name in forgotten.WRITTEN_BY} == versions


@pytest.mark.slow
def test_without_a_tombstone_a_build_and_a_sweep_remove_nothing(built):
    def on_disk() -> set[Path]:
        return {path for path in built.root.rglob("*") if path.is_file() and path.parent.name != "swept"}

    before = on_disk()
    assert sweep_leftovers(built.store, is_anew=True) == Swept()
    assert all(build(built.store))
    assert on_disk() == before
    assert not (built.root / "forgotten").exists()


def half_withdrawn(folder: Path) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    raise KilledError


@pytest.mark.slow
@pytest.mark.fault("I12")
@pytest.mark.parametrize(
    ("place", "name", "end"),
    [
        pytest.param(Tables, "remove", killed, id="before a row"),
        pytest.param(Blobs, "remove", killed, id="before a blob"),
        pytest.param(forgotten, "_forget_records", killed, id="before the report"),
        pytest.param(forgotten, "_withdraw", half_withdrawn, id="inside a folder"),
        pytest.param(Tables, "erase_history", killed, id="before the tables"),
        pytest.param(forgotten, "mark_swept", killed, id="before the mark"),
    ],
)
def test_a_sweep_that_was_killed_is_finished_by_the_next_build(town, monkeypatch, place, name, end):
    tombstone(town.store, town.key)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, end)
        with pytest.raises(KilledError):
            build(town.store)
    for folder in (town.root / "datasets" / "demo").iterdir():
        manifest = town.store.manifest(folder)
        assert manifest is None or manifest.verify() is None, "a release is whole or none"
    build(town.store, num_stages=NUM_TO_RELEASE)
    for trace in (CANARY.encode(), TAG.encode(), town.own.encode()):
        assert holders(town.root, trace) == []
    assert not [path for path in town.root.rglob(town.own)]
    assert released_cities(town.store) == ["demo"]


@pytest.mark.slow
@pytest.mark.fault("I12")
def test_a_city_whose_last_posts_go_loses_its_release(town):
    tombstone(town.store, *town.store.tables.read("demo", "posts")["post_key"].to_pylist())
    with pytest.raises(StageError, match="no post of demo is left"):
        build(town.store)
    assert released_cities(town.store) == []
    assert [path for path in ("datasets", "reports", "models/mrlf") if list((town.root / path).glob("demo/*"))] == []
    assert town.store.stage_record("demo", "dataset") is None
    assert [path.name for path in (town.root / "blobs").rglob("*") if path.is_file()] == [town.abroad]
    assert holders(town.root, CANARY.encode()) == []


@pytest.mark.slow
def test_a_release_is_not_made_of_posts_that_are_gone_since_they_were_curated(town):
    tombstone(town.store, town.key)
    with pytest.raises(StageError, match="build curated_posts first"):
        build_dataset(town.store, DEMO, STAGES[NUM_TO_RELEASE - 1][1])
    assert released_cities(town.store) == []

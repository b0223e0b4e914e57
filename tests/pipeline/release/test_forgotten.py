"""What is gone leaves everywhere on the next build: tables and their history, pictures, releases, runs, reports."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cities import City
from pipeline.collect import gone
from pipeline.collect.gone import forget_pictures, gone_posts
from pipeline.curate.curated_posts import CuratedPostsSettings, build_curated_posts
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.ledger import write_ledger
from pipeline.release import forgotten
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.forgotten import sweep_forgotten
from pipeline.release.read import latest_release, released_cities
from pipeline.report.evaluate_mrlf import EvaluateMrlfSettings, build_evaluate_mrlf
from pipeline.stage import StageError
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.folders import MANIFEST, seal
from pipeline.store.store import StageBusyError, StageRecord
from pipeline.store.tables import Tables
from pipeline.training.image_features import ImageFeaturesSettings, build_image_features
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import build_train_mrlf
from tests.fakes.city import curated_post, poi, post_of
from tests.fakes.pictures import encoded, pixels

DEMO = City(key="demo", name="Demo", latitude=0.0, longitude=0.0, radius_km=5, is_synthetic=True)
OTHER = DEMO.model_copy(update={"key": "other", "name": "Other"})
CANARY = "zyxcanarycaption"
TAG = "zyxcanarytag"
NUM_POIS, NUM_POSTS = 3, 36
STAGES: list[tuple[Any, Any]] = [
    (build_curated_posts, CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=5, language="any")),
    (build_portrait_masks, PortraitMasksSettings(find_profiles=False, find_bodies=False, num_workers=1)),
    (build_clean_images, CleanImagesSettings(num_workers=1)),
    (build_dataset, DatasetSettings(min_posts_per_poi=5)),
    (build_image_features, ImageFeaturesSettings(weights="builtin", image_size=32)),
    (build_train_mrlf, TrainMrlfSettings(
        max_epochs=1, num_filters=8, num_heads=2, char_dim=8, word_dim=8, image_fc_dim=8, ffn_dim=8, min_word_count=1,
        min_hashtag_count=1, num_threads=1,
    )),
    (build_evaluate_mrlf, EvaluateMrlfSettings(num_resamples=100)),
]  # fmt: skip


def build(store: Store, city: City = DEMO, num_stages: int = len(STAGES)) -> list[bool]:
    """All stages after posts; whether each was reused."""
    return [make(store, city, settings).is_reused for make, settings in STAGES[:num_stages]]


def put_posts(store: Store, city: City, posts: list[dict], pictures: list[str]) -> None:
    """Tables and record as the stage posts leaves them."""
    images = [{"digest": digest, "width": 96, "height": 96, "format": "JPEG", "num_bytes": 1, "outcome": "ok"}
              for digest in sorted(set(pictures))]  # fmt: skip
    for name, rows in (("posts", posts), ("images", images), ("pois", [poi(n) for n in range(NUM_POIS)])):
        store.tables.merge(city.key, name, rows)
    write_ledger(store, city.key, "posts", {})
    record_posts(store, city)


def record_posts(store: Store, city: City) -> None:
    names = ("posts", "images", "drops", "deferred")
    outputs = {name: store.tables.digest(city.key, name, "posts" if name[0] == "d" else None) for name in names}
    versions = {name: store.tables.version(city.key, name) for name in names}
    for stage in ("pois", "posts"):
        kept = names if stage == "posts" else ()
        store.write_stage_record(city.key, StageRecord(
            stage=stage, digest="d", outputs={n: outputs[n] for n in kept}, versions={n: versions[n] for n in kept},
        ))  # fmt: skip


def tombstone(store: Store, post_key: str, city: City = DEMO) -> None:
    """What the collector leaves of a post that is gone."""
    (row,) = [row for row in store.tables.read(city.key, "posts").to_pylist() if row["post_key"] == post_key]
    gone = {"caption": "", "hashtags": [], "image_digests": [], "state": "deleted"}
    store.tables.merge(city.key, "posts", [{**row, **gone}])
    record_posts(store, city)


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


def holders(root: Path, needle: bytes) -> list[str]:
    """The files of a folder that hold these bytes, Parquet files unpacked."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += repr(pq.read_table(path).to_pylist()).encode()
        if needle in data:
            found.append(path.relative_to(root).as_posix())
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Town:
    """A town with a release, a model and a report, before anything is gone."""
    town = make_town(tmp_path_factory.mktemp("built"))
    build(town.store)
    build(town.store, OTHER, 1)
    return town


@pytest.fixture
def town(built, tmp_path) -> Town:
    """A copy of it to change."""
    shutil.copytree(built.root, tmp_path / "store")
    return Town(Store(tmp_path / "store"), built.key, built.own, built.shared, built.abroad)


@pytest.mark.slow
@pytest.mark.fault("I12")
@pytest.mark.fault("S12")
def test_after_the_next_build_nothing_is_found_of_a_deleted_post(town):
    picture = town.store.blobs.get("original", town.own)
    clean = clean_digest(town, town.own)
    traces = [CANARY.encode(), TAG.encode(), town.own.encode(), clean.encode(), picture[-200:-50],
              town.store.blobs.get("clean", clean)[-200:-50]]  # fmt: skip
    assert all(holders(town.root, trace) or list(town.root.rglob(trace.decode("latin-1"))) for trace in traces[:4])
    old = latest_release(town.store, "demo").version
    tombstone(town.store, town.key)
    build(town.store)
    for trace in traces:
        assert holders(town.root, trace) == []
    assert not [path for path in town.root.rglob("*") if path.name in (town.own, clean, old)]
    tables = {path.split("/")[2] for path in holders(town.root, town.key.encode())}
    assert tables == {"posts", "drops"}
    assert all(path.startswith("tables/demo/") for path in holders(town.root, town.key.encode()))


@pytest.mark.slow
@pytest.mark.fault("I12")
def test_what_others_share_and_other_cities_stay_and_the_ledger_closes(town):
    before = {path: path.read_bytes() for path in town.root.rglob("*") if path.is_file() and "other" in path.parts}
    tombstone(town.store, town.key)
    build(town.store)
    assert {path: path.read_bytes() for path in before} == before
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
def test_the_build_after_that_does_nothing(town):
    tombstone(town.store, town.key)
    assert not any(build(town.store))
    versions = {name: town.store.tables.version("demo", name) for name in forgotten.WRITTEN_BY}
    assert all(build(town.store))
    assert {name: town.store.tables.version("demo", name) for name in forgotten.WRITTEN_BY} == versions


@pytest.mark.slow
def test_without_a_tombstone_a_build_sweeps_nothing(built):
    assert all(build(built.store))
    assert not (built.root / "forgotten").exists()


class KilledError(Exception):
    """Stands for the end of the process."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


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
    build(town.store)
    for trace in (CANARY.encode(), TAG.encode(), town.own.encode()):
        assert holders(town.root, trace) == []
    assert not [path for path in town.root.rglob(town.own)]
    assert released_cities(town.store) == ["demo"]


@pytest.mark.slow
@pytest.mark.fault("I12")
def test_a_city_whose_last_posts_go_loses_its_release(town):
    for row in town.store.tables.read("demo", "posts").to_pylist():
        tombstone(town.store, row["post_key"])
    with pytest.raises(StageError, match="no post of demo is left"):
        build(town.store)
    assert released_cities(town.store) == []
    assert [path for path in ("datasets", "reports", "models/mrlf") if list((town.root / path).glob("demo/*"))] == []
    assert town.store.stage_record("demo", "dataset") is None
    assert [path.name for path in (town.root / "blobs").rglob("*") if path.is_file()] == [town.abroad]
    assert holders(town.root, CANARY.encode()) == []


def write_folder(folder: Path, table: str, keys: list[str], **about: str) -> Path:
    """A release or run that names these posts."""
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"post_key": pa.array(keys, pa.string())}), folder / f"{table}.parquet")
    seal(folder, about, [f"{table}.parquet"])
    return folder


@pytest.fixture
def small(store) -> Store:
    """Two releases, of which the first holds the post `a` that is gone, a run of each, and a report."""
    put_posts(store, DEMO, [post_of(curated_post(n, 0, n, [], post_key=key)) for n, key in enumerate("abc")], [])
    datasets, runs = store.root / "datasets" / "demo", store.root / "models" / "mrlf" / "demo"
    write_folder(datasets / "v1", "posts", ["a", "b"])
    write_folder(datasets / "v2", "posts", ["b", "c"])
    write_folder(runs / "r1", "predictions", ["b"], release="v1")
    write_folder(runs / "r2", "predictions", ["c"], release="v2")
    store.report_folder("demo").mkdir(parents=True)
    for stage, about in (("dataset", {"version": "v1"}), ("train_mrlf", {"run": "r2"}), ("evaluate_mrlf", {})):
        store.write_stage_record("demo", StageRecord(stage=stage, digest="d", outputs={}, versions={}, about=about))
    return store


def standing(store: Store) -> list[str]:
    folders = ("datasets/demo", "models/mrlf/demo", "reports")
    return sorted(path.name for folder in folders for path in (store.root / folder).iterdir())


@pytest.mark.fault("S12")
def test_only_what_holds_the_post_or_was_trained_on_it_is_withdrawn(small):
    tombstone(small, "a")
    assert sweep_forgotten(small, "demo") == {"releases": 1, "runs": 1}
    assert standing(small) == ["r2", "v2"]
    assert small.stage_record("demo", "dataset") is None
    assert small.stage_record("demo", "train_mrlf") is not None
    assert small.stage_record("demo", "evaluate_mrlf") is None


def test_a_sweep_where_nothing_went_reads_and_removes_nothing(small, monkeypatch):
    before = standing(small)
    monkeypatch.setattr(pq, "read_table", killed)
    assert sweep_forgotten(small, "demo") == {"releases": 0, "runs": 0}
    assert standing(small) == before


def test_what_was_swept_is_not_swept_again_until_another_post_goes(small, monkeypatch):
    tombstone(small, "a")
    sweep_forgotten(small, "demo")
    with monkeypatch.context() as patch:
        patch.setattr(Tables, "erase_history", killed)
        sweep_forgotten(small, "demo")
        tombstone(small, "c")
        with pytest.raises(KilledError):
            sweep_forgotten(small, "demo")
    sweep_forgotten(small, "demo")
    assert standing(small) == []


@pytest.mark.fault("S12")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / MANIFEST).unlink(), id="without a manifest"),
        pytest.param(lambda folder: (folder / "posts.parquet").unlink(), id="without its posts"),
        pytest.param(lambda folder: (folder / "posts.parquet").write_bytes(b"PAR1"), id="cut"),
    ],
)
def test_a_release_that_cannot_be_shown_to_be_free_of_the_post_goes(small, spoil):
    tombstone(small, "a")
    spoil(small.root / "datasets" / "demo" / "v2")
    sweep_forgotten(small, "demo")
    assert standing(small) == []


@pytest.mark.fault("S12")
def test_a_post_that_was_opted_out_leaves_as_a_deleted_one_does(small):
    small.tables.delete("demo", "posts", "post_key = 'a'")
    write_ledger(small, "demo", "posts", {"a": "opted_out", "x": "no_place"})
    assert gone_posts(small, "demo") == {"a"}
    assert sweep_forgotten(small, "demo") == {"releases": 1, "runs": 1}


@pytest.mark.parametrize("stage", ["posts", "train_mrlf"])
def test_while_another_process_is_at_work_nothing_is_swept_and_the_next_build_does_it(small, monkeypatch, stage):
    monkeypatch.setattr(gone, "LOCK_TIMEOUT_S", 0.1)
    tombstone(small, "a")
    with small.lock("demo", stage), pytest.raises(StageBusyError, match=stage):
        sweep_forgotten(small, "demo")
    assert len(standing(small)) == 5
    assert sweep_forgotten(small, "demo")["releases"] == 1


def test_while_curated_posts_still_holds_the_post_the_sweep_is_not_done(small):
    small.tables.replace("demo", "curated_posts", [curated_post(0, 0, 0, [], post_key="a")])
    tombstone(small, "a")
    sweep_forgotten(small, "demo")
    small.tables.replace("demo", "curated_posts", [])
    sweep_forgotten(small, "demo")
    assert holders(small.tables.path("demo", "curated_posts"), b"a quiet hour") == []


@pytest.mark.fault("I12")
def test_pictures_go_with_the_last_post_of_any_city_that_has_them(store):
    own, shared, abroad = (store.blobs.put("original", encoded(pixels(n))) for n in range(3))
    posts = [curated_post(0, 0, 0, [own, shared, abroad], post_key="a"), curated_post(1, 0, 1, [shared], post_key="b")]
    put_posts(store, DEMO, [post_of(post) for post in posts], [own, shared, abroad])
    put_posts(store, OTHER, [post_of(curated_post(2, 0, 2, [abroad]))], [abroad])
    assert forget_pictures(store, "demo") == 0
    tombstone(store, "a")
    record = store.stage_record("demo", "posts")
    assert forget_pictures(store, "demo") == 2
    assert {path.name for path in (store.root / "blobs").rglob("*") if path.is_file()} == {shared, abroad}
    assert store.tables.read("demo", "images")["digest"].to_pylist() == [shared]
    assert store.tables.read("other", "images")["digest"].to_pylist() == [abroad]
    after = store.stage_record("demo", "posts")
    assert after.versions["images"] == store.tables.version("demo", "images") != record.versions["images"]
    assert after.outputs["images"] == store.tables.digest("demo", "images")
    assert forget_pictures(store, "demo") == 0


@pytest.mark.slow
def test_a_release_is_not_made_of_posts_that_are_gone_since_they_were_curated(town):
    tombstone(town.store, town.key)
    with pytest.raises(StageError, match="build curated_posts first"):
        build_dataset(town.store, DEMO, STAGES[3][1])
    assert released_cities(town.store) == []

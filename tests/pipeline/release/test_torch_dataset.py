"""The release as a PyTorch data set: what was released and nothing else, whatever the number of workers."""

import json
import os
import pickle
import random
import shutil
import signal
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data._utils import signal_handling

from models.vision.backbones import preprocess, resized_side
from pipeline.errors import StageError
from pipeline.picture_bytes import UnreadablePicture, decode_picture
from pipeline.release.dataset import DatasetSettings
from pipeline.release.read import latest_release
from pipeline.release.torch_dataset import ReleaseDataset
from pipeline.store import Store
from pipeline.store.files import IncompleteFolderError, seal
from tests.fakes.city import fill_released_city

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")


@pytest.fixture(scope="module", autouse=True)
def no_handler_stays():
    """DataLoader leaves a handler of SIGCHLD in the process for good; every child of a later test would call it."""
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)
    signal_handling._SIGCHLD_handler_set = False


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Store:
    """A small city's release in shards of ten posts."""
    store = Store(tmp_path_factory.mktemp("released"))
    fill_released_city(store, DatasetSettings(min_posts_per_poi=5, max_samples_per_shard=10), posts_per_poi=10)
    return store


@pytest.fixture
def folder(released) -> Path:
    return latest_release(released, "demo").manifest.folder


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    """A release to damage."""
    return Path(shutil.copytree(folder, tmp_path / "release"))


def tiny(image):
    """A transform that leaves a recognisable bit of the picture."""
    return image[:, :8, :8].clone()


def tagged_with_chance(image):
    """What an augmentation draws in this worker: from torch, Python and numpy."""
    info = get_worker_info()
    drawn = [float(torch.rand(())), random.random(), np.random.rand()]
    return torch.tensor([info.id if info else -1, *drawn], dtype=torch.float64)


def killed_by_the_system(image):
    """As when memory runs out in a worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def batches_of(data, num_workers):
    return list(DataLoader(data, batch_size=4, num_workers=num_workers))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_holds_its_released_posts_and_no_other(released, folder, split):
    data = ReleaseDataset(folder, split, transform=tiny)
    posts = [row for row in latest_release(released, "demo").posts.to_pylist() if row["split"] == split]
    assert len(data) == len(posts) > 0
    for index, post in enumerate(posts):
        sample = data[index]
        assert sample["key"] == post["post_key"] and sample["caption"] == post["caption"]
        assert sample["hashtags"].split() == post["hashtags"] and sample["label"] == post["label"]
        clean = released.blobs.get("clean", post["clean_digest"])
        assert data.jpeg(index) == clean
        assert torch.equal(sample["image"], torch.from_numpy(decode_picture(clean)).permute(2, 0, 1)[:, :8, :8])


def test_posts_of_several_shards_are_found_in_theirs(folder):
    data = ReleaseDataset(folder, "train", transform=tiny)
    assert len(list(folder.glob("train-*.tar"))) > 1
    assert len({data[index]["key"] for index in range(len(data))}) == len(data)


def test_a_city_is_read_from_the_store_in_use(released, folder, monkeypatch):
    monkeypatch.setenv("MRLF_DATA", str(released.root))
    by_city, by_folder = ReleaseDataset("demo", "test"), ReleaseDataset(folder, "test")
    assert by_city.keys == by_folder.keys and torch.equal(by_city[0]["image"], by_folder[0]["image"])
    assert by_city.classes == [label["name"] for label in latest_release(released, "demo").labels]


def test_the_default_collate_makes_batches(folder):
    data = ReleaseDataset(folder, "train")
    batch = next(iter(DataLoader(data, batch_size=5)))
    assert batch["image"].shape == (5, 3, 224, 224) and batch["image"].dtype == torch.uint8
    assert batch["label"].tolist() == data.labels[:5] and batch["label"].dtype == torch.int64
    assert [batch[name] for name in ("caption", "hashtags", "key")] == [
        data.captions[:5],
        data.hashtags[:5],
        data.keys[:5],
    ]


def test_the_picture_is_what_the_backbones_see(folder):
    data = ReleaseDataset(folder, "test")
    whole = decode_picture(data.jpeg(0))
    assert torch.equal(data[0]["image"], preprocess(whole, 224, resized_side("vgg19", 224)))


@pytest.mark.slow
@pytest.mark.fault("T8")
def test_four_workers_give_what_none_gives(folder):
    data = ReleaseDataset(folder, "train", transform=tiny)
    alone, four = batches_of(data, 0), batches_of(data, 4)
    assert len(alone) == len(four) > 4
    for one, other in zip(alone, four, strict=True):
        assert torch.equal(one["image"], other["image"]) and torch.equal(one["label"], other["label"])
        assert all(one[name] == other[name] for name in ("caption", "hashtags", "key"))


@pytest.mark.slow
@pytest.mark.fault("T8")
def test_each_worker_draws_its_own_augmentations_and_the_seed_decides_them(folder):
    data = ReleaseDataset(folder, "train", transform=tagged_with_chance)

    def drawn(seed):
        loader = DataLoader(data, batch_size=4, num_workers=4, generator=torch.Generator().manual_seed(seed))
        return torch.cat([batch["image"] for batch in loader])

    first = drawn(0)
    assert set(first[:, 0].tolist()) == {0, 1, 2, 3}
    for source in (1, 2, 3):
        assert len(set(first[:, source].tolist())) == len(data)
    assert torch.equal(first, drawn(0)) and not torch.equal(first[:, 1:], drawn(1)[:, 1:])


@pytest.mark.fault("T5")
def test_a_killed_worker_is_a_clear_failure_and_no_missing_batch(folder):
    data = ReleaseDataset(folder, "train", transform=killed_by_the_system)
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid.*(killed by signal: Killed|exited unexpectedly)"):
        batches_of(data, 2)


def test_a_picture_that_cannot_be_read_is_named(folder):
    data = ReleaseDataset(folder, "train", transform=tiny)
    data._places[-1, 2] = 100  # as of a shard that is cut while it is read
    with pytest.raises(UnreadablePicture, match=data.keys[-1]):
        batches_of(data, 0)


def test_the_open_data_set_travels_to_another_process(folder):
    data = ReleaseDataset(folder, "test", transform=tiny)
    before = data[0]
    assert torch.equal(pickle.loads(pickle.dumps(data))[0]["image"], before["image"])  # noqa: S301


@pytest.mark.fault("S3")
@pytest.mark.parametrize("name", ["posts.parquet", "train-000001.tar"])
def test_a_file_that_was_changed_is_refused(copied, name):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(IncompleteFolderError, match=name):
        ReleaseDataset(copied, "train")


@pytest.mark.parametrize("text", ["{", "[]", "{}"], ids=["cut", "a list", "empty"])
def test_a_manifest_that_cannot_be_read_is_refused(copied, text):
    (copied / "manifest.json").write_text(text)
    with pytest.raises(IncompleteFolderError, match=r"manifest.json is damaged"):
        ReleaseDataset(copied, "train")


def test_a_label_that_names_no_class_is_refused(copied):
    labels = json.loads((copied / "labels.json").read_text())
    (copied / "labels.json").write_text(json.dumps(labels[:1]))
    seal(copied, {}, [path.name for path in copied.iterdir() if path.name != "manifest.json"])
    with pytest.raises(StageError, match=r"label outside 0\.\.0"):
        ReleaseDataset(copied, "train")


def test_a_folder_may_be_named_as_text(folder):
    assert ReleaseDataset(str(folder), "test").keys == ReleaseDataset(folder, "test").keys


def test_what_lies_beside_the_release_is_not_read(copied):
    before = ReleaseDataset(copied, "train")
    with tarfile.open(copied / "train-000009.tar", "w") as shard:
        shard.add(copied / "labels.json", f"{before.keys[0]}.jpg")
        shard.add(copied / "labels.json", "stranger.jpg")
    after = ReleaseDataset(copied, "train")
    assert after.keys == before.keys and after.jpeg(0) == before.jpeg(0)


@pytest.mark.parametrize(
    ("source", "split", "match"),
    [
        pytest.param("demo", "dev", "splits train, validation, test, not 'dev'", id="no such split"),
        pytest.param("nowhere", "train", "no data set of nowhere yet", id="no such city"),
        pytest.param(Path("tests"), "train", "no folder of a release", id="no release"),
        pytest.param("tests/pipeline", "train", "no folder of a release", id="no release, as text"),
    ],
)
def test_what_is_not_there_is_named_in_the_error(released, monkeypatch, source, split, match):
    monkeypatch.setenv("MRLF_DATA", str(released.root))
    with pytest.raises(StageError, match=match):
        ReleaseDataset(source, split)

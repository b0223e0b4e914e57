"""Reading a release: a changed file is found, and an unchanged shard is not read over and over."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.release import read
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.store import files as folders
from pipeline.store.digests import file_digest
from pipeline.store.files import IncompleteFolderError, seal
from pipeline.store.store import StageRecord

NAMES = ["labels.json", "posts.parquet", "test-000000.tar", "train-000000.tar"]


@pytest.fixture
def released(store) -> Store:
    """A release of two shards."""
    release(store, "v1")
    return store


def release(store: Store, version: str) -> None:
    folder = store.dataset_folder("demo", version)
    folder.mkdir(parents=True)
    (folder / "labels.json").write_text(json.dumps([{"label": 0}]))
    pq.write_table(pa.table({"post_key": ["a"]}), folder / "posts.parquet")
    for name in NAMES[2:]:
        (folder / name).write_bytes(version.encode() * 500)
    seal(folder, {"version": version}, NAMES)
    store.write_stage_record(
        "demo",
        StageRecord(
            stage="dataset",
            digest="d",
            outputs={},
            versions={},
            about={"version": version},
        ),
    )


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The names of the files that are compared from here on."""
    names: list[str] = []
    monkeypatch.setattr(folders, "file_digest", lambda path: (names.append(path.name), file_digest(path))[1])
    return names


def flip(path, keep_times: bool = False) -> None:
    """Change one byte; size stays, and the time that tools show, too, if asked."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_every_file_is_compared_the_first_time_and_then_what_is_read(released, hashed):
    latest_release(released, "demo")
    assert sorted(hashed) == NAMES
    hashed.clear()
    latest_release(released, "demo")
    assert sorted(hashed) == list(read.READ_ALWAYS[::-1])


def test_a_check_by_hand_compares_everything(released, hashed):
    latest_release(released, "demo")
    hashed.clear()
    latest_release(released, "demo", compare_all=True)
    assert sorted(hashed) == NAMES


@pytest.mark.fault("S3")
@pytest.mark.parametrize("keep_times", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_byte_is_found_before_anything_is_made_of_it(released, name, keep_times):
    latest_release(released, "demo")
    flip(released.dataset_folder("demo", "v1") / name, keep_times)
    for _ in range(2):
        with pytest.raises(IncompleteFolderError, match=name):
            latest_release(released, "demo")


@pytest.mark.fault("S3")
@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_found(released, name):
    latest_release(released, "demo")
    (released.dataset_folder("demo", "v1") / name).unlink()
    with pytest.raises(IncompleteFolderError, match=name):
        latest_release(released, "demo")


def test_another_version_is_compared_anew(released, hashed):
    latest_release(released, "demo")
    hashed.clear()
    release(released, "v2")
    hashed.clear()
    assert latest_release(released, "demo").version == "v2"
    assert sorted(hashed) == NAMES

"""What lies in the place of something of ours and is of another kind is set aside and told, and never removed."""

import os
from pathlib import Path

import pytest

from pipeline.lost_pictures import damaged_pictures
from pipeline.privacy.gone import tidy
from pipeline.store import Store
from pipeline.store.store import StageRecord
from pipeline.store.tables import DamagedTableError

VERSION = "0123456789abcdef"


def put(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    make = {
        "folder": path.mkdir,
        "file": path.touch,
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("x"),
    }
    make[kind]()


def aside(path: Path, number: int = 1) -> Path:
    return path.with_name(f".set-aside-{path.name}-{number}")


@pytest.mark.fault("S32")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("stages", "file"),
        ("stages/demo", "file"),
        ("stages/demo/posts.json", "folder"),
        ("stages/demo/posts.json", "pipe"),
        ("digests/demo/posts.json", "folder"),
        ("locks/demo.dataset.lock", "link"),
        ("tables/demo", "file"),
        ("tables/demo/posts", "file"),
        ("tables/demo/posts/_delta_log/00000000000000000000.json", "folder"),
        ("tables/demo/posts/part-00000.snappy.parquet", "folder"),
        ("blobs/clean", "file"),
        ("blobs/clean/ab", "file"),
        ("locks/demo.posts.lock", "folder"),
        ("swept/demo.pictures", "folder"),
        ("forgotten/demo.pictures", "folder"),
        (f"datasets/demo/{VERSION}", "file"),
        (f"datasets/demo/{VERSION}/train-000000.tar", "folder"),
        (f"models/mrlf/demo/{VERSION}/manifest.json", "folder"),
        (f"models/mrlf/demo/{VERSION}/checkpoint", "file"),
        (f"models/mrlf/demo/{VERSION}/checkpoint/checkpoint.safetensors", "folder"),
        (f"models/mrlf/demo/{VERSION}/checkpoint/refit", "file"),
        (f"models/mrlf/demo/{VERSION}/checkpoint/network_1/checkpoint.previous.safetensors", "folder"),
        (f"models/mrlf/demo/{VERSION}/checkpoint/refit/network_1", "file"),
        (f"models/mrlf/demo/{VERSION}/checkpoint/refit/network_1/checkpoint.refused.safetensors", "folder"),
        ("reports/demo/report.json", "folder"),
        ("overrules/demo.csv", "folder"),
        ("private/demo.ids.sqlite", "folder"),
    ],
)
def test_what_is_of_another_kind_is_set_aside(store, caplog, name, kind):
    path = store.root / name
    put(path, kind)
    tidy(store, "demo")
    assert os.path.lexists(aside(path))
    assert not path.exists() or path.is_file() == (kind != "file"), "at most what belongs there has been made again"
    assert f"{path} was " in caplog.text and f"set aside as {aside(path)}" in caplog.text


@pytest.mark.fault("S32")
@pytest.mark.parametrize("name", ["reports/demo/mine", "datasets/demo/mine.txt", "mine", "stages/other/posts.json"])
def test_what_has_a_name_of_its_own_stays_and_so_does_another_citys(store, name):
    put(store.root / name, "folder")
    tidy(store, "demo")
    assert (store.root / name).is_dir()


def test_a_second_one_does_not_take_the_place_of_the_first(store):
    for number in (1, 2):
        put(store.root / "stages" / "demo" / "posts.json", "folder")
        tidy(store, "demo")
        assert aside(store.root / "stages" / "demo" / "posts.json", number).is_dir()


@pytest.mark.fault("S32")
def test_a_link_that_leads_nowhere_is_a_disk_that_is_not_mounted(store):
    (store.root / "tables").symlink_to("/nowhere/at/all")
    with pytest.raises(ValueError, match="tables is a link that leads nowhere: mount the disk"):
        tidy(store, "demo")
    assert (store.root / "tables").is_symlink()


@pytest.mark.fault("S32")
def test_a_folder_in_the_place_of_a_picture_is_no_picture_and_makes_room_for_it(store):
    digest = store.blobs.put("clean", b"picture")
    path = store.blobs.path("clean", digest)
    path.unlink()
    path.mkdir()
    assert damaged_pictures(store, "clean", {digest}) == [digest]
    assert aside(path).is_dir()
    path.mkdir()
    store.blobs.put("clean", b"picture")
    assert store.blobs.get("clean", digest) == b"picture"


@pytest.mark.fault("S32")
def test_a_folder_in_the_place_of_a_file_of_a_table_is_damage_that_is_named(store: Store):
    store.tables.replace("demo", "drops", [{"post_key": "a", "stage": "posts", "reason": "x"}])
    store.write_stage_record("demo", StageRecord(stage="posts", digest="d", outputs={}, versions={}))
    (path,) = store.tables.path("demo", "drops").glob("*.parquet")
    path.unlink()
    path.mkdir()
    with pytest.raises(DamagedTableError, match=f"{path.name}.*`mrlf run demo` makes it again"):
        store.tables.check("demo", "drops")

"""The store's root, pictures, folders with manifests, records and locks."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StageBusyError
from pipeline.store import Store, files
from pipeline.store.blobs import LostPictureError
from pipeline.store.digests import OWN_DIGEST
from pipeline.store.files import OLD_SHAPES, IncompleteFolderError, seal, unseal
from pipeline.store.store import StageRecord


def test_the_root_is_for_its_owner_alone(store):
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.private.stat().st_mode) == 0o700


@pytest.fixture
def new_process(monkeypatch):
    """As if this process had made no store yet; its mask comes back."""
    mask = os.umask(0o022)
    monkeypatch.setattr(files, "_given", [])
    yield
    os.umask(mask)


@pytest.mark.fault("S23")
@pytest.mark.parametrize("mask", [0, 0o002, 0o022, 0o077])
def test_what_a_library_makes_in_a_store_is_the_owners_and_what_goes_elsewhere_as_the_user_wants(
    tmp_path, new_process, mask
):
    os.umask(mask)
    store = Store(tmp_path / "store")
    (store.root / "folder").mkdir()
    sqlite3.connect(store.root / "folder" / "file").execute("create table t (x)")
    with files.modes_of_the_user():
        (tmp_path / "outside").touch()
    os.umask(mask)
    with store.lock("demo", "pois"):
        (store.root / "later").touch()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    inside = {"store": 0o700, "folder": 0o700, "file": 0o600, "later": 0o600}
    assert modes == {**modes, **inside, "outside": 0o666 & ~mask}


def test_a_folder_that_was_open_to_others_is_closed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    assert stat.S_IMODE(Store(tmp_path / "data").root.stat().st_mode) == 0o700


def test_the_root_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "elsewhere"))
    assert Store.open().root == tmp_path / "elsewhere"


@pytest.mark.fault("P26")
def test_the_root_is_of_the_users_home_where_the_variable_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MRLF_DATA", "~/data")
    assert Store.open().root == tmp_path / "data"


@pytest.mark.fault("P26")
def test_a_file_in_place_of_the_root_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="file is no folder"):
        Store.open()


def test_an_address_that_is_no_folder_is_refused(monkeypatch):
    monkeypatch.setenv("MRLF_DATA", "s3://bucket/data")
    with pytest.raises(ValueError, match="only a folder"):
        Store.open()


@pytest.mark.fault("S21")
@pytest.mark.parametrize("name", ["ws%2Fmain", "a%20b", "My Data [2024]", "a\\b", "a|b", "a^b", "a\tb", "a\udcffb"])
@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_whose_name_the_tables_misread_is_refused_in_one_line(tmp_path, monkeypatch, name, is_link):
    folder = tmp_path / name
    if is_link:
        folder.mkdir()
        (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "link" if is_link else folder))
    with pytest.raises(
        ValueError, match=r"no data can lie in .*misreads .*rename the folder or name another as MRLF_DATA"
    ):
        Store.open()


@pytest.mark.fault("S21")
@pytest.mark.parametrize(
    "name",
    ["a b", "Zürich 日本", "100%", "a%zz", "a#b", "a?b=1&c", "a*b", "{a,b}", 'it\'s "a"', "a:b;c,d", "$HOME~", "-a "],
)
def test_tables_lie_in_a_folder_of_any_other_name(tmp_path, monkeypatch, name):
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / name))
    tables = Store.open().tables
    row: dict[str, object] = {"digest": "d", "outcome": "ok", "num_bytes": 1}
    for _ in range(2):
        tables.merge("demo", "images", [row])
    assert [found["digest"] for found in tables.read("demo", "images").to_pylist()] == ["d"]
    tables.erase_history("demo", "images")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_equal_pictures_are_stored_once_under_their_digest(store):
    digest = store.blobs.put("original", b"picture")
    assert store.blobs.put("original", b"picture") == digest
    assert store.blobs.get("original", digest) == b"picture"
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == [digest]


def test_a_removed_picture_is_gone(store):
    digest = store.blobs.put("original", b"picture")
    store.blobs.remove("original", digest)
    store.blobs.remove("original", digest)
    with pytest.raises(FileNotFoundError):
        store.blobs.get("original", digest)


@pytest.mark.fault("S28")
@pytest.mark.parametrize("damage", [b"picturf", b"pict", b""], ids=["flipped", "cut", "empty"])
def test_a_damaged_picture_is_handed_to_nobody_and_is_removed(store, damage):
    digest = store.blobs.put("clean", b"picture")
    path = store.blobs.path("clean", digest)
    path.write_bytes(damage)
    with pytest.raises(LostPictureError, match=rf"{path} was damaged and is removed"):
        store.blobs.get("clean", digest)
    with pytest.raises(LostPictureError, match="is not there"):
        store.blobs.get("clean", digest)
    store.blobs.put("clean", b"picture")
    assert store.blobs.get("clean", digest) == b"picture"


@pytest.mark.fault("S26")
def test_a_damaged_picture_on_a_disk_that_is_read_only_is_handed_to_nobody_either(store, monkeypatch):
    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system", str(path))

    digest = store.blobs.put("clean", b"picture")
    store.blobs.path("clean", digest).write_bytes(b"picturf")
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(LostPictureError, match=r"damaged and cannot be removed \(Read-only file system\)"):
        store.blobs.get("clean", digest)
    assert store.blobs.remove_damaged("clean", digest)


@pytest.mark.fault("S28")
def test_a_picture_that_comes_again_takes_the_place_of_a_cut_one(store):
    digest = store.blobs.put("original", b"picture")
    store.blobs.path("original", digest).write_bytes(b"pict")
    store.blobs.put("original", b"picture")
    assert store.blobs.get("original", digest) == b"picture"


@pytest.mark.fault("I18")
@pytest.mark.skipif(os.geteuid() != 0 and not os.access("/dev/full", os.W_OK), reason="needs /dev/full")
def test_a_full_disk_names_path_and_bytes_and_leaves_nothing(store, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write 7 bytes to .*No space left"):
        store.blobs.put("original", b"picture")
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_a_folder_without_a_manifest_does_not_exist(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    assert unseal(tmp_path) is None
    seal(tmp_path, {"version": "1"}, ["a.txt"])
    manifest = unseal(tmp_path)
    assert manifest is not None
    assert manifest.about == {"version": "1"}
    manifest.verify()


@pytest.mark.fault("S3")
@pytest.mark.parametrize(
    "text",
    ["", '{"about": {}', "[1]", '{"about": {}}', '{"about": [], "files": {}}', '{"about": {}, "files": {"a": 1}}'],
    ids=["empty", "cut", "a list", "no files", "about a list", "files without digests"],
)
def test_a_damaged_manifest_is_refused_by_its_path(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(IncompleteFolderError, match=r"manifest.json is damaged .*: build this version again"):
        unseal(tmp_path)


@pytest.mark.fault("S3")
@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda path: path.write_text("b"), id="a byte flipped"),
        pytest.param(lambda path: path.write_text(""), id="cut"),
        pytest.param(lambda path: path.unlink(), id="missing"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_tells_is_named(tmp_path, harm):
    (tmp_path / "a.txt").write_text("a")
    manifest = seal(tmp_path, {}, ["a.txt"])
    harm(tmp_path / "a.txt")
    with pytest.raises(IncompleteFolderError, match=r"a\.txt"):
        manifest.verify()


@pytest.mark.fault("S29")
@pytest.mark.fault("T16")
@pytest.mark.parametrize("kind", ["datasets/rome", "models/mrlf/rome"])
def test_a_manifest_that_was_changed_anywhere_is_refused_with_the_command_that_mends_it(store, kind):
    folder = store.root / kind / "v1"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    seal(folder, {"version": "v1", "passed": True}, ["a.txt"])
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        harmed = bytearray(whole)
        harmed[place] ^= 1
        path.write_bytes(harmed)
        try:
            manifest = store.manifest(folder)
        except IncompleteFolderError as error:
            assert f"{path} is damaged" in str(error) and "`mrlf run rome` makes it again" in str(error)
        else:  # space between the parts, which says nothing
            assert manifest is not None and manifest.about == {"version": "v1", "passed": True}
            manifest.verify()


def test_a_manifest_of_an_older_version_has_no_digest_and_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    for about in (dict.fromkeys(shape, "1") for shape in OLD_SHAPES):
        seal(tmp_path, about, ["a.txt"])
        content = json.loads((tmp_path / "manifest.json").read_text())
        del content[OWN_DIGEST]
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        manifest = unseal(tmp_path)
        assert manifest is not None and manifest.about == about
        content["about"].popitem()
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        with pytest.raises(IncompleteFolderError, match="it is no manifest"):
            unseal(tmp_path)


def test_records_of_stages_come_back_equal(store):
    record = StageRecord(stage="posts", digest="d", outputs={"posts": "x"}, versions={"posts": 3}, counts={"posts": 2})
    assert store.stage_record("demo", "posts") is None
    store.write_stage_record("demo", record)
    assert store.stage_record("demo", "posts") == record
    assert store.cities() == ["demo"]
    store.forget_stage_record("demo", "posts")
    assert store.stage_record("demo", "posts") is None


@pytest.mark.fault("D6")
def test_a_stage_is_built_by_one_process_at_a_time(store):
    child = f"""
import pathlib, sys
from pipeline.store import Store
with Store(pathlib.Path({str(store.root)!r})).lock("demo", "posts"):
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StageBusyError, match="posts of demo"), store.lock("demo", "posts"):
        pass
    with store.lock("demo", "places"), store.lock("melbourne", "posts"):
        pass
    holder.kill()
    holder.wait()
    with store.lock("demo", "posts", timeout_s=5):
        pass

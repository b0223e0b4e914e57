"""A disk that takes nothing: the error names the path, and what only reads goes on."""

import os
from pathlib import Path

import pytest

from pipeline.store import Store
from pipeline.store.files import naming
from pipeline.store.kept import read_kept, remember_kept
from tests.fakes.permissions import plain_user

pytestmark = pytest.mark.fault("S26")
NOBODY = 65534


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs /dev/full")
def test_an_error_of_the_disk_that_names_no_path_gets_one(tmp_path):
    with (
        pytest.raises(OSError, match=f"cannot write to {tmp_path}: No space left on device"),
        naming(tmp_path),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "gone", "a.txt"), ConnectionRefusedError(111, "refused"), OSError(28, "in /a/b")]
)
def test_any_other_error_stays_as_it_is(tmp_path, error):
    with pytest.raises(OSError) as raised, naming(tmp_path):
        raise error
    assert raised.value is error


def test_what_the_tables_library_says_of_a_full_disk_is_said_with_the_path(store):
    said = "Generic LocalFileSystem error\n  Unable to copy data to file\n  No space left on device (os error 28)"
    with pytest.raises(OSError, match=r"cannot write the table .*/demo/posts: No space") as raised:
        with store.tables._named("demo", "posts"):
            raise OSError(said)
    assert raised.value.errno == 28


def test_what_only_saves_work_is_not_remembered_on_a_disk_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    with plain_user():
        remember_kept(tmp_path / "known.json", {})
        remember_kept(tmp_path / "folder" / "known.json", {})
    assert not list(tmp_path.iterdir())
    tmp_path.chmod(0o700)
    remember_kept(tmp_path / "known.json", {})
    assert read_kept(tmp_path / "known.json", dict) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_store_of_another_user_can_be_read(store):
    store.tables.replace("demo", "drops", [{"post_key": "a", "stage": "posts", "reason": "x"}])
    for path in (store.root, *store.root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(path, NOBODY, NOBODY)
    with plain_user():
        other = Store(Path(store.root))
        assert other.tables.read("demo", "drops").num_rows == 1
        assert other.output_digest("demo", "drops", "posts") == store.tables.digest("demo", "drops", stage="posts")

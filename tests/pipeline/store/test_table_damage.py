"""Damaged tables: no row of them is read or written anew, and mending keeps the rows of the files that are whole."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.records import TABLES
from pipeline.store import Store, kept, table_files
from pipeline.store.digests import file_digest
from pipeline.store.tables import COMMITS_PER_CHECKPOINT, DamagedTableError

NUM_FILES = COMMITS_PER_CHECKPOINT + 3
"""Enough for a checkpoint, and entries of the log behind it."""


def drop(number: int) -> dict[str, object]:
    return {"post_key": f"{number:032x}", "stage": "posts", "reason": "no_place"}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def other_shape(path: Path) -> None:
    path.write_bytes(b'{"a": [1]}')


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A table of many files that was summed up."""
    store = Store(tmp_path_factory.mktemp("store"))
    for number in range(NUM_FILES):
        store.tables.append("town", "drops", [drop(number)])
    store.tables.digest("town", "drops")
    return store.root


@pytest.fixture
def store(built, tmp_path) -> Store:
    """A copy that a test may spoil."""
    return Store(shutil.copytree(built, tmp_path / "data"))


def rows_file(store: Store) -> Path:
    return min(store.tables.path("town", "drops").glob("*.parquet"))


def entry(store: Store, name: str) -> Path:
    return store.tables.path("town", "drops") / "_delta_log" / name


LAST = f"{NUM_FILES - 1:020d}.json"
CHECKPOINT = f"{COMMITS_PER_CHECKPOINT - 1:020d}.checkpoint.parquet"


@pytest.mark.fault("S27")
@pytest.mark.parametrize("harm", [flip, cut, other_shape, Path.unlink])
def test_a_file_that_is_not_what_was_written_is_named_and_only_its_rows_go(store, harm: Callable[[Path], None]):
    path = rows_file(store)
    harm(path)
    told = rf"drops is damaged \({path.name}\): `mrlf run town` makes it again, beginning with its stage posts"
    for use in (
        lambda: store.tables.read("town", "drops"),
        lambda: store.tables.digest("town", "drops"),
        lambda: store.tables.merge("town", "drops", [drop(1)]),
        lambda: store.tables.delete("town", "drops", "reason = 'x'"),
        lambda: store.tables.replace("town", "drops", [], where="stage = 'x'"),
    ):
        with pytest.raises(DamagedTableError, match=told):
            use()
    assert store.tables.mend("town", "drops") == [path.name]
    assert store.tables.read("town", "drops").num_rows == NUM_FILES - 1
    assert store.tables.mend("town", "drops") == []


@pytest.mark.fault("S27")
@pytest.mark.parametrize(
    ("name", "harm"),
    [
        pytest.param(LAST, flip, id="last entry flipped"),
        pytest.param(LAST, cut, id="last entry cut"),
        pytest.param(LAST, Path.unlink, id="last entry gone"),
        pytest.param(LAST, other_shape, id="last entry of another shape"),
        pytest.param(f"{COMMITS_PER_CHECKPOINT:020d}.json", Path.unlink, id="entry in the middle gone"),
        pytest.param(CHECKPOINT, flip, id="checkpoint flipped"),
        pytest.param(CHECKPOINT, cut, id="checkpoint cut"),
        pytest.param("", shutil.rmtree, id="all of it gone"),
    ],
)
def test_a_log_that_is_damaged_is_told_and_written_anew_of_the_whole_files(store, name, harm):
    harm(entry(store, name))
    with pytest.raises(DamagedTableError, match=r"damaged \(_delta_log.*`mrlf run town` makes it again"):
        store.tables.read("town", "drops")
    assert store.tables.mend("town", "drops")
    assert store.tables.read("town", "drops").num_rows == NUM_FILES
    store.tables.merge("town", "drops", [{**drop(0), "reason": "video"}, drop(99)])
    assert store.tables.read("town", "drops").num_rows == NUM_FILES + 1


@pytest.mark.fault("S27")
@pytest.mark.parametrize(
    "in_its_place", [Path.mkdir, Path.touch, lambda path: None], ids=["folder", "file", "nothing"]
)
def test_a_table_that_is_gone_is_not_an_empty_one(store, in_its_place):
    shutil.rmtree(store.tables.path("town", "drops"))
    in_its_place(store.tables.path("town", "drops"))
    with pytest.raises(DamagedTableError, match="_delta_log"):
        store.tables.read("town", "drops")
    store.tables.mend("town", "drops")
    assert store.tables.read("town", "drops").num_rows == 0
    store.tables.append("town", "drops", [drop(1)])
    assert store.tables.read("town", "drops").num_rows == 1


@pytest.mark.fault("S27")
@pytest.mark.parametrize("harm", [cut, other_shape, Path.unlink])
def test_a_file_of_which_nothing_is_kept_is_opened_at_least(store, harm):
    (store.root / "digests" / "town" / "drops.json").write_text("{")
    path = rows_file(store)
    harm(path)
    with pytest.raises(DamagedTableError, match=path.name):
        store.tables.read("town", "drops")
    assert store.tables.mend("town", "drops") == [path.name]
    assert store.tables.read("town", "drops").num_rows == NUM_FILES - 1


@pytest.mark.fault("S27")
def test_a_table_that_was_never_summed_up_is_compared_from_its_replacement_on(store):
    store.tables.replace("other", "drops", [drop(1), drop(2)])
    store.tables.replace("other", "drops", [{**drop(3), "stage": "x"}], where="stage = 'x'")
    assert store.tables.read("other", "drops").num_rows == 3
    flip(min(store.tables.path("other", "drops").glob("*.parquet")))
    with pytest.raises(DamagedTableError):
        store.tables.digest("other", "drops")


def test_a_table_that_was_removed_is_replaced_by_a_whole_one(store):
    shutil.rmtree(store.tables.path("town", "drops"))
    store.tables.replace("town", "drops", [drop(1)])
    assert store.tables.read("town", "drops").num_rows == 1


@pytest.mark.fault("S27")
def test_bytes_that_a_disk_changed_by_itself_are_found_by_a_deep_look_and_from_then_on(store):
    store.tables.check("town", "drops")  # copied files are compared once
    path, kept = rows_file(store), store.root / "digests" / "town" / "drops.json"
    flip(path)
    known, found = table_files.load(TABLES["drops"], kept), path.stat()
    state = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    as_before = {**known.digests, path.name: (known.digests[path.name][0], state)}
    table_files.save(TABLES["drops"], kept, replace(known, digests=as_before))
    store.tables.check("town", "drops")
    for is_deep in (True, False):
        with pytest.raises(DamagedTableError, match=path.name):
            store.tables.check("town", "drops", is_deep=is_deep)


def test_a_file_that_nobody_touched_is_not_read_to_be_compared(store, monkeypatch):
    read: list[str] = []
    monkeypatch.setattr(table_files, "file_digest", lambda path: (read.append(path.name), file_digest(path))[1])
    store.tables.check("town", "drops")
    assert len(read) > NUM_FILES  # a copy: each once
    read.clear()
    store.tables.read("town", "drops")
    store.tables.digest("town", "drops")
    assert not read
    store.tables.append("town", "drops", [drop(88)])
    store.tables.digest("town", "drops")
    assert len(read) == 2  # the new file and the entry of the log
    read.clear()
    store.tables.check("town", "drops", is_deep=True)
    assert len(read) > NUM_FILES


def test_a_store_that_cannot_be_written_is_compared_each_time(store, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(kept, "write_atomically", fail)
    assert store.tables.read("town", "drops").num_rows == NUM_FILES
    flip(rows_file(store))
    with pytest.raises(DamagedTableError):
        store.tables.read("town", "drops")

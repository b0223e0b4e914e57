"""Files of SQLite: what a person can mend is reported with the path, what is our mistake stays what it is."""

import sqlite3
from contextlib import closing

import pytest

from pipeline.store.sqlite_files import DamagedFileError, open_file


def test_a_file_is_written_and_read_as_any_other(tmp_path):
    with closing(open_file(tmp_path / "a.sqlite")) as file:
        file.executescript("CREATE TABLE a (b INTEGER PRIMARY KEY)")
        file.executemany("INSERT INTO a VALUES (?)", [(1,), (2,)])
        assert list(file.execute("SELECT b FROM a")) == file.execute("SELECT b FROM a").fetchall() == [(1,), (2,)]


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"garbage" * 999)
    with closing(open_file(path)) as file, pytest.raises(DamagedFileError, match=rf"{path} is damaged.*move it away"):
        file.execute("SELECT * FROM a")


@pytest.mark.fault("I18")
def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(OSError, match=str(tmp_path / "none")):
        open_file(tmp_path / "none" / "a.sqlite")


@pytest.mark.fault("I18")
def test_a_full_disk_is_no_space_left(tmp_path):
    with closing(open_file(tmp_path / "a.sqlite")) as file:
        file.execute("PRAGMA max_page_count = 2")
        file.execute("CREATE TABLE a (b)")
        with pytest.raises(OSError, match="full") as raised:
            file.execute("INSERT INTO a VALUES (zeroblob(99999))")
    assert raised.value.errno == 28


def test_a_mistake_of_ours_stays_what_it_is(tmp_path):
    with closing(open_file(tmp_path / "a.sqlite")) as file, pytest.raises(sqlite3.OperationalError, match="no such"):
        file.execute("SELECT * FROM a")

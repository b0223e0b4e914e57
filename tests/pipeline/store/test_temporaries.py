"""Temporaries: what a living writer holds stays, what a dead one left goes, and no write is lost between the two."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.store.files import PREFIX, remove_dead, temporary_file, temporary_folder, write_atomically


def left_in(folder) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{PREFIX}*"))


@pytest.mark.fault("S16")
def test_what_its_writer_holds_stays_and_what_nobody_holds_goes(tmp_path):
    with temporary_file(tmp_path) as (_, file), temporary_folder(tmp_path) as folder:
        (tmp_path / f"{PREFIX}dead").touch()
        (tmp_path / f"{PREFIX}folder").mkdir()
        (tmp_path / f"{PREFIX}folder" / "part").touch()
        assert remove_dead(tmp_path.glob(f"{PREFIX}*")) == 2
        assert left_in(tmp_path) == sorted([file.name, folder.name])
    assert left_in(tmp_path) == []


@pytest.mark.fault("S16")
def test_a_writer_that_was_taken_for_a_dead_one_before_it_had_its_lock_begins_anew(tmp_path, monkeypatch):
    make, taken = tempfile.mkstemp, []

    def swept_at_once(**options):
        handle, name = make(**options)
        if not taken:
            taken.append(remove_dead([tmp_path / os.path.basename(name)]))
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", swept_at_once)
    write_atomically(tmp_path / "file", b"words")
    assert taken == [1]
    assert (tmp_path / "file").read_bytes() == b"words"
    assert left_in(tmp_path) == []


def test_writing_beside_a_sweep_loses_nothing(tmp_path):
    def write(number: int) -> None:
        write_atomically(tmp_path / str(number), b"x" * 1000)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(write, number) for number in range(100)]
        while not all(one.done() for one in done):
            remove_dead(tmp_path.glob(f"{PREFIX}*"))
        for one in done:
            one.result()
    assert len(list(tmp_path.iterdir())) == 100

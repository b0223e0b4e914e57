"""Checkpoint files: the round trip, two generations, and a crash between any two steps of writing."""

import os
import resource
from contextlib import contextmanager

import pytest
import torch

from models.training.run import (
    LATEST,
    PREVIOUS,
    REFUSED,
    Checkpoint,
    CheckpointWriteError,
    read_checkpoint,
    write_checkpoint,
)


def checkpoint(number):
    return Checkpoint({"weight": torch.full((3,), float(number))}, {"number": number, "float": 0.1 + number})


def test_what_is_read_is_what_was_written_last(tmp_path):
    assert read_checkpoint(tmp_path, "run") is None
    for number in (1, 2, 3):
        write_checkpoint(tmp_path, checkpoint(number), "run")
    found = read_checkpoint(tmp_path, "run")
    assert found.state == {"number": 3, "float": 3.1}
    assert torch.equal(found.tensors["weight"], torch.full((3,), 3.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == [PREVIOUS, LATEST]


@pytest.mark.fault("T5")
@pytest.mark.parametrize("crash_at", [0, 1])
def test_a_crash_while_writing_leaves_the_last_good_one(tmp_path, monkeypatch, crash_at):
    write_checkpoint(tmp_path, checkpoint(1), "run")
    renames, replace = [], os.replace

    def crashing(source, target):
        if len(renames) == crash_at:
            raise OSError("disk full")
        renames.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", crashing)
    with pytest.raises(CheckpointWriteError, match="disk full"):
        write_checkpoint(tmp_path, checkpoint(2), "run")
    assert read_checkpoint(tmp_path, "run").state["number"] == 1


@pytest.mark.fault("T5")
def test_a_crash_after_a_damaged_one_was_refused_still_leaves_the_good_one(tmp_path, monkeypatch):
    for number in (1, 2):
        write_checkpoint(tmp_path, checkpoint(number), "run")
    (tmp_path / LATEST).write_bytes(b"damaged")
    assert read_checkpoint(tmp_path, "run").state["number"] == 1

    def crash(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(CheckpointWriteError):
        write_checkpoint(tmp_path, checkpoint(3), "run")
    assert read_checkpoint(tmp_path, "run").state["number"] == 1
    assert (tmp_path / REFUSED).read_bytes() == b"damaged"


@contextmanager
def four_kib_a_file():
    """The system lets this process write 4 KiB to a file at most: for one call, since pytest writes files too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault("T5")
def test_a_disk_that_takes_no_more_ends_in_words_and_the_last_good_one_stays(tmp_path):
    """The write itself fails half-way."""
    write_checkpoint(tmp_path, checkpoint(1), "run")
    large = Checkpoint({"weight": torch.zeros(10_000)}, {"number": 2})
    full = r"could not be written \(File too large\); the last state before it is kept: make room"
    with pytest.raises(CheckpointWriteError, match=full), four_kib_a_file():
        write_checkpoint(tmp_path, large, "run")
    assert [path.name for path in tmp_path.iterdir()] == [LATEST]
    assert read_checkpoint(tmp_path, "run").state["number"] == 1


@pytest.mark.fault("T6")
def test_a_pickle_in_the_place_of_a_checkpoint_is_refused_and_not_run(tmp_path, caplog):
    class Foreign:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save(Foreign(), tmp_path / LATEST)
    assert read_checkpoint(tmp_path, "run") is None
    assert "cannot be read" in caplog.text and not (tmp_path / "ran").exists()

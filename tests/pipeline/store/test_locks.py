"""Locks: shared by many or held by one; who waits says so once, and gives up in time."""

import logging
import threading

import pytest

from pipeline.store.files import exclusive_lock, shared_lock


def busy(waited_s: float) -> Exception:
    return TimeoutError(f"waited {waited_s:.1f} s")


def test_many_share_it_and_one_that_wants_it_alone_is_refused(tmp_path):
    path = tmp_path / "locks" / "a.lock"
    with shared_lock(path), shared_lock(path), pytest.raises(TimeoutError, match=r"waited 0\.0 s"):
        with exclusive_lock(path, busy=busy):
            pytest.fail("it is shared")
    with exclusive_lock(path, busy=busy):
        pass


def test_who_waits_says_so_once_and_goes_on_when_it_is_free(tmp_path, caplog):
    path, held, leave = tmp_path / "a.lock", threading.Event(), threading.Event()

    def hold():
        with exclusive_lock(path, busy=busy):
            held.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    with caplog.at_level(logging.INFO, "mrlf"):
        with pytest.raises(TimeoutError), exclusive_lock(path, 0.2, busy=busy, waiting="another one has it"):
            pytest.fail("it is held")
        assert caplog.messages == ["another one has it"]
        leave.set()
        with exclusive_lock(path, 30, busy=busy, waiting="another one has it"):
            holder.join()

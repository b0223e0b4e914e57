"""Termination, run by `test_termination.py` by itself: work is asked to end, and the signal is handed on later."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from pipeline.errors import IncompleteError
from pipeline.training import termination
from pipeline.training.termination import SIGNALS, asked_to_end


@pytest.fixture(autouse=True)
def handlers():
    """The handlers of this process are put back after a test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_nothing_is_asked_where_no_signal_comes(handlers):
    with asked_to_end("work") as should_stop:
        assert not should_stop()
        assert signal.getsignal(signal.SIGTERM) is not handlers[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


@pytest.mark.fault("T5")
def test_sigterm_is_a_question_first_and_an_incomplete_work_afterwards(handlers):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(IncompleteError, match="the training was asked to end"), asked_to_end("the training") as ask:
        signal.raise_signal(signal.SIGTERM)
        assert ask()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.fault("T5")
def test_what_is_said_after_a_terminal_has_closed_is_no_error(monkeypatch):
    read, terminal = os.pipe()
    os.close(read)
    monkeypatch.setattr(termination, "open_terminals", lambda: [terminal])
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.raises(IncompleteError), asked_to_end("work"):
        signal.raise_signal(signal.SIGHUP)
        os.write(terminal, b"its state is kept")
    os.close(terminal)


def test_the_works_own_error_is_kept():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(IncompleteError, match="stopped in step 3"), asked_to_end("the training"):
        signal.raise_signal(signal.SIGTERM)
        raise IncompleteError("stopped in step 3", reason="terminated")


@pytest.mark.parametrize("number", SIGNALS)
def test_whoever_handled_the_signal_before_gets_it_once_the_work_is_put_away(number):
    order = []
    signal.signal(number, lambda *_: order.append("handler before"))
    with pytest.raises(IncompleteError), asked_to_end("work") as should_stop:
        signal.raise_signal(number)
        assert should_stop()
        order.append("state is saved")
        raise IncompleteError("stopped", reason="terminated")
    assert order == ["state is saved", "handler before"]


def test_ctrl_c_stays_ctrl_c():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), asked_to_end("work"):
        signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_does_not_wait():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), asked_to_end("work"):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one was waited with")


def test_a_second_sigterm_ends_the_process_at_once():
    code = """
import os, signal
from pipeline.training.termination import asked_to_end
with asked_to_end("work"):
    signal.raise_signal(signal.SIGTERM)
    print("one", flush=True)
    signal.raise_signal(signal.SIGTERM)
    print("two", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "one\n")


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asked_to_end("work") as should_stop:
        signal.raise_signal(signal.SIGINT)
        assert not should_stop()


def test_in_another_thread_nothing_is_asked_and_nothing_changes(handlers):
    seen = []

    def work():
        with asked_to_end("work") as should_stop:
            seen.append((should_stop(), {number: signal.getsignal(number) for number in SIGNALS}))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, handlers)]

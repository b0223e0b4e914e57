"""A command in the background of a script is told to ignore Ctrl-C, and nothing in it hears one."""

import signal

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app


@pytest.mark.fault("M19")
@pytest.mark.parametrize("told", [signal.SIG_IGN, signal.default_int_handler], ids=["ignore", "listen"])
def test_ctrl_c_is_blocked_where_it_is_ignored_before_any_thread_begins(told):
    handler, mask = signal.signal(signal.SIGINT, told), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        assert CliRunner().invoke(app, ["cities"]).exit_code == 0
        is_blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    assert is_blocked == (told is signal.SIG_IGN)

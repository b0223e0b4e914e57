"""What every test may use: an empty store, and the recorded data where it is at hand."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import Store


def pytest_configure() -> None:
    """Listen to Ctrl-C also where the tests run in the background of a script, whose children ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def sigterm() -> Iterator[None]:
    """Put the handler of SIGTERM back: Dagster leaves that of Ctrl-C in its place after a run in the same process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if signal.getsignal(signal.SIGTERM) is not before:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty store in a folder of its own."""
    return Store(tmp_path / "data")


@pytest.fixture
def shared_data() -> Path:
    """The folder of recorded answers and photos, which is not part of the project."""
    folder = Path(os.environ.get("MRLF_SHARED_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs shared data: no recorded data at MRLF_SHARED_DATA or ../shared/data")
    return folder

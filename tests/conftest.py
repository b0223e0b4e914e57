"""What every test may use: an empty store, and the recorded data where it is at hand."""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from pipeline.store import Store
from pipeline.weights.converting import convert


def pytest_configure() -> None:
    """Listen to Ctrl-C also where the tests run in the background of a script, whose children ignore it."""
    gc.set_threshold(50_000, 20, 20)  # with 700, as Python begins, it is a twelfth of all work
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Do not look for garbage among what is imported and collected, which stays: that was 6 of 15 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Libraries that look at their end for what was leaked would see all that is frozen."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def sigterm() -> Iterator[None]:
    """Put the handler of SIGTERM back: Dagster leaves that of Ctrl-C in its place after a run in the same process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if signal.getsignal(signal.SIGTERM) is not before:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session", autouse=True)
def converted_here() -> Iterator[None]:
    """Weights of one's own are converted in this process: each process for it imports torch anew.

    What that process promises is tested in `tests/pipeline/weights/test_bombs.py`, where it is in its place.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.weights.weights_store.convert_apart", convert)
        yield


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

"""What every test may use: an empty store, and the recorded data where it is at hand."""

import os
from pathlib import Path

import pytest

from pipeline.store import Store


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

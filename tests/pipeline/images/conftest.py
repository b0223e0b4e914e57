"""The picture stages run in the process of the test; those that are killed run in processes of their own."""

from collections.abc import Iterator

import pytest

from pipeline.weights.converting import convert
from tests.fakes.engine import in_this_process


@pytest.fixture(scope="module", autouse=True)
def without_processes() -> Iterator[None]:
    """Neither workers nor the conversion of a file of one's own have a process apart; what is apart: `test_bombs`."""
    with in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.weights.weights_store.convert_apart", convert)
        yield

"""The picture stages run in the process of the test; those that are killed run in processes of their own."""

import pytest

from tests.fakes.engine import in_this_process


@pytest.fixture(scope="module", autouse=True)
def without_worker_processes():
    with in_this_process():
        yield

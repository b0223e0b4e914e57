"""Servers of the town's predictor."""

from collections.abc import Iterator

import pytest
import requests

from tests.fakes.town_server import served


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server with the usual limits."""
    with served() as address:
        yield address


@pytest.fixture
def ask(server):
    """Sends a question and returns the answer: `ask(photo, caption=..., top=...)`."""

    def send(photo: bytes | None = None, **fields: object) -> requests.Response:
        files = {} if photo is None else {"image": ("photo", photo)}
        # (None, text) makes a field of a form even where there is no file
        form = {name: (None, str(value)) for name, value in fields.items()}
        return requests.post(f"{server}/predict", files={**form, **files}, timeout=30)

    return send

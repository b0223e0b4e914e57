"""Weights to fetch and add: a small U²-Net of random numbers, a server, a store of weights that knows only these."""

import hashlib
import io
from collections.abc import Callable, Iterator
from functools import lru_cache

import pytest
import torch

from models.vision.u2net_weights import random_state
from pipeline.weights.apart import convert_apart
from pipeline.weights.registry import WeightsEntry
from pipeline.weights.transfer import TransferLimits
from pipeline.weights.weights_store import WeightsStore
from tests.fakes.weights_server import WeightsServer

QUICK = TransferLimits(
    connect_s=1, silence_s=0.3, answer_s=1, patience_s=3, slowest_bytes_per_s=1e9, max_bytes=2**24, pause_s=0
)


def saved(stored: object) -> bytes:
    """What `torch.save` makes of it."""
    file = io.BytesIO()
    torch.save(stored, file)
    return file.getvalue()


@lru_cache
def drawn_u2netp(seed: int) -> bytes:
    """A file like the official one, of random weights."""
    return saved(random_state("u2netp", seed=seed))


@pytest.fixture(scope="session")
def u2netp_pth() -> bytes:
    """The file that the server has as a rule."""
    return drawn_u2netp(0)


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    """An empty server."""
    with WeightsServer() as made:
        yield made


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch) -> None:
    """No mirror of the machine's own, and nothing remembered of the test before."""
    from pipeline.weights import fetching, weights_store

    monkeypatch.delenv("MRLF_WEIGHTS_MIRROR", raising=False)
    weights_store._unavailable.clear()
    fetching._unreachable.clear()


@pytest.fixture(autouse=True)
def apart(request, monkeypatch) -> None:
    """The tests of bombs convert in a process apart, as the product does."""
    if any(mark.args == ("S31",) for mark in request.node.iter_markers("fault")):
        monkeypatch.setattr("pipeline.weights.weights_store.convert_apart", convert_apart)


def entry_for(body: bytes, *addresses: str, **changes: object) -> WeightsEntry:
    """The entry of a file that is u2netp."""
    fields = {
        "name": "small_net",
        "architecture": "u2netp",
        "file_name": "small.pth",
        "about": "for tests",
        "licence": "none",
        "used_by": "portrait_masks",
        "addresses": addresses,
        "sha256": hashlib.sha256(body).hexdigest(),
        "num_bytes": len(body),
        "page": "https://example.invalid",
        **changes,
    }
    return WeightsEntry(**fields)


@pytest.fixture
def weights_store_of(tmp_path) -> Callable[..., WeightsStore]:
    """Makes a store of weights that knows these entries."""

    def make(*entries: WeightsEntry, limits: TransferLimits = QUICK) -> WeightsStore:
        return WeightsStore(tmp_path / "weights", registry={entry.name: entry for entry in entries}, limits=limits)

    return make

"""Each format the whole way: published file, server, store of weights, converted file, network, equal output."""

import io
import warnings

import pytest
import torch
from torch import Tensor, nn

from models.vision.lama_weights import build as build_lama
from models.vision.lama_weights import expected_shapes
from models.vision.u2net_weights import MODULES, random_state
from pipeline.weights.converting import build_network
from pipeline.weights.transfer import TransferLimits
from tests.fakes.short_lama import one_block
from tests.pipeline.weights.conftest import entry_for


def onnx_of(network: nn.Module) -> bytes:
    """The graph that the older exporter makes, batch norm folded, as rembg's files."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(1, 3, 32, 32),), file, dynamo=False, opset_version=11)
    return file.getvalue()


def torchscript_of(state: dict[str, Tensor]) -> bytes:
    """A program with these weights under `model.generator.`, as big-lama.pt has them."""
    root = nn.Module()
    for name, tensor in state.items():
        *modules, last = f"model.generator.{name}".split(".")
        at = root
        for part in modules:
            if not hasattr(at, part):
                at.add_module(part, nn.Module())
            at = getattr(at, part)
        at.register_buffer(last, tensor)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(root), file)
    return file.getvalue()


@pytest.fixture
def fetched(server, weights_store_of):
    """The weights that come of a file behind an address."""

    def fetch(body: bytes, architecture: str, file_name: str):
        address = server.put(f"/{file_name}", body)
        entry = entry_for(body, address, architecture=architecture, file_name=file_name)
        weights_store = weights_store_of(entry, limits=TransferLimits())
        return weights_store.fetch(entry.name)

    return fetch


@pytest.mark.slow
def test_onnx(fetched):
    network = MODULES["u2netp"]()
    network.load_state_dict(random_state("u2netp", seed=3))
    found = fetched(onnx_of(network.eval()), "u2netp", "u2netp.onnx")
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        ours, expected = build_network(found.path, "u2netp")(picture), network(picture)
    assert (ours - expected).abs().max() <= 1e-5


@pytest.mark.slow
def test_torchscript(fetched):
    with one_block():
        generator = torch.Generator().manual_seed(0)
        state = {
            name: torch.tensor(0) if not shape else torch.rand(shape, generator=generator) * 0.01
            for name, shape in expected_shapes().items()
        }
        found = fetched(torchscript_of(state), "big_lama", "big-lama.pt")
        built, expected = build_network(found.path, "big_lama"), build_lama(state)
        pairs = zip(built.state_dict().values(), expected.state_dict().values(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)

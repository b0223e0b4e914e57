"""Weights of LaMa: the official list, taken under three prefixes, and nothing else taken."""

import pytest
import torch
from torch import nn

from models.vision.lama import Lama
from models.vision.lama_weights import PREFIXES, build, check_state, expected_shapes, fold
from tests.fakes.reference_lama import drawn_generator

LAST_BIAS = "model.34.bias"


@pytest.fixture(scope="module")
def state():
    return dict(drawn_generator().state_dict())


def test_the_list_is_as_large_as_the_published_file():
    """big-lama.pt has 205,669,692 bytes: the numbers, the program and the zip around them."""
    shapes = expected_shapes()
    num_bytes = sum(
        torch.Size(shape).numel() * (8 if name.endswith("num_batches_tracked") else 4)
        for name, shape in shapes.items()
    )
    assert 0 < 205_669_692 - num_bytes < 2_000_000


@pytest.mark.parametrize("prefix", PREFIXES, ids=["jit", "checkpoint", "generator"])
def test_the_prefix_of_all_names_is_removed(state, prefix):
    stored = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    checked = check_state(stored, "file")
    assert list(checked) == list(expected_shapes())
    assert all(torch.equal(checked[name], tensor) for name, tensor in state.items())


def test_halves_become_floats(state):
    stored = {**state, LAST_BIAS: state[LAST_BIAS].half()}
    assert check_state(stored, "file")[LAST_BIAS].dtype == torch.float32


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda s: s.pop(LAST_BIAS), "lacks model.34.bias", id="one is missing"),
        pytest.param(lambda s: s.update(extra=torch.zeros(1)), "holds extra, unknown", id="one too many"),
        pytest.param(lambda s: s.update({LAST_BIAS: torch.zeros(4)}), r"34.bias of shape \(4,\), not", id="shape"),
        pytest.param(
            lambda s: s.update({LAST_BIAS: torch.full((3,), torch.nan)}),
            "34.bias with values that are not finite",
            id="NaN",
        ),
        pytest.param(
            lambda s: s.update({LAST_BIAS: [0, 0, 0]}), r"holds model.34.bias \(list\), no tensor", id="a list"
        ),
        pytest.param(
            lambda s: s.update({f"generator.{LAST_BIAS}": s.pop(LAST_BIAS)}), "lacks model.34.bias", id="mixed"
        ),
    ],
)
def test_what_is_not_big_lama_is_refused_by_name(state, change, message):
    stored = dict(state)
    change(stored)
    with pytest.raises(ValueError, match=message) as refused:
        check_state(stored, "this.pt")
    assert "this.pt" in str(refused.value)
    assert "big-lama.pt" in str(refused.value)


@pytest.mark.fault("M11")
@pytest.mark.parametrize("stored", [{}, None, [1], {"fc.weight": torch.zeros(2)}], ids=["empty", "none", "list", "fc"])
def test_no_state_dict_of_lama_at_all(stored):
    with pytest.raises(ValueError, match="Big-LaMa"):
        check_state(stored, "this.pt")


@pytest.mark.slow
def test_folding_leaves_no_batch_norm_and_fits_the_folded_network(state):
    folded = fold(check_state(state, "drawn"))
    lama = Lama(is_folded=True)
    lama.load_state_dict(folded, strict=True, assign=True)
    assert not [layer for layer in lama.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {tensor.dtype for tensor in folded.values()} == {torch.float32}


@pytest.mark.slow
def test_what_is_built_evaluates_and_learns_nothing(state):
    module = build(check_state(state, "drawn"))
    assert not module.training
    assert not [name for name, parameter in module.named_parameters() if parameter.requires_grad]

"""Weights of U²-Net: the official list, what is refused and why, and folding."""

import numpy as np
import pytest
import torch

from models.vision.u2net_weights import (
    MODULES,
    Convolution,
    build,
    check_state,
    expected_convolutions,
    expected_shapes,
    fold,
    from_folded,
    random_state,
)

BYTES_PER_NUMBER = 4


@pytest.fixture(scope="module")
def small():
    return random_state("u2netp")


def folded_convolutions(state, name="u2netp"):
    """What a graph without names holds of these weights."""
    folded = fold(state, name)
    return [
        Convolution(folded[f"{fact.name}.weight"].numpy(), folded[f"{fact.name}.bias"].numpy(), fact.dilation)
        for fact in expected_convolutions(name)
    ]


@pytest.mark.parametrize(
    ("name", "num_parameters"),
    [pytest.param("u2net", 44_009_869, id="u2net"), pytest.param("u2netp", 1_131_181, id="u2netp")],
)
def test_the_official_networks_have_as_many_parameters_as_published(name, num_parameters):
    shapes = expected_shapes(name, is_folded=False)
    trained = [shape for key, shape in shapes.items() if not key.endswith(("mean", "var", "tracked"))]
    assert sum(int(np.prod(shape)) for shape in trained) == num_parameters


def test_the_published_onnx_file_holds_the_folded_numbers_and_a_small_graph():
    numbers = sum(int(np.prod(shape)) for shape in expected_shapes("u2net", is_folded=True).values())
    assert 0 < 175_997_641 - BYTES_PER_NUMBER * numbers < 100_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["u2net", "u2netp"])
def test_folding_keeps_the_output(name):
    state = random_state(name, seed=5)
    with torch.device("meta"):
        full = MODULES[name]()
    full.load_state_dict(state, assign=True)
    x_23HW = torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = full.eval()(x_23HW) - build(name, state)(x_23HW)
    assert float(difference.abs().max()) <= 1e-5
    moved = [state[key] for key in state if key.endswith("running_mean")]
    assert all(float(mean.abs().max()) > 0.05 for mean in moved)  # batch norm had something to do


def test_a_folded_state_is_taken_as_it_is(small):
    folded = fold(small, "u2netp")
    assert set(folded) == set(expected_shapes("u2netp", is_folded=True))
    again = build("u2netp", check_state(folded, "u2netp", "a file")).state_dict()
    assert all(torch.equal(again[key], folded[key]) for key in folded)


def test_a_network_that_was_built_is_at_rest(small):
    network = build("u2netp", {key: tensor.double() if tensor.ndim else tensor for key, tensor in small.items()})
    assert not network.training
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    assert not any(tensor.requires_grad for tensor in network.parameters())


def test_a_file_from_before_batch_norm_counted_is_taken(small):
    old = {key: tensor for key, tensor in small.items() if not key.endswith("tracked")}
    assert list(check_state(old, "u2netp", "a file")) == list(expected_shapes("u2netp", is_folded=False))


def without(*gone):
    return lambda state: {key: tensor for key, tensor in state.items() if key not in gone}


NORM = "stage1.rebnconvin.bn_s1"


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(without("side3.bias"), r"lacks side3\.bias", id="a tensor less"),
        pytest.param(without(f"{NORM}.running_var"), rf"lacks {NORM}\.running_var", id="half a batch norm"),
        pytest.param(lambda s: s | {"side7.weight": torch.zeros(1)}, r"side7\.weight, unknown", id="a tensor more"),
        pytest.param(lambda s: s | {"outconv.weight": torch.zeros(1, 7, 1, 1)}, r"\(1, 7, 1, 1\), not", id="shape"),
        pytest.param(
            lambda s: {f"module.{k}": t for k, t in s.items()}, r"lacks stage1\.rebnconvin", id="other names"
        ),
        pytest.param(
            lambda s: {"epoch": 3, "model": s},
            r"holds epoch \(int\), no tensor; it holds model \(OrderedDict\), no tensor",
            id="checkpoint",
        ),
        pytest.param(lambda s: list(s.values()), "holds a list", id="no names"),
        pytest.param(
            lambda s: s | {"side1.bias": torch.full((1,), torch.inf)}, "side1.bias with values", id="infinite"
        ),
        pytest.param(lambda s: {}, "235 more differences", id="nothing"),
        pytest.param(
            lambda s: s | {"stage1.rebnconvin.conv_s1.weight": torch.zeros(64, 4, 3, 3)},
            r"\(64, 4, 3, 3\), not \(64, 3, 3, 3\)",
            id="four channels",
        ),
    ],
)
def test_another_network_is_refused_with_the_difference(small, change, match):
    with pytest.raises(ValueError, match=match) as refused:
        check_state(change(small), "u2netp", "weights.pth")
    assert "weights.pth" in str(refused.value)


@pytest.mark.fault("M11")
def test_the_small_network_is_not_taken_for_the_large_one(small):
    with pytest.raises(ValueError, match=r"is not u2net: .* more differences.*Take the official file of u2net"):
        build("u2net", small)


def test_convolutions_without_names_find_their_places(small):
    found = from_folded(folded_convolutions(small), "u2netp", "a file")
    expected = fold(small, "u2netp")
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def swapped(first, second):
    def swap(items):
        items = list(items)
        items[first], items[second] = items[second], items[first]
        return items

    return swap


def changed(number, **parts):
    return lambda items: [item._replace(**parts) if at == number else item for at, item in enumerate(items)]


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(lambda items: items[:-1], "has 118 convolutions where u2netp has 119", id="one less"),
        pytest.param(lambda items: [*items, items[-1]], "has 120 convolutions", id="one more"),
        pytest.param(swapped(0, 1), r"number 1 is \(16, 64, 3, 3\).*stage1\.rebnconvin", id="other order"),
        pytest.param(swapped(6, 7), r"number 7 is .*dilation 2; stage1\.rebnconv6", id="only the dilation differs"),
        pytest.param(changed(118, bias=np.zeros(2, np.float32)), "number 119 is .* with 2 biases", id="biases"),
        pytest.param(changed(118, weight=np.zeros((1, 6, 3, 3), np.float32)), "outconv should stand", id="kernel"),
    ],
)
def test_convolutions_of_another_network_are_refused_by_their_number(small, change, match):
    with pytest.raises(ValueError, match=match):
        from_folded(change(folded_convolutions(small)), "u2netp", "small.onnx")


@pytest.mark.fault("M11")
def test_the_convolutions_of_the_small_network_are_not_taken_for_the_large_one(small):
    with pytest.raises(ValueError, match=r"number 1 is .*; stage1\.rebnconvin\.conv_s1 should|number 2 is "):
        from_folded(folded_convolutions(small), "u2net", "small.onnx")

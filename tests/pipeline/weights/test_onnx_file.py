"""Reading ONNX: a network exported with batch norm folded and names lost comes back equal, or is refused by name."""

import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from models.vision.u2net import ResidualUBlock, Stage
from models.vision.u2net_weights import MODULES, build, from_folded, random_state
from pipeline.weights.onnx_file import read_convolutions

SIDE = 64


@pytest.fixture(scope="module")
def state():
    return random_state("u2netp", seed=2)


@pytest.fixture(scope="module")
def network(state):
    """With batch norm, as the official export starts from."""
    network = MODULES["u2netp"]()
    network.load_state_dict(state)
    return network.eval()


def exported(network, path, **options):
    """As rembg's file was made: from the network with batch norm, which the exporter folds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(1, 3, SIDE, SIDE),), path, **options)
    return onnx.load(path)


@pytest.fixture(scope="module")
def model(network, tmp_path_factory):
    """The graph of the older exporter at opset 11, which rembg's files have."""
    path = tmp_path_factory.mktemp("onnx") / "u2netp.onnx"
    return exported(network, path, dynamo=False, opset_version=11)


def nameless(model, seed=0):
    """Every tensor's name a number that says nothing, the stored tensors in any order."""
    rng = np.random.default_rng(seed)
    scrambled = onnx.ModelProto()
    scrambled.CopyFrom(model)
    names = {name for node in scrambled.graph.node for name in (*node.input, *node.output) if name}
    numbers = dict(zip(sorted(names), map(str, rng.permutation(10_000)), strict=False))
    for node in scrambled.graph.node:
        node.name = ""
        node.input[:] = [numbers.get(name, name) for name in node.input]
        node.output[:] = [numbers.get(name, name) for name in node.output]
    stored = list(scrambled.graph.initializer)
    del scrambled.graph.initializer[:]
    for at in rng.permutation(len(stored)):
        stored[at].name = numbers.get(stored[at].name, stored[at].name)
        scrambled.graph.initializer.append(stored[at])
    return scrambled


def saved(model, tmp_path):
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def read_back(path):
    return build("u2netp", from_folded(read_convolutions(path), "u2netp", path.name))


def largest_difference(first, second):
    pictures = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return float((first(pictures) - second(pictures)).abs().max())


@pytest.mark.slow
def test_a_network_without_names_comes_back_equal(network, model, tmp_path):
    path = saved(nameless(model), tmp_path)
    kinds = {node.op_type for node in model.graph.node}
    assert "Conv" in kinds and "BatchNormalization" not in kinds
    assert b"rebnconv" not in path.read_bytes()
    assert largest_difference(read_back(path), network) <= 1e-5


@pytest.mark.slow
def test_so_does_one_of_the_present_exporter(tmp_path):
    """One block, which has all that the network has: dilations, batch norm, pooling, resizing, concatenation."""
    stage = Stage(5, 3, 4, 8)
    block, folded = (ResidualUBlock(stage, is_folded=is_folded).eval() for is_folded in (False, True))
    for norm in (layer for layer in block.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        for number, values in enumerate((norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data)):
            values.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(number))
    model = exported(block, tmp_path / "present.onnx", dynamo=True, external_data=False, verbose=False)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    found = read_convolutions(saved(nameless(model), tmp_path))
    layers = [layer for layer in folded.modules() if isinstance(layer, torch.nn.Conv2d)]
    for layer, convolution in zip(layers, found, strict=True):
        assert layer.dilation == (convolution.dilation,) * 2
        state = {"weight": torch.from_numpy(convolution.weight), "bias": torch.from_numpy(convolution.bias)}
        layer.load_state_dict(state)
    assert largest_difference(folded, block) <= 1e-5


def test_constants_in_the_graph_count_as_stored(network, model, tmp_path):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    stored = changed.graph.initializer.pop()
    changed.graph.node.append(helper.make_node("Constant", [], [stored.name], value=stored))
    assert largest_difference(read_back(saved(changed, tmp_path)), network) <= 1e-5


def moved(model, convolution, place):
    """The graph with one convolution written elsewhere."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    convolutions = [at for at, node in enumerate(changed.graph.node) if node.op_type == "Conv"]
    node = changed.graph.node.pop(convolutions[convolution])
    changed.graph.node.insert(convolutions[place], node)
    return changed


@pytest.mark.fault("M11")
def test_a_graph_in_another_order_is_refused(model, tmp_path):
    """Order is all that is left where names are lost: a side output right behind its stage is noticed."""
    with pytest.raises(ValueError, match=r"should\s+stand there"):
        read_back(saved(moved(model, -2, 70), tmp_path))


@pytest.mark.fault("M11")
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9999], ids=str)
def test_a_cut_file_is_refused(model, tmp_path, kept):
    path = saved(model, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match=r"u2netp\.onnx"):
        read_convolutions(path)


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html><html>not found</html>", b"PK\x03\x04 a zip", b"\x80\x02}q\x00.", b"{}"],
    ids=["web page", "zip", "pickle", "json"],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"u2netp\.onnx"):
        read_convolutions(path)


def one_convolution(weight, bias=(0.0, 0.0), dtype=np.float32, **attributes):
    """A graph of one convolution with two outputs."""
    stored = [numpy_helper.from_array(np.asarray(weight, dtype), "w")]
    if bias is not None:
        stored.append(numpy_helper.from_array(np.asarray(bias, dtype), "b"))
    kind = TensorProto.FLOAT
    node = helper.make_node("Conv", ["x", *(tensor.name for tensor in stored)], ["y"], **attributes)
    ends = [helper.make_tensor_value_info(name, kind, None) for name in "xy"]
    return helper.make_model(helper.make_graph([node], "graph", ends[:1], ends[1:], stored))


WEIGHT = np.ones((2, 3, 3, 3))
PADDED = {"pads": [1, 1, 1, 1]}


def external(model):
    """The graph with its weights in a file beside it."""
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "secret.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return model


def shortened(model):
    tensor = model.graph.initializer[0]
    tensor.raw_data = tensor.raw_data[:-4]
    return model


def huge(model):
    model.graph.initializer[0].dims[:2] = [2**31, 2**31]
    return model


def computed(model):
    model.graph.initializer.pop(0)
    return model


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("model", "match"),
    [
        pytest.param(lambda: one_convolution(WEIGHT, bias=None, **PADDED), "has no bias", id="no bias"),
        pytest.param(lambda: one_convolution(WEIGHT, dtype=np.float16, **PADDED), "type FLOAT16", id="half precision"),
        pytest.param(lambda: one_convolution(WEIGHT, (0.0,), **PADDED), r"biases of shape \(1,\)", id="one bias"),
        pytest.param(lambda: one_convolution(np.ones((2, 3, 3))), r"shape \(2, 3, 3\)", id="one-dimensional"),
        pytest.param(lambda: one_convolution(WEIGHT), r"pads \[0, 0, 0, 0\], not pads \[1", id="unpadded"),
        pytest.param(lambda: one_convolution(WEIGHT, strides=[2, 2], **PADDED), r"strides \[2, 2\]", id="stride"),
        pytest.param(lambda: one_convolution(WEIGHT, group=3, **PADDED), "group 3, not group 1", id="groups"),
        pytest.param(
            lambda: one_convolution(WEIGHT, dilations=[2, 1], **PADDED), r"dilations \[2, 1\]", id="uneven dilation"
        ),
        pytest.param(lambda: one_convolution(WEIGHT, auto_pad="SAME_UPPER"), "auto_pad", id="padded by itself"),
        pytest.param(lambda: external(one_convolution(WEIGHT, **PADDED)), "in another file", id="external"),
        pytest.param(lambda: shortened(one_convolution(WEIGHT, **PADDED)), "is damaged", id="numbers missing"),
        pytest.param(lambda: huge(one_convolution(WEIGHT, **PADDED)), "is damaged", id="a shape that lies"),
        pytest.param(lambda: computed(one_convolution(WEIGHT, **PADDED)), "computes its weights", id="no numbers"),
    ],
)
def test_a_convolution_unlike_u2nets_is_refused_by_its_number(tmp_path, model, match):
    (tmp_path / "secret.bin").write_bytes(np.ones(54, np.float32).tobytes())
    with pytest.raises(ValueError, match=match) as refused:
        read_convolutions(saved(model(), tmp_path))
    assert "convolution number 1" in str(refused.value)


def test_a_plain_convolution_is_read_as_it_is(tmp_path):
    (found,) = read_convolutions(saved(one_convolution(WEIGHT * 2, (3.0, 4.0), **PADDED), tmp_path))
    assert (found.weight == 2).all() and found.weight.dtype == np.float32
    assert found.bias.tolist() == [3, 4] and found.dilation == 1

"""Conversion: strict, of every format, and without running anything of the file."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.vision.architectures import ARCHITECTURES
from models.vision.u2net_weights import random_state
from pipeline.weights.as_published import AS_PUBLISHED
from pipeline.weights.converting import build_network, convert, known_architectures, read_torch_file
from tests.pipeline.weights.conftest import saved


class Attack:
    """A pickle of it runs a command when it is read with all rights."""

    def __init__(self, sentinel: Path) -> None:
        self._sentinel = sentinel

    def __reduce__(self):
        return os.system, (f"touch {self._sentinel}",)


@pytest.fixture(scope="module")
def state():
    """Random weights of u2netp."""
    return random_state("u2netp")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_file_becomes_safetensors_in_the_names_of_our_module(tmp_path, state, ending):
    source = tmp_path / f"net{ending}"
    torch.save(state, source) if ending == ".pth" else save_file(state, source)
    target = convert(source, "u2netp", tmp_path / "net.converted")
    stored = load_file(target)
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[name], state[name]) for name in state)
    assert build_network(target, "u2netp")(torch.zeros(1, 3, 32, 32)).shape[-2:] == (32, 32)
    assert {path.name for path in tmp_path.iterdir()} == {source.name, target.name}


def test_the_same_file_is_converted_into_the_same_bytes(tmp_path, u2netp_pth):
    source = tmp_path / "net.pth"
    source.write_bytes(u2netp_pth)
    first, second = (convert(source, "u2netp", tmp_path / name).read_bytes() for name in ("one", "two"))
    assert first == second


@pytest.mark.fault("M11")
@pytest.mark.parametrize("is_zip", [pytest.param(True, id="zip"), pytest.param(False, id="before torch 1.6")])
@pytest.mark.parametrize("is_in_state", [pytest.param(False, id="alone"), pytest.param(True, id="among tensors")])
def test_a_pickle_that_runs_code_is_not_run(tmp_path, state, is_zip, is_in_state):
    source, sentinel = tmp_path / "net.pth", tmp_path / "sentinel"
    attack = {**state, "outconv.bias": Attack(sentinel)} if is_in_state else Attack(sentinel)
    torch.save(attack, source, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ValueError, match=r"net\.pth is not .*: it names posix\.system, .* nothing of it is run"):
        convert(source, "u2netp", tmp_path / "target")
    assert not sentinel.exists()
    assert not (tmp_path / "target").exists()
    with pytest.raises((AttributeError, TypeError, RuntimeError)):  # and the attack is a real one
        torch.load(source, weights_only=False)["outconv.bias"].shape  # noqa: B018
    assert sentinel.exists()


@pytest.mark.fault("M11")
@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl"])
def test_a_pickle_inside_torchscript_is_not_run(tmp_path, member):
    source, sentinel = tmp_path / "big-lama.pt", tmp_path / "sentinel"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), source)
    attacked = tmp_path / "attacked.pt"
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(attacked, "w") as changed:
        for name in whole.namelist():
            is_here = name.endswith(f"/{member}")
            changed.writestr(name, pickle.dumps(Attack(sentinel), 2) if is_here else whole.read(name))
    with pytest.raises(ValueError, match=r"attacked\.pt"):
        convert(attacked, "big_lama", tmp_path / "target")
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(Attack(sentinel)))  # noqa: S301
    assert sentinel.exists()


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("change", "raised"),
    [
        pytest.param({"outconv.weight": None}, "lacks outconv.weight", id="a tensor is missing"),
        pytest.param({"stage7.weight": torch.zeros(1)}, "holds stage7.weight, unknown", id="a newer version"),
        pytest.param({"outconv.bias": torch.zeros(2)}, r"outconv.bias of shape \(2,\)", id="another shape"),
        pytest.param({"outconv.bias": torch.tensor([torch.nan])}, "not finite", id="not a number"),
    ],
)
def test_loading_is_strict(tmp_path, state, change, raised):
    source = tmp_path / "net.pth"
    torch.save({name: tensor for name, tensor in {**state, **change}.items() if tensor is not None}, source)
    with pytest.raises(ValueError, match=rf"(net\.pth).*{raised}"):
        convert(source, "u2netp", tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    "architecture", ["u2net", "big_lama", "vgg19", "vgg16", "resnet50", "resnet101", "densenet121"]
)
def test_another_architecture_is_refused(tmp_path, u2netp_pth, architecture):
    source = tmp_path / "net.pth"
    source.write_bytes(u2netp_pth)
    with pytest.raises(ValueError, match=r"net\.pth"):
        convert(source, architecture, tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.fault("M11")
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_part_of_a_file_is_refused(tmp_path, u2netp_pth, share):
    source = tmp_path / "net.pth"
    source.write_bytes(u2netp_pth[: int(len(u2netp_pth) * share)])
    with pytest.raises(ValueError, match=r"net\.pth is cut or damaged"):
        convert(source, "u2netp", tmp_path / "target")


def test_half_of_a_safetensors_file_is_refused(tmp_path, state):
    source = tmp_path / "net.safetensors"
    save_file(state, source)
    source.write_bytes(source.read_bytes()[:1_000_000])
    with pytest.raises(ValueError, match=r"net\.safetensors is cut or damaged"):
        convert(source, "u2netp", tmp_path / "target")


def test_what_is_no_state_dict_is_reported(tmp_path):
    source = tmp_path / "net.pth"
    source.write_bytes(saved([torch.zeros(1)]))
    with pytest.raises(ValueError, match="holds a list, not a state dict"):
        read_torch_file(source)


def test_onnx_is_read_for_the_networks_that_are_published_so(tmp_path):
    source = tmp_path / "net.onnx"
    source.write_bytes(b"\x08\x06\x12\x07pytorch")
    with pytest.raises(ValueError, match="vgg19 is not read from ONNX"):
        convert(source, "vgg19", tmp_path / "target")


@pytest.mark.parametrize(
    ("name", "body", "raised"),
    [
        pytest.param("net.onnx", b"\x08\x06\x12\x07pytorch", "not a network that OpenCV can read", id="no network"),
        pytest.param("net.pth", saved({}), "is not ONNX", id="another format"),
    ],
)
def test_yunet_is_tried_by_opencv_before_it_is_kept(tmp_path, name, body, raised):
    source = tmp_path / name
    source.write_bytes(body)
    with pytest.raises(ValueError, match=raised):
        convert(source, "yunet", tmp_path / "target")


def test_every_architecture_is_known_and_another_is_reported(tmp_path, u2netp_pth):
    assert known_architectures() == list(dict.fromkeys([*ARCHITECTURES, *AS_PUBLISHED]))
    source = tmp_path / "net.pth"
    source.write_bytes(u2netp_pth)
    with pytest.raises(ValueError, match=r"no architecture 'u3net': take one of big_lama, u2net, u2netp"):
        convert(source, "u3net", tmp_path / "target")

"""Bombs (fault S31): small files that describe gigabytes are refused before these are there."""

import io
import pickle
import resource
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from models.vision.u2net_weights import random_state
from pipeline.errors import StageError
from pipeline.weights import apart
from pipeline.weights.converting import convert, read_torch_file
from pipeline.weights.torchscript_file import read_torchscript
from tests.pipeline.weights.conftest import saved

pytestmark = pytest.mark.fault("S31")


def torchscript(path: Path, description: bytes, numbers: bytes) -> Path:
    """An archive of TorchScript with this description and one storage."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", description)
        archive.writestr("bomb/code/x.py", "")
        archive.writestr("bomb/constants.pkl", b"\x80\x02).")
        archive.writestr("bomb/data/0", numbers)
    return path


def many_names_of_one_storage(num_names: int, num_floats: int) -> bytes:
    """A description of so many tensors of all the floats of `data/0`."""
    storage = b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ%bt"
    size = struct.pack("<i", num_floats)
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n" + storage % size + b"QK\x00J" + size + b"\x85K\x01\x85\x89}tR"
    items = b"".join(b"X\x08\x00\x00\x00%08d" % number + tensor for number in range(num_names))
    return b"\x80\x02c__torch__\nM\n)\x81}(" + items + b"ub."


@pytest.mark.slow
def test_one_storage_under_many_names_is_read_once(tmp_path):
    """As copies these were 1 GB of 1 MB of incompressible numbers."""
    numbers = np.random.default_rng(0).random(250_000).astype(np.float32)
    bomb = torchscript(tmp_path / "bomb.pt", many_names_of_one_storage(1_000, 250_000), numbers.tobytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_torchscript(bomb)
    assert len(found) == 1_000 and found["00000999"].numel() == 250_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000
    with pytest.raises(ValueError, match=r"bomb\.pt"):
        convert(bomb, "big_lama", tmp_path / "target")


def rewritten(path: Path, data: bytes, packing: int = zipfile.ZIP_DEFLATED, **entries: bytes) -> Path:
    """A file of `torch.save` packed anew, with entries changed; `data_pkl` is data.pkl, `data_0` is data/0."""
    new = {name.replace("_", "." if name.endswith("pkl") else "/"): content for name, content in entries.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(path, "w", packing) as target:
        for name in source.namelist():
            target.writestr(name, new.get(name.partition("/")[2], source.read(name)))
    return path


@pytest.mark.parametrize("read", [read_torch_file, read_torchscript], ids=["torch", "TorchScript"])
@pytest.mark.parametrize(
    ("content", "raised"),
    [
        pytest.param({"data_pkl": b"\x80\x02" + b"]" * 5_000_000 + b"."}, "describes its tensors", id="empty lists"),
        pytest.param({"data_0": bytes(40_000_000)}, "unpacks to", id="zeros"),
    ],
)
def test_a_zip_that_unpacks_to_much_more_is_not_unpacked(tmp_path, monkeypatch, read, content, raised):
    if "data_pkl" in content:
        monkeypatch.setattr("pipeline.weights.kinds.MAX_GROWTH", 10_000)
    bomb = rewritten(tmp_path / "bomb.pt", saved({"x": torch.zeros(3)}), **content)
    with pytest.raises(ValueError, match=rf"bomb\.pt {raised}.*not read"):
        read(bomb)


def test_a_file_of_weights_that_was_packed_anew_is_read(tmp_path):
    state = {"x": torch.rand(50_000), "y": torch.zeros(50_000)}
    assert torch.equal(read_torch_file(rewritten(tmp_path / "net.pth", saved(state)))["x"], state["x"])


@pytest.mark.slow
def test_tensors_that_share_numbers_and_those_without_any_are_told_or_written(tmp_path):
    state = dict(random_state("u2netp"))
    norms = [name for name in state if name.endswith("running_var") and state[name].shape == (16,)]
    shared = state | dict.fromkeys(norms, state[norms[0]])
    (tmp_path / "shared.pth").write_bytes(saved(shared))
    convert(tmp_path / "shared.pth", "u2netp", tmp_path / "target")
    for odd in (state["outconv.weight"].to_sparse(), state["outconv.weight"].to("meta")):
        (tmp_path / "odd.pth").write_bytes(saved(state | {"outconv.weight": odd}))
        with pytest.raises(ValueError, match=r"odd\.pth is not read as weights"):
            convert(tmp_path / "odd.pth", "u2netp", tmp_path / "other")


def onnx_of_many_nodes(path: Path, num_nodes: int) -> Path:
    """A graph whose convolutions all name the same 1 MB of weights."""
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, (512, 512, 1, 1), bytes(4 * 512 * 512), raw=True)
    bias = helper.make_tensor("b", TensorProto.FLOAT, (512,), bytes(4 * 512), raw=True)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], [f"y{number}"]) for number in range(num_nodes)]
    graph = helper.make_graph(nodes, "g", [], [], [weight, bias])
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def test_weights_that_many_nodes_name_are_read_once(tmp_path):
    from pipeline.weights.onnx_file import read_convolutions

    found = read_convolutions(onnx_of_many_nodes(tmp_path / "net.onnx", 400))
    assert len(found) == 400
    assert found[0].weight is found[399].weight


def lists_of_nothing(num_bytes: int) -> bytes:
    """A pickle of before torch 1.6 that is nothing but empty dicts."""
    return b"\x80\x02" + b"}" * num_bytes + b"."


@pytest.mark.slow
def test_what_needs_more_than_its_process_may_have_is_refused(tmp_path, weights_store_of, monkeypatch):
    """300 kB of empty dicts, in a process with 10 MB to spare."""
    bomb = tmp_path / "bomb.pth"
    bomb.write_bytes(lists_of_nothing(300_000))
    code = (
        "import sys; from pipeline.weights import apart; apart.SPARE_BYTES = 10_000_000; "
        "apart.BYTES_PER_BYTE = 1; apart.main(*sys.argv[1:])"
    )
    run = subprocess.run

    def with_less(command, **options):
        assert command[2:4] == ["-m", "pipeline.weights.apart"]
        return run([sys.executable, "-c", code, *command[4:]], **options)

    monkeypatch.setattr(apart.subprocess, "run", with_less)
    with pytest.raises(StageError, match=r"bomb\.pth is (refused|not read)"):
        weights_store_of().add(bomb, "my_net", "u2netp")
    assert not [path for path in (tmp_path / "weights").rglob("*") if path.stat().st_size > 10_000]


@pytest.mark.slow
def test_a_process_that_is_lost_over_a_file_is_told_as_such(tmp_path, monkeypatch):
    source = tmp_path / "net.pth"
    source.write_bytes(saved({}))
    run = subprocess.run
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(apart.subprocess, "run", lambda _, **options: run([sys.executable, "-c", code], **options))
    with pytest.raises(ValueError, match=r"net\.pth is not read as weights: .* lost \(SIGKILL\)"):
        apart.convert_apart(source, "u2netp", tmp_path / "target")


def key_of_keys(depth: int) -> bytes:
    """A pickle of a dict whose key is a pair of a pair of a pair: hashing it is 2**depth steps."""
    pairs = b"".join(b"q" + bytes([number]) + b"h" + bytes([number]) + b"\x86" for number in range(depth))
    return b"\x80\x02})" + pairs + b"K\0s."


@pytest.mark.slow
def test_a_few_bytes_are_not_worked_on_without_an_end(tmp_path, monkeypatch):
    source = tmp_path / "net.pth"
    source.write_bytes(key_of_keys(60))
    assert apart._cpu_s(source) == 60
    code = (
        "import sys, time, torch; from pipeline.weights import apart; apart.SPARE_S = int(time.process_time()) + 2; "
        "apart.main(*sys.argv[1:])"
    )
    run = subprocess.run

    def with_less(command, **options):
        return run([sys.executable, "-c", code, *command[4:]], **options)

    monkeypatch.setattr(apart.subprocess, "run", with_less)
    with pytest.raises(ValueError, match=r"lost \(SIGXCPU|SIGKILL\)"):
        apart.convert_apart(source, "u2netp", tmp_path / "target")


def test_a_file_that_is_broken_off_is_not_kept(tmp_path, weights_store_of, monkeypatch):
    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    source = tmp_path / "net.pth"
    source.write_bytes(saved({}))
    monkeypatch.setattr("pipeline.weights.weights_store.convert_apart", broken_off)
    with pytest.raises(KeyboardInterrupt):
        weights_store_of().add(source, "my_net", "u2netp")
    assert not list((tmp_path / "weights").rglob("*.pth"))


@pytest.mark.slow
def test_apart_a_file_is_converted_into_the_same_bytes_and_refused_in_the_same_words(tmp_path, u2netp_pth):
    source = tmp_path / "net.pth"
    source.write_bytes(u2netp_pth)
    here, there = convert(source, "u2netp", tmp_path / "one"), tmp_path / "two"
    assert apart.convert_apart(source, "u2netp", there).read_bytes() == here.read_bytes()
    source.write_bytes(pickle.dumps(OrderedDict(), 2))
    words = []
    for way in (convert, apart.convert_apart):
        with pytest.raises(ValueError, match=r"net\.pth") as refused:
            way(source, "u2netp", tmp_path / "three")
        words.append(str(refused.value))
    assert words[0] == words[1]

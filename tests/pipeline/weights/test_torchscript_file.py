"""TorchScript files: their tensors are read, and nothing in them is run, believed or unpacked without bound."""

import io
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.vision.lama_weights import build, check_state
from pipeline.weights import torchscript_file
from pipeline.weights.torchscript_file import TorchScriptFileError, read_torchscript
from tests.fakes.reference_lama import drawn_generator, save_as_official


class Small(nn.Module):
    """One of everything that a module holds."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
        self.register_buffer("wide", torch.arange(6).reshape(2, 3).t())  # not contiguous
        self.register_buffer("halves", torch.ones(2).half())
        self.sizes = [1, 2, 3]
        self.name = "small"

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.halves.sum() + self.wide.sum()


@pytest.fixture(scope="module")
def small() -> Small:
    return Small().eval()


@pytest.fixture
def file(tmp_path, small) -> Path:
    path = tmp_path / "small.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(small).save(str(path))
    return path


def changed(path: Path, **entries: bytes | None) -> Path:
    """The archive with entries replaced, added or (None) left out; `data_pkl` stands for data.pkl."""
    entries = {name.replace("_", "/" if "data_0" in name else "."): data for name, data in entries.items()}
    target = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            name = entry.filename.partition("/")[2]
            if name not in entries:
                archive.writestr(entry.filename, source.read(entry))
        for name, data in entries.items():
            if data is not None:
                archive.writestr(f"small/{name}", data)
    return target


def test_tensors_stand_under_their_attribute_paths(file, small):
    found = read_torchscript(file)
    expected = small.state_dict()
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.slow
def test_a_file_made_as_big_lama_was_gives_the_network_that_is_in_it(tmp_path):
    path = tmp_path / "big-lama.pt"
    save_as_official(drawn_generator(), path)
    state = check_state(read_torchscript(path), path.name)
    assert all(torch.equal(state[name], tensor) for name, tensor in drawn_generator().state_dict().items())
    image, mask = torch.rand(1, 3, 48, 40), torch.zeros(1, 1, 48, 40)
    mask[..., 10:30, 5:20] = 1
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        theirs = torch.jit.load(path)(image, mask)
        ours = build(state).lama(torch.cat([image * (1 - mask), mask], dim=1))
    assert (torch.where(mask.bool(), ours, image) - theirs).abs().max() <= 1e-5


class Attack:
    """Makes a file when it is unpickled in the usual way."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


ATTACKS = {
    "os.system": lambda path: Attack(os.system, f"touch {path}"),
    "eval": lambda path: Attack(eval, f"open({str(path)!r}, 'w')"),
    "exec": lambda path: Attack(exec, f"open({str(path)!r}, 'w')"),
    "open": lambda path: Attack(open, str(path), "w"),
    "inside a list": lambda path: [1, {"x": Attack(os.system, f"touch {path}")}],
    "torch.load": lambda path: Attack(torch.save, 1, str(path)),
    "an ordered dict and then": lambda path: OrderedDict(a=Attack(os.mkdir, str(path))),
}


@pytest.mark.fault("M11")
@pytest.mark.parametrize("protocol", [2, 4], ids=["GLOBAL", "STACK_GLOBAL"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_code_in_the_pickle_is_named_and_never_run(file, tmp_path, attack, protocol):
    sentinel, control = tmp_path / "sentinel", tmp_path / "control"
    pickle.loads(pickle.dumps(attack(control), protocol))  # noqa: S301 (that it is a true attack)
    assert control.exists()
    forged = changed(file, data_pkl=pickle.dumps(attack(sentinel), protocol))
    with pytest.raises(ValueError, match=r"asks for \w+\.\w+.* may run code") as refused:
        read_torchscript(forged)
    assert "Nothing of it was run" in str(refused.value)
    assert not sentinel.exists()


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"(S'touch SENTINEL'\nios\nsystem\n.", id="INST"),
        pytest.param(b"\x80\x02\x82\x01.", id="extension registry"),
        pytest.param(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", id="frame of 8 EiB"),
        pytest.param(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", id="bytes of 8 EiB"),
        pytest.param(b"\x80\x02", id="ends"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.", id="attributes for a function"),
        pytest.param(b"\x80\x02c__torch__\nM\n}b.", id="attributes for a class"),
        pytest.param(b"\x80\x02c__torch__\nM\n)\x81Nb.", id="no attributes"),
        pytest.param(b"\x80\x02c__torch__\nM\n(K\x01tR.", id="a record that is called"),
    ],
)
def test_a_forged_pickle_is_refused_without_harm(file, data):
    with pytest.raises(TorchScriptFileError, match=r"changed\.pt"):
        read_torchscript(changed(file, data_pkl=data))


@pytest.mark.fault("M11")
def test_a_memo_place_far_out_costs_nothing(file):
    """Python's fast reader takes 32 GB for it."""
    assert read_torchscript(changed(file, data_pkl=b"\x80\x02Nr\xff\xff\xff\x7f.")) == {}


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("entries", "raised"),
    [
        pytest.param({"data_pkl": bytes(65_000_000)}, "not read", id="a description of 65 MB in 60 KB"),
        pytest.param({"data_0": bytes(50_000_000)}, "not read", id="50 MB where 48 bytes are described"),
        pytest.param({"data_0": b"123"}, "lacks 45 bytes", id="too few numbers"),
        pytest.param({"data_0": None}, "no well-formed", id="no numbers"),
        pytest.param({"data_pkl": None}, "without a TorchScript module", id="no description"),
        pytest.param({"byteorder": b"big"}, "big-endian", id="big-endian"),
    ],
)
def test_an_archive_that_is_not_what_it_describes_is_refused(file, entries, raised):
    with pytest.raises(ValueError, match=raised):
        read_torchscript(changed(file, **entries))


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("data", "raised"),
    [
        pytest.param(lambda good: good[: len(good) // 2], "cannot be read as TorchScript", id="half a file"),
        pytest.param(lambda good: b"<!doctype html>", "cannot be read as TorchScript", id="a page"),
        pytest.param(lambda good: b"", "cannot be read as TorchScript", id="empty"),
        pytest.param(lambda good: good.replace(b"small/data/0", b"small/data/x", 1), ".", id="a changed name"),
    ],
)
def test_a_damaged_file_is_refused(file, data, raised):
    file.write_bytes(data(file.read_bytes()))
    with pytest.raises(TorchScriptFileError, match=raised):
        read_torchscript(file)


@pytest.mark.fault("M11")
def test_flipped_bytes_are_found(file):
    good = file.read_bytes()
    numbers = read_torchscript(file)["inner.0.weight"].numpy().tobytes()
    place = good.index(numbers[:32])
    file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    with pytest.raises(TorchScriptFileError, match="CRC"):
        read_torchscript(file)


def described(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, kind: str = "LongStorage") -> bytes:
    """A pickle of one tensor that claims this shape of the six numbers in data/0."""
    stream = io.BytesIO()
    pickler = pickle._Pickler(stream, 2)
    stream.write(b"\x80\x02c__torch__\nM\n)\x81}X\x01\x00\x00\x00tctorch._utils\n_rebuild_tensor_v2\n((")
    stream.write(b"X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\n")
    for value in ("0", "cpu", 6):
        pickler.save(value)
    stream.write(b"tQ")
    for value in (offset, size, stride, False):
        pickler.save(value)
    stream.write(b"}tRsb.")
    return stream.getvalue()


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        pytest.param((7,), (1,), 0, id="one too many"),
        pytest.param((6,), (1,), 1, id="shifted beyond"),
        pytest.param((10**12,), (0,), 0, id="one number 10^12 times"),
        pytest.param((10**9, 10**9), (0, 0), 0, id="and squared"),
        pytest.param((2,), (-1,), 1, id="backwards"),
        pytest.param((2,), (1,), -1, id="before the start"),
        pytest.param((2,), (1, 1), 0, id="axes that do not agree"),
    ],
)
def test_a_tensor_beyond_its_numbers_is_refused(file, size, stride, offset):
    raised = "zip" if len(size) != len(stride) else "reaches beyond its 6 numbers"
    with pytest.raises(TorchScriptFileError, match=raised):
        read_torchscript(changed(file, data_pkl=described(size, stride, offset)))


def test_a_tensor_within_its_numbers_is_read(file):
    found = read_torchscript(changed(file, data_pkl=described((2, 2), (2, 1), 2)))
    assert found["t"].tolist() == [[2, 3], [4, 5]]


@pytest.mark.fault("M11")
def test_more_tensors_than_a_network_has_are_refused(file, monkeypatch):
    monkeypatch.setattr(torchscript_file, "MAX_TENSOR_BYTES", 100)
    with pytest.raises(TorchScriptFileError, match="more than 100 bytes"):
        read_torchscript(file)


@pytest.mark.slow
@pytest.mark.fault("M11")
@pytest.mark.parametrize("shape", ["deep", "exploding", "endless"])
def test_structures_without_end_are_refused(file, shape):
    if shape == "endless":
        tree: dict[str, object] = {}
        tree["again"] = tree
    else:
        tree = {}
        for _ in range(torchscript_file.MAX_DEPTH + 2 if shape == "deep" else 40):
            tree = {"a": tree} if shape == "deep" else {"a": tree, "b": tree}
    with pytest.raises(TorchScriptFileError, match="more than a network"):
        read_torchscript(changed(file, data_pkl=pickle.dumps(tree, 2)))

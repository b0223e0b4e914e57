"""What a file is, by its bytes."""

import struct
import zipfile

import pytest
import torch

from pipeline.weights.kinds import file_kind, wrong_kind
from tests.pipeline.weights.conftest import saved

TENSORS = {"a": torch.zeros(2)}


def safetensors_of(header_length: int) -> bytes:
    """A file whose header has this length."""
    return struct.pack("<Q", header_length) + b"{}".ljust(header_length)


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        pytest.param("a.pth", saved(TENSORS), "torch", id="torch's zip"),
        pytest.param("a.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "torch", id="torch before 1.6"),
        pytest.param("a.onnx", b"\x08\x06\x12\x07pytorch", "onnx", id="onnx"),
        pytest.param("a.pth", safetensors_of(64), "safetensors", id="safetensors, whatever the name"),
        pytest.param("a.safetensors", safetensors_of(0x227B), "safetensors", id="a length that looks like JSON"),
    ],
)
def test_the_kind_is_in_the_bytes(tmp_path, name, body, kind):
    path = tmp_path / name
    path.write_bytes(body)
    assert wrong_kind(path) is None
    assert file_kind(path) == kind


def test_torchscript_is_distinguished_from_tensors_whatever_its_name(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("a/data.pkl", b"")
        content.writestr("a/code/__torch__.py", b"")
    assert file_kind(path) == "torchscript"


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("body", "raised"),
    [
        pytest.param(b"", "an empty file", id="zero bytes"),
        pytest.param(b"<html>", "a web page", id="HTML"),
        pytest.param(saved(TENSORS)[:300], "ends too early", id="half a zip"),
        pytest.param(b"\x80\x04cposix\nsystem\n", "no file of weights", id="a pickle that is not torch's"),
        pytest.param(b"\x08\x06\x12\x07pytorch", "no file of weights", id="onnx under another name"),
        pytest.param(b"MZ\x90", "begins with", id="a program"),
    ],
)
def test_what_is_no_weights_is_refused_before_it_is_loaded(tmp_path, body, raised):
    path = tmp_path / "a.pth"
    path.write_bytes(body)
    with pytest.raises(ValueError, match=raised):
        file_kind(path)

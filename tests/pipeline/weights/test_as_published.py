"""Files that are used as published: what is none of its kind is refused before it is kept."""

import json

import numpy as np
import onnx
import pytest
from safetensors.numpy import save

from pipeline.weights.converting import convert, known_architectures
from pipeline.weights.registry import REGISTRY, SHIPPED_FOLDER, YUNET, YUNET_FILE

TENSORS = save({"embeddings": np.zeros((2, 3), np.float32)})
GOOD = {
    "minilm": TENSORS,
    "minilm_tokenizer": json.dumps({"version": "1.0", "model": {"vocab": {}}}).encode(),
}


@pytest.mark.parametrize("name", GOOD)
def test_it_is_kept_as_it_is_under_its_own_bytes(tmp_path, name):
    source = tmp_path / REGISTRY[name].file_name
    source.write_bytes(GOOD[name])
    assert convert(source, name, tmp_path / "converted") == source
    assert name in known_architectures() and not (tmp_path / "converted").exists()


@pytest.mark.fault("S38")
@pytest.mark.parametrize("shape", [[2**31, 2**31, 3, 3], [-16, 3, 3, 3], [1, 1, 1, 1], []], ids=str)
def test_a_face_detector_that_lies_about_its_shapes_is_refused_in_one_line(tmp_path, shape):
    """The real file, in which one tensor says to be of another shape."""
    model = onnx.load(SHIPPED_FOLDER / YUNET_FILE)
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    tensor.dims[:] = shape
    (tmp_path / YUNET_FILE).write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"^[^\n]*is not a network that OpenCV can read as YuNet: \w[^\n]*$"):
        convert(tmp_path / YUNET_FILE, YUNET, tmp_path / "converted")


@pytest.mark.fault("S38")
@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        pytest.param("minilm", TENSORS[:-4], "is cut or damaged", id="tensors cut"),
        pytest.param("minilm", TENSORS.replace(b"[2,3]", b"[9,3]"), "is cut or damaged", id="shapes that lie"),
        pytest.param("minilm", b"\x80\x02" + bytes(20), "is not safetensors", id="a pickle"),
        pytest.param("minilm_tokenizer", b"{", "is not JSON", id="half a JSON"),
        pytest.param("minilm_tokenizer", b"[" * 100_000, "is not JSON", id="a JSON without end"),
        pytest.param("minilm_tokenizer", b'{"message": "no"}', "no tokenizer", id="another JSON"),
    ],
)
def test_what_is_none_of_its_kind_is_refused(tmp_path, name, body, told):
    source = tmp_path / REGISTRY[name].file_name
    source.write_bytes(body)
    with pytest.raises(ValueError, match=told):
        convert(source, name, tmp_path / "converted")

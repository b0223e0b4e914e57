"""Exported folders (fault T12): what is in them is enough to answer as the predictor does, elsewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch

from models.backbones import preprocess
from models.trained import load_model
from pipeline.images.decode import decode_picture
from pipeline.predict.export import write_onnx, write_safetensors
from pipeline.predict.predictor import Predictor
from tests.fakes.predictor import NAMES, GridColours, caption, picture, town_predictor


@pytest.fixture(scope="module")
def onnx_folder(tmp_path_factory) -> Path:
    """The town's predictor as ONNX."""
    folder = tmp_path_factory.mktemp("exported") / "town"
    write_onnx(town_predictor(), GridColours(), folder)
    return folder


@pytest.mark.fault("T12")
def test_the_example_of_the_readme_answers_as_the_predictor_in_a_process_without_torch(onnx_folder):
    """The code block is run as it stands; importing torch or this project would end it."""
    code = re.search(r"```python\n(.*?)```", (onnx_folder / "README.md").read_text(), re.DOTALL)[1]
    guard = "import sys\nfor name in ('torch', 'models', 'pipeline'): sys.modules[name] = None\n"
    (onnx_folder.parent / "reader.py").write_text(guard + code)
    (onnx_folder.parent / "photo.jpg").write_bytes(picture(3, 60))
    for number, photo in ((2, ""), (3, "../photo.jpg")):
        words, *tags = caption(number, 60).split(" #")
        command = [sys.executable, "../reader.py", words, photo, *tags]
        told = subprocess.run(command, cwd=onnx_folder, capture_output=True, text=True, check=True, env=os.environ)
        ours = eval(told.stdout, {})  # noqa: S307 (what our own reader printed: a list of names and numbers)
        predictor = town_predictor()
        question = predictor.read(picture(3, 60) if photo else None, caption(number, 60))
        [proba] = predictor.probabilities(predictor.samples([question]))
        expected = sorted(zip(NAMES, proba, strict=True), key=lambda pair: -pair[1])
        assert ours[0][0] == NAMES[number]
        tolerance = 0.02 if photo else 1e-4  # Pillow resizes a little otherwise than torch
        for (name, probability), (our_name, our_probability) in zip(expected[:1], ours[:1], strict=True):
            assert (our_name, our_probability) == (name, pytest.approx(probability, abs=tolerance))


@pytest.mark.fault("T12")
def test_pictures_give_the_features_that_the_model_learnt_from(onnx_folder):
    session = onnxruntime.InferenceSession(onnx_folder / "pictures.onnx", providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["mrlf"])
    backbone = town_predictor().backbone
    decoded = [decode_picture(picture(number)) for number in range(3)]
    pixels = torch.stack([preprocess(one, about["image_size"], about["resized_side"]) for one in decoded]).numpy()
    for count in (1, 3):
        [told] = session.run(None, {"pixels": pixels[:count]})
        np.testing.assert_allclose(told, backbone(decoded[:count]), atol=1e-4)


@pytest.mark.fault("T12")
def test_a_folder_of_safetensors_loads_and_answers_bit_for_bit_the_same(tmp_path):
    predictor = town_predictor()
    write_safetensors(predictor, GridColours(), tmp_path / "town")
    loaded = load_model(tmp_path / "town")
    posts = predictor.samples([predictor.read(picture(n), caption(n)) for n in range(4)])
    assert np.array_equal(loaded.predict_proba(posts), predictor.model.predict_proba(posts))
    assert json.loads((tmp_path / "town" / "labels.json").read_text()) == predictor.places.labels
    facts = json.loads((tmp_path / "town" / "preprocessing.json").read_text())
    assert (facts["temperature"], facts["picture"]["image_size"]) == (predictor.temperature, 32)
    assert set(facts["known_hashtags"]) == predictor.known_hashtags
    weights = safetensors.torch.load_file(tmp_path / "town" / "pictures.safetensors")
    assert torch.equal(weights["mixture"], GridColours().mixture)


def test_a_blend_has_no_onnx_form_yet_and_says_what_to_do(tmp_path):
    town = town_predictor()
    blend = Predictor(
        SimpleNamespace(networks=[town.model]), town.backbone, town.places, town.facts, temperature=1.0,
        known_hashtags=frozenset(),
    )  # fmt: skip
    with pytest.raises(ValueError, match="use --format safetensors"):
        write_onnx(blend, GridColours(), tmp_path / "town")
    assert not (tmp_path / "town").exists()

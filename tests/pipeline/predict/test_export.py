"""Exported folders (fault T12): what is in them is enough to answer as the predictor does, elsewhere."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch

from models.best.ensemble import fit_best
from models.linear.linear_model import fit_linear
from models.settings.train_config import TrainConfig
from models.trained import load_model
from models.vision.backbones import preprocess
from pipeline.picture_bytes import decode_picture
from pipeline.predict.export import write_onnx, write_safetensors
from pipeline.predict.predictor import PredictOptions, Predictor
from tests.fakes.onnx_exports import read_once
from tests.fakes.predictor import NAMES, NETWORK, GridColours, caption, picture, town_posts, town_predictor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def translations() -> Iterator[None]:
    """Read for the first export."""
    with read_once():
        yield


@pytest.fixture(scope="module")
def onnx_folder(tmp_path_factory) -> Path:
    """The town's predictor as ONNX, written by a user whose files others may read."""
    folder = tmp_path_factory.mktemp("exported") / "town"
    mask = os.umask(0o022)
    try:
        write_onnx(town_predictor(), GridColours(), folder)
    finally:
        os.umask(mask)
    return folder


READER = """import sys
for name in ('torch', 'models', 'pipeline'): sys.modules[name] = None
for words in {questions}:
    sys.argv[1:] = words
    exec({code!r}, {{"__name__": "__main__"}})
"""


def answers_of_the_example(folder: Path, *questions: tuple[str, str]) -> list[list[tuple[str, float]]]:
    """The code block of README.md as it stands, for each text and photo, where importing torch or this project would
    end it.
    """
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    (folder.parent / "photo.jpg").write_bytes(picture(3, 60))
    words = [[text.split(" #")[0], photo, *text.split(" #")[1:]] for text, photo in questions]
    (folder.parent / "reader.py").write_text(READER.format(code=code, questions=words))
    command = [sys.executable, "../reader.py"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=os.environ)
    # what our own reader printed: a list of names and numbers for each question
    return [eval(line, {}) for line in result.stdout.splitlines()]  # noqa: S307


def assert_example_answers_as(predictor: Predictor, folder: Path) -> None:
    """With words alone exactly; with a picture nearly, as Pillow resizes a little otherwise than torch."""
    asked = ((2, "", 1e-4), (3, "../photo.jpg", 0.05))
    results = answers_of_the_example(folder, *((caption(number, 60), photo) for number, photo, _ in asked))
    for (number, photo, tolerance), result in zip(asked, results, strict=True):
        question = predictor.read(picture(3, 60) if photo else None, caption(number, 60))
        [proba] = predictor.probabilities(predictor.samples([question]))
        assert result[0] == (NAMES[number], pytest.approx(proba[number], abs=tolerance))


@pytest.mark.fault("T12")
def test_the_example_of_the_readme_answers_as_the_predictor_in_a_process_without_torch(onnx_folder):
    assert_example_answers_as(town_predictor(), onnx_folder)


@pytest.mark.fault("T12")
def test_the_example_of_the_readme_reads_a_blend_as_well(tmp_path):
    town = town_predictor()
    best = fit_best(
        town_posts(range(12)),
        town_posts(range(24, 27)),
        num_classes=len(NAMES),
        train_config=TrainConfig(max_epochs=6, learning_rate=2e-2, num_threads=1, device="cpu"),
        network_config=replace(NETWORK, fusion="concat"),
    )
    one, two = (
        Predictor(
            replace(best, deep_weight=0.5, networks=best.networks[:number]),
            town.backbone,
            town.places,
            town.facts,
            temperature=8.0,  # probabilities far from 1 tell what a confident answer hides
            known=town.known,
        )
        for number in (1, 2)
    )
    write_onnx(one, GridColours(), tmp_path / "town")  # an export goes with their number
    assert_example_answers_as(one, tmp_path / "town")
    [answer] = two.answer([two.read(picture(3), caption(3))], [PredictOptions(why=True)])
    assert sum(part.attention for part in answer.why.words) == pytest.approx(1), "on average over the networks"


@pytest.mark.fault("N6")
def test_the_example_of_the_readme_reads_a_linear_model_as_well(tmp_path):
    town = town_predictor()
    predictor = Predictor(
        fit_linear(town_posts(range(18)), len(NAMES)),
        town.backbone,
        town.places,
        town.facts.model_copy(update={"model": "linear"}),
        temperature=0.5,
        known=town.known,
    )
    write_onnx(predictor, GridColours(), tmp_path / "town")
    assert_example_answers_as(predictor, tmp_path / "town")


@pytest.mark.fault("T12")
def test_pictures_give_the_features_that_the_model_learnt_from(onnx_folder):
    session = onnxruntime.InferenceSession(onnx_folder / "pictures.onnx", providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["mrlf"])
    backbone = town_predictor().backbone
    decoded = [decode_picture(picture(number)) for number in range(3)]
    pixels = torch.stack([preprocess(one, about["image_size"], about["resized_side"]) for one in decoded]).numpy()
    for count in (1, 3):
        [result] = session.run(None, {"pixels": pixels[:count]})
        np.testing.assert_allclose(result, backbone(decoded[:count]), atol=1e-4)


@pytest.mark.fault("S23")
def test_every_exported_file_has_the_users_own_modes(onnx_folder, tmp_path):
    mask = os.umask(0o022)
    try:
        write_safetensors(town_predictor(), GridColours(), tmp_path / "town")
    finally:
        os.umask(mask)
    folders = (onnx_folder, tmp_path / "town")
    modes = {path: path.stat().st_mode & 0o777 for folder in folders for path in folder.iterdir()}
    assert len(modes) > 9 and {path.name: mode for path, mode in modes.items() if mode != 0o644} == {}


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
    assert set(facts["known_hashtags"]) == predictor.known.hashtags
    weights = safetensors.torch.load_file(tmp_path / "town" / "pictures.safetensors")
    assert torch.equal(weights["mixture"], GridColours().mixture)


@pytest.mark.fault("S24")
def test_no_file_of_an_export_names_a_folder_of_the_exporter(onnx_folder, tmp_path):
    write_safetensors(town_predictor(), GridColours(), tmp_path / "town")
    files = [path for folder in (onnx_folder, tmp_path / "town") for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".onnx", ".safetensors", ".json", ".md"}
    named = [os.getcwd(), sys.prefix, str(Path.home()), str(tmp_path), str(onnx_folder.parent)]
    assert not [(path.name, name) for path in files for name in named if name.encode() in path.read_bytes()]


def test_what_has_no_onnx_form_says_what_to_do(tmp_path):
    town = town_predictor()
    other = Predictor(SimpleNamespace(), town.backbone, town.places, town.facts, temperature=1.0, known=town.known)
    with pytest.raises(ValueError, match="use --format safetensors"):
        write_onnx(other, GridColours(), tmp_path / "town")
    assert not (tmp_path / "town").exists()

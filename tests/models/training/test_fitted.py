"""The stored model: the same bytes for the same model, the same predictions after loading, nothing foreign let in."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.torch
import torch

from models.mrlf.mrlf import MrlfConfig
from models.training.fitted import Fitted
from models.training.training import TrainConfig, fit
from tests.models.synthetic import NUM_CLASSES, city

FILES = ("config.json", "model.safetensors", "vocab.json")
SAMPLES = city(40, seed=9)


def trained():
    config = dataclasses.replace(MrlfConfig.small(), num_filters=8, num_heads=2)
    train_config = TrainConfig(max_epochs=2, num_threads=1)
    return fit(city(64), city(32, seed=4), num_classes=NUM_CLASSES, model_config=config, train_config=train_config)


@pytest.fixture(scope="module")
def fitted():
    return trained()


def test_words_and_scale_are_those_of_the_training_posts_alone():
    """Whatever the validation posts hold: nothing of them is learnt but which epoch to keep."""
    train, validation = city(16), city(8, seed=4)
    others = dataclasses.replace(
        validation, captions=["zyzzyva qoph"] * 8, hashtags=[["xebec"]] * 8, image_ND=validation.image_ND * 9 + 5
    )
    config = dataclasses.replace(MrlfConfig.small(), min_word_count=1, min_hashtag_count=1, min_char_count=1)
    one, two = (
        fit(train, held_out, num_classes=NUM_CLASSES, model_config=config, train_config=TrainConfig(max_epochs=1))
        for held_out in (validation, others)
    )
    assert one.vocabulary.to_json() == two.vocabulary.to_json()
    assert np.array_equal(one.scaler.mean_D, two.scaler.mean_D)


def test_probabilities_are_float64_rows_that_sum_to_one(fitted):
    proba = fitted.predict_proba(SAMPLES)
    assert proba.shape == (40, NUM_CLASSES) and proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-12)
    assert fitted.predict_proba(SAMPLES.take([])).shape == (0, NUM_CLASSES)


def test_order_and_company_of_the_samples_do_not_matter(fitted):
    proba = fitted.predict_proba(SAMPLES)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(fitted.predict_proba(SAMPLES.take(order)), proba[order], atol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(SAMPLES.take([7])), proba[[7]], atol=1e-6)


@pytest.mark.fault("T12")
def test_a_loaded_model_predicts_bit_for_bit_the_same(fitted, tmp_path):
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    assert np.array_equal(loaded.predict_proba(SAMPLES), fitted.predict_proba(SAMPLES))
    for name in ("vocabulary", "model_config", "train_config", "best_epoch", "num_classes"):
        assert getattr(loaded, name) == getattr(fitted, name)
    ours = [dataclasses.replace(epoch, seconds=0.0) for epoch in fitted.history]
    assert [dataclasses.replace(epoch, seconds=0.0) for epoch in loaded.history] == ours


def test_equal_runs_write_equal_bytes(fitted, tmp_path):
    fitted.save(tmp_path / "one")
    trained().save(tmp_path / "two")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES)


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop_a_tensor(folder):
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    tensors.pop("network.head.bias")
    path.write_bytes(safetensors.torch.save(tensors))


@pytest.mark.fault("T6")
@pytest.mark.parametrize(
    ("damage", "match"),
    [
        pytest.param(lambda f: flip_last_byte(f / "model.safetensors"), "weights", id="weights flipped"),
        pytest.param(lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "damaged", id="no safetensors"),
        pytest.param(drop_a_tensor, "weights", id="tensor missing"),
        pytest.param(lambda f: (f / "vocab.json").write_text("{}"), "vocab.json", id="vocabulary of another model"),
        pytest.param(lambda f: (f / "config.json").write_text("{"), "no JSON", id="half a config"),
        pytest.param(
            lambda f: (f / "config.json").write_text("[]"), "describes no model of format", id="not a config"
        ),
        pytest.param(lambda f: edit_config(f, format=99), "describes no model of format", id="other format"),
        pytest.param(lambda f: edit_config(f, more=2), "describes no model of format", id="unknown field"),
        pytest.param(lambda f: edit_config(f, model_config={}), "another version", id="settings missing"),
        pytest.param(lambda f: edit_config(f, num_classes=3), "do not fit", id="other number of classes"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused(fitted, tmp_path, damage, match):
    fitted.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=match):
        Fitted.load(tmp_path)


def test_a_missing_file_is_an_os_error(fitted, tmp_path):
    fitted.save(tmp_path)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(OSError, match=r"vocab\.json"):
        Fitted.load(tmp_path)


def test_predicting_leaves_dropout_off_and_keeps_no_graph(fitted):
    fitted.model.train()
    one, two = fitted.predict_proba(SAMPLES), fitted.predict_proba(SAMPLES)
    assert np.array_equal(one, two) and not fitted.model.training
    assert all(
        parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in fitted.model.parameters()
    )


def test_a_model_from_before_its_embeddings_had_a_setting_is_read_as_trained_with_torchs_own(fitted, tmp_path):
    fitted.save(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())["model_config"]
    edit_config(tmp_path, model_config={name: value for name, value in settings.items() if name != "embedding_std"})
    assert Fitted.load(tmp_path).model_config == dataclasses.replace(fitted.model_config, embedding_std=1.0)


@pytest.mark.fault("N18")
def test_a_model_from_before_a_choice_was_a_setting_is_read_as_the_choice_was(fitted, tmp_path):
    fitted.save(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    new = {"hidden_dim", "fused", "even_kernels", "rmsprop_alpha"}
    parts = {
        part: {k: v for k, v in stored[part].items() if k not in new} for part in ("model_config", "train_config")
    }
    edit_config(tmp_path, **parts)
    again = Fitted.load(tmp_path)
    assert again.configs == fitted.configs and again.train_config.rmsprop_alpha == 0.99

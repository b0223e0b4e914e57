"""VGG19 features: which weights are taken and what they are called, the preprocessing, and what the features tell."""

import logging
import os
from urllib.error import URLError

import numpy as np
import pytest
import safetensors.torch
import torch
from torchvision.models import VGG19_Weights, vgg19

from models.vgg import Vgg19Features, normalise, preprocess
from models.vgg_weights import convolutions, fixed_seed_weights

SEED_0_SHA256 = "c3c86235375291a29939ff57e2f266aa0aa11e82c3f2dfa4e5e39501ab90fdde"
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in [(40, 60, 3), (90, 33, 3), (1, 1, 3)]]


@pytest.fixture(scope="module")
def builtin():
    return Vgg19Features("builtin", image_size=32)


@pytest.fixture(scope="module")
def full_state():
    """A state dict as torchvision's file has it, with other random weights and a stand-in classifier."""
    state = {f"features.{name}": tensor for name, tensor in fixed_seed_weights(1).items()}
    return state | {"classifier.0.weight": torch.zeros(2, 2)}


@pytest.fixture
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(VGG19_Weights, "get_state_dict", refuse)


def test_the_layers_are_torchvisions():
    with torch.device("meta"):
        theirs = vgg19().features.state_dict()
    ours = convolutions().state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {n: t.shape for n, t in theirs.items()}


def test_features_are_the_mean_of_torchvisions_last_map(builtin):
    with torch.device("meta"):
        theirs = vgg19().features
    theirs.load_state_dict(fixed_seed_weights(0), assign=True)
    pixels = normalise(torch.stack([preprocess(picture, 32) for picture in PICTURES]))
    with torch.inference_mode():
        expected = theirs.eval()(pixels).mean(dim=(2, 3)).numpy()
    found = builtin(PICTURES)
    assert found.shape == (3, 512) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_fixed_seed_network_is_the_same_on_every_machine_and_leaves_torchs_generator_alone(builtin):
    state = torch.get_rng_state()
    again = Vgg19Features("builtin", image_size=32)
    assert torch.equal(torch.get_rng_state(), state)
    assert again.weights_sha256 == builtin.weights_sha256 == SEED_0_SHA256
    assert (builtin.backbone, builtin.fell_back) == ("vgg19_fixed_seed", None)


def test_company_and_number_of_pictures_do_not_matter(builtin):
    many = builtin(PICTURES * 4)
    np.testing.assert_allclose(many[:3], builtin(PICTURES), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(many[9:], many[:3], rtol=1e-4, atol=1e-4)
    assert builtin([]).shape == (0, 512)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_vgg19_is_loaded_and_called_vgg19(tmp_path, full_state, suffix):
    path = tmp_path / f"vgg19{suffix}"
    (torch.save(full_state, path) if suffix == ".pth" else safetensors.torch.save_file(full_state, path))
    features = Vgg19Features("require", path, image_size=32)
    assert (features.backbone, features.fell_back) == ("vgg19", None)
    assert features.weights_sha256 == Vgg19Features("builtin", image_size=32, seed=1).weights_sha256


def rename(state):
    return {name.replace("features.0", "conv1"): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(rename, r"lacks features\.0\.weight", id="other names"),
        pytest.param(lambda s: s | {"features.0.weight": torch.zeros(64, 1, 3, 3)}, r"\(64, 1, 3, 3\)", id="shape"),
        pytest.param(lambda s: s | {"features.40.weight": torch.zeros(1)}, "unknown to VGG19", id="layer more"),
        pytest.param(lambda s: {"classifier.0.weight": torch.zeros(1)}, "29 more differences", id="classifier only"),
        pytest.param(lambda s: [1, 2], "holds a list", id="no state dict"),
    ],
)
@pytest.mark.fault("T6")
def test_another_network_is_refused_with_the_difference(tmp_path, full_state, offline, change, match):
    path = tmp_path / "weights.pth"
    torch.save(change(full_state), path)
    with pytest.raises(ValueError, match=match):
        Vgg19Features("auto", path, image_size=32)


class Foreign:
    """A pickle that would run something."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.fault("T6")
@pytest.mark.parametrize("name", ["foreign.pth", "noise.pth", "noise.safetensors"])
def test_a_file_that_is_no_plain_weights_is_refused_and_not_run(tmp_path, name):
    path = tmp_path / name
    if name == "foreign.pth":
        torch.save(Foreign(tmp_path / "ran"), path)
    else:
        path.write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match="not loaded in any other way"):
        Vgg19Features("require", path, image_size=32)
    assert not (tmp_path / "ran").exists()


def test_auto_takes_torchvisions_weights_where_there_is_a_network(monkeypatch, full_state):
    asked = {}

    def answer(self, **kwargs):
        asked.update(kwargs)
        return full_state

    monkeypatch.setattr(VGG19_Weights, "get_state_dict", answer)
    assert Vgg19Features("auto", image_size=32).backbone == "vgg19"
    assert asked["check_hash"] is True and asked["weights_only"] is True


@pytest.mark.parametrize("has_name", [True, False], ids=["file missing", "no file named"])
def test_auto_without_a_network_falls_back_says_so_and_is_never_called_pre_trained(
    offline, caplog, tmp_path, has_name
):
    features = Vgg19Features("auto", tmp_path / "missing.pth" if has_name else None, image_size=32)
    assert features.backbone == "vgg19_fixed_seed" and features.weights_sha256 == SEED_0_SHA256
    assert "no route to host" in features.fell_back
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "random weights" in warnings[0].getMessage()


def test_require_without_a_network_says_what_to_do(offline, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.pth, connect to the network, or choose weights=builtin"):
        Vgg19Features("require", tmp_path / "missing.pth", image_size=32)


@pytest.mark.parametrize("shape", [(256, 256), (300, 420), (700, 512)], ids=str)
def test_preprocessing_is_torchvisions_recipe(shape):
    """Up to the rounding of the resize: half a grey value on average."""
    y, x = np.mgrid[: shape[0], : shape[1]] / 40
    picture = np.stack([127 + 120 * np.sin(y + x), 127 + 100 * np.cos(x), 127 + 90 * np.sin(y)], axis=-1)
    picture = picture.astype(np.uint8)
    expected = VGG19_Weights.IMAGENET1K_V1.transforms()(torch.from_numpy(picture).permute(2, 0, 1))
    difference = (normalise(preprocess(picture, 224)[None])[0] - expected).abs() * 0.225 * 255
    assert float(difference.mean()) < 1.0 and float(difference.max()) < 6


@pytest.mark.parametrize(
    "picture",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32),
     np.zeros((0, 8, 3), np.uint8)],
    ids=["grey", "alpha", "float", "empty"],
)  # fmt: skip
def test_a_picture_that_is_not_rgb_bytes_is_refused(picture):
    with pytest.raises(ValueError, match=r"uint8 of shape \(H, W, 3\)"):
        preprocess(picture, 32)


def test_a_very_long_picture_costs_no_more_than_its_middle():
    assert preprocess(np.zeros((2, 100_000, 3), np.uint8), 96).shape == (3, 96, 96)


def test_an_image_size_without_a_last_map_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        Vgg19Features("builtin", image_size=31)


def texture(kind, rng):
    """One of three textures in two colours that vary, at any phase: only the texture tells the kind."""
    y, x = np.mgrid[:64, :64] + rng.integers(0, 8, 2)[:, None, None]
    is_front = [y % 8 < 4, x % 8 < 4, (y // 4 + x // 4) % 2 == 0][kind]
    back, front = np.array([[90, 140, 160], [190, 110, 80]]) + rng.normal(0, 20, (2, 3))
    noise = rng.normal(0, 8, (64, 64, 3))
    return np.clip(np.where(is_front[..., None], front, back) + noise, 0, 255).astype(np.uint8)


@pytest.mark.slow
def test_features_of_the_fixed_seed_network_tell_textures_apart_even_as_float16():
    kinds = np.arange(90) % 3
    rng = np.random.default_rng(1)
    features = Vgg19Features("builtin", image_size=64)([texture(kind, rng) for kind in kinds])
    stored = features.astype(np.float16).astype(np.float64)
    spread = stored.std(axis=0)
    assert np.median(spread / np.abs(stored).mean(axis=0)) > 0.05
    assert (np.abs(stored - features).max(axis=0) < spread / 20).mean() > 0.99
    scaled = (stored - stored[:60].mean(axis=0)) / np.where(spread > 0, spread, 1)
    nearest = ((scaled[60:, None] - scaled[None, :60]) ** 2).sum(axis=2).argmin(axis=1)
    assert (kinds[nearest] == kinds[60:]).mean() > 0.85

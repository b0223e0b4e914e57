"""Picture features: networks without classifier, their preprocessing, and those of a fixed seed."""

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.transforms._presets import ImageClassification

from models.vision import backbone_weights, backbones
from models.vision.backbone_weights import BACKBONES, FeatureNetwork, build, check_state, headless
from models.vision.backbones import (
    ImageFeatures,
    fixed_seed_features,
    fixed_seed_sha256,
    preprocess,
    resized_side,
)
from models.vision.running import Running, choose_running

SEED_0_SHA256 = {
    "vgg19": "c3c86235375291a29939ff57e2f266aa0aa11e82c3f2dfa4e5e39501ab90fdde",
    "vgg16": "c800c336a28de601ac80f1ba835be1d06f34a29339b4e1606fd97025710924b6",
    "resnet50": "23149655e9dfd75d990d03c0fc4aa72de300fc08419828de79efcbcf58817d90",
    "resnet101": "6ba6cf090b212e909bc5232415a3d20c56c8d9b30b2b4a78a4e54e9812b66a63",
    "densenet121": "29e16d500019d0754a0a388ff18a40d61848fdad2a04d2ad7bc9afd0f33a5657",
    "efficientnet_lite0": "e655cbe0673a47d35a40027ba97b7f3f872797da8d277a07a64f1981a04f5ba9",
}
FP32 = Running("torch", "cpu", "fp32")
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in [(40, 60, 3), (90, 33, 3), (1, 1, 3)]]
WIDTHS = {
    "vgg19": 512,
    "vgg16": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "densenet121": 1024,
    "efficientnet_lite0": 1280,
}

random_state = cache(backbone_weights.random_state)
"""drawn once for the tests of a network; none of them changes it"""
draw_fixed_seed_weights = backbones.fixed_seed_weights


@cache
def fixed_seed_weights(backbone="vgg19", seed=0):
    """Drawn once for the tests of a network; none of them changes it."""
    state = torch.get_rng_state()
    weights = draw_fixed_seed_weights(backbone, seed)
    assert torch.equal(torch.get_rng_state(), state), "torch's own generator was used"
    return weights


@pytest.fixture(scope="module", autouse=True)
def drawn_once() -> Iterator[None]:
    """The weights of a fixed seed are taken from the cache, and both caches are emptied at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "fixed_seed_weights", fixed_seed_weights)
        yield
    random_state.cache_clear()
    fixed_seed_weights.cache_clear()


@pytest.fixture(scope="module")
def builtin():
    return fixed_seed_features(FP32, image_size=32)


def test_the_backbones_are_the_six_with_their_widths():
    assert {name: backbone.num_features for name, backbone in BACKBONES.items()} == WIDTHS


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_the_mean_of_torchvisions_last_map(name):
    """Against torchvision's own transforms and network, layer by layer to its last map; of ours, against the map."""
    state = random_state(name)
    picture = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    module = build(name, check_state(state, name, "a file"))
    found = module(torch.from_numpy(picture).permute(2, 0, 1)[None])
    with torch.device("meta"):
        theirs = BACKBONES[name].make()
    theirs.load_state_dict(state, assign=True)
    pixels = transforms_of(name, crop_size=64, resize_size=64)(torch.from_numpy(picture).permute(2, 0, 1))
    with torch.inference_mode():
        expected = last_map(theirs.eval(), pixels[None]).mean(dim=(2, 3))
    assert found.shape == (1, WIDTHS[name]) and 0.01 < float(expected.std()) < 100
    scale = float(expected.abs().max())
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0)


def transforms_of(name, **sizes):
    """The published preprocessing by torchvision itself; for a network that it has not, our recipe in its words."""
    if name in torchvision.models.list_models():
        return torchvision.models.get_model_weights(name).IMAGENET1K_V1.transforms(**sizes)
    recipe = BACKBONES[name].recipe
    return ImageClassification(**{"crop_size": 224, **sizes}, mean=recipe.mean, std=recipe.sd)


def last_map(network: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """What the pooling before the classifier sees."""
    if hasattr(network, "last_map"):
        return network.last_map(pixels)
    if hasattr(network, "features"):
        found = network.features(pixels)
        return torch.relu(found) if type(network).__name__ == "DenseNet" else found
    for layer in list(network.children())[:-2]:
        pixels = layer(pixels)
    return pixels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "num_left"), [("resnet50", 0), ("densenet121", 62), ("vgg19", 0), ("efficientnet_lite0", 0)]
)
def test_batch_norm_is_folded_wherever_it_follows_a_convolution(name, num_left):
    module = build(name, check_state(random_state(name), name, "a file"))
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules()) == num_left
    assert not module.training and not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.slow
@pytest.mark.fault("M9")
@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_bf16_features_are_those_of_fp32(name):
    """The cosine between both is at least .999: bf16 rounds each layer to 2^-9."""
    module = build(name, check_state(random_state(name), name, "a file"))
    pictures = [np.kron(RNG.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(3)]
    device_choices = [choose_running(precision="fp32", device="cpu"), choose_running(precision="bf16", device="cpu")]
    exact, rounded = (ImageFeatures(name, "ab", module, how, image_size=64)(pictures) for how in device_choices)
    cosine = (exact * rounded).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert cosine.min() > 0.999
    assert np.abs(exact - rounded).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_a_fixed_seed_network_is_the_same_on_every_machine_and_leaves_torchs_generator_alone(name):
    state = torch.get_rng_state()
    features = fixed_seed_features(FP32, backbone=name, image_size=32)
    assert torch.equal(torch.get_rng_state(), state)
    assert features.weights_sha256 == fixed_seed_sha256(name) == SEED_0_SHA256[name]
    assert features.backbone == f"{name}_fixed_seed"
    assert features(PICTURES).shape == (3, WIDTHS[name])


@pytest.mark.slow
def test_another_seed_is_another_network():
    assert fixed_seed_sha256("vgg19", seed=1) != SEED_0_SHA256["vgg19"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "resnet101", "densenet121"])
def test_batch_norms_of_a_fixed_seed_network_measure_nothing(name):
    weights = fixed_seed_weights(name, 0)  # as it was asked for by others, and is kept
    assert all(not tensor.any() for key, tensor in weights.items() if key.endswith("running_mean"))
    assert all((tensor == 1).all() for key, tensor in weights.items() if key.endswith("running_var"))
    assert weights.keys() == without_counters(without_head(name)).keys()


def test_real_weights_are_called_by_the_backbones_name():
    module = build("vgg19", check_state(random_state("vgg19"), "vgg19", "a file"))
    features = ImageFeatures("vgg19", "ab" * 32, module, FP32, image_size=32)
    assert (features.backbone, features.weights_sha256, str(features.running)) == (
        "vgg19",
        "ab" * 32,
        "torch fp32 on cpu",
    )


@pytest.mark.slow
@pytest.mark.fault("M9")
def test_company_and_number_of_pictures_do_not_matter(builtin):
    many = builtin(PICTURES * 12)
    np.testing.assert_allclose(many[:3], builtin(PICTURES), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(many[33:], many[:3], rtol=1e-4, atol=1e-4)
    eight = fixed_seed_features(FP32, image_size=32, batch_size=8)(PICTURES * 12)
    np.testing.assert_allclose(eight, many, rtol=1e-4, atol=1e-4)
    assert builtin([]).shape == (0, 512) and many.dtype == np.float32


def without_head(name):
    return {key: tensor for key, tensor in random_state(name).items() if not key.startswith(BACKBONES[name].head)}


def with_old_names(state):
    """As torchvision's published DenseNet file names its layers."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", key): t for key, t in state.items()}


def without_counters(state):
    return {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("vgg19", dict, id="whole file"),
        pytest.param("resnet50", without_counters, id="no counters of batches"),
        pytest.param("densenet121", with_old_names, id="densenet's old names"),
    ],
)
def test_a_state_dict_of_the_network_is_taken_without_its_classifier(name, change):
    found = check_state(change(random_state(name)), name, "a file")
    expected = without_counters(without_head(name))
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in found)
    assert isinstance(build(name, found), FeatureNetwork)


def rename(state):
    return {name.replace("features.0", "conv1"): tensor for name, tensor in state.items()}


def not_finite(state):
    return state | {"features.0.bias": torch.full((64,), torch.nan)}


@pytest.mark.fault("M11")
@pytest.mark.fault("T6")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(rename, r"a file is not vgg19: it lacks features\.0\.weight", id="other names"),
        pytest.param(lambda s: s | {"features.0.weight": torch.zeros(64, 1, 3, 3)}, r"\(64, 1, 3, 3\)", id="shape"),
        pytest.param(lambda s: s | {"features.40.weight": torch.zeros(1)}, "unknown to vgg19", id="layer more"),
        pytest.param(lambda s: {"classifier.0.weight": torch.zeros(1)}, "29 more differences", id="classifier only"),
        pytest.param(
            lambda s: s | {"features.0.bias": "words"}, r"holds features\.0\.bias \(str\), no tensor", id="no tensor"
        ),
        pytest.param(lambda s: [1, 2], "holds a list", id="no state dict"),
        pytest.param(lambda s: random_state("vgg16"), r"lacks features\.16\.weight", id="vgg16"),
        pytest.param(lambda s: random_state("resnet50"), "Take torchvision's vgg19", id="resnet50"),
        pytest.param(not_finite, r"features\.0\.bias with values that are not finite", id="not finite"),
    ],
)
def test_another_network_is_refused_with_the_difference(change, match):
    with pytest.raises(ValueError, match=match):
        check_state(change(random_state("vgg19")), "vgg19", "a file")


@pytest.mark.slow
def test_the_layers_are_torchvisions():
    """Names and shapes come from the modules themselves; ours have only the classifier left out."""
    for name, backbone in BACKBONES.items():
        with torch.device("meta"):
            theirs = backbone.make().state_dict()
        expected = {key: tensor.shape for key, tensor in theirs.items() if not key.startswith(f"{backbone.head}.")}
        assert {key: tensor.shape for key, tensor in headless(name).state_dict().items()} == expected


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("shape", [(256, 256), (300, 420), (700, 512)], ids=str)
def test_preprocessing_is_torchvisions_recipe(name, shape):
    """Up to the rounding of the resize: half a grey value on average."""
    y, x = np.mgrid[: shape[0], : shape[1]] / 40
    picture = np.stack([127 + 120 * np.sin(y + x), 127 + 100 * np.cos(x), 127 + 90 * np.sin(y)], axis=-1)
    picture = picture.astype(np.uint8)
    expected = transforms_of(name)(torch.from_numpy(picture).permute(2, 0, 1))
    seen = FeatureNetwork(nn.Identity(), BACKBONES[name].recipe)(
        preprocess(picture, 224, resized_side(name, 224))[None]
    )
    difference = (seen[0] - expected).abs() * BACKBONES[name].recipe.sd[2] * 255
    assert float(difference.mean()) < 1.0 and float(difference.max()) < 6


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_a_picture_that_is_not_rgb_bytes_is_refused(picture):
    with pytest.raises(ValueError, match=r"uint8 of shape \(H, W, 3\)"):
        preprocess(picture, 32, 37)


def test_a_very_long_picture_costs_no_more_than_its_middle():
    assert preprocess(np.zeros((2, 100_000, 3), np.uint8), 96, 110).shape == (3, 96, 96)


def test_an_image_size_without_a_last_map_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        fixed_seed_features(FP32, image_size=31)


def texture(kind, rng):
    """One of three textures in two colours that vary, at any phase: only the texture shows the kind."""
    y, x = np.mgrid[:64, :64] + rng.integers(0, 8, 2)[:, None, None]
    is_front = [y % 8 < 4, x % 8 < 4, (y // 4 + x // 4) % 2 == 0][kind]
    back, front = np.array([[90, 140, 160], [190, 110, 80]]) + rng.normal(0, 20, (2, 3))
    noise = rng.normal(0, 8, (64, 64, 3))
    return np.clip(np.where(is_front[..., None], front, back) + noise, 0, 255).astype(np.uint8)


def torch_by_twelve(name):
    """Nothing is compiled for a few pictures."""
    return fixed_seed_features(FP32, backbone=name, image_size=64, batch_size=12)


def of_this_machine(name):
    return fixed_seed_features(choose_running(precision="bf16", device="cpu"), backbone=name, image_size=64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "network_of"),
    [
        pytest.param("vgg19", of_this_machine, id="vgg19-bf16"),
        *(pytest.param(name, torch_by_twelve, id=f"{name}-fp32") for name in BACKBONES),
    ],
)
def test_features_of_a_fixed_seed_network_separate_textures_even_as_float16(name, network_of):
    """Each picture's nearest of the 35 others is of its kind: chance is .31 with a standard error of .08."""
    kinds = np.arange(36) % 3
    rng = np.random.default_rng(1)
    features = network_of(name)([texture(kind, rng) for kind in kinds])
    stored = features.astype(np.float16).astype(np.float64)
    spread = stored.std(axis=0)
    assert spread.min() > 1e-3 * np.abs(stored).max()  # no channel is dead
    assert np.median(spread / np.abs(stored).mean(axis=0)) > 0.05
    assert (np.abs(stored - features).max(axis=0) < spread / 20).mean() > 0.99
    scaled = (stored - stored.mean(axis=0)) / np.where(spread > 0, spread, 1)
    distances = ((scaled[:, None] - scaled[None, :]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (kinds[distances.argmin(axis=1)] == kinds).mean() > 0.85

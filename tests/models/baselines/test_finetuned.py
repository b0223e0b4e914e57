"""A whole network of torchvision trained further: its weights, how pictures are varied, and that it resumes."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch

from models.baselines import finetuned
from models.baselines.finetuned import BackboneName, Finetuned, FinetunedConfig, initial_weights, vary
from models.data.batches import Batch, Padded
from models.data.text import Vocabulary
from models.settings.train_config import TrainConfig
from models.training.fitted import Fitted
from models.training.training import fit
from models.vision.backbone_weights import build, check_state, random_state
from tests.models.small_backbones import make_backbones_small
from tests.models.synthetic import clear_city

QUICK = FinetunedConfig(backbone="densenet121")
TRAIN, VALIDATION = clear_city(16, seed=1), clear_city(8, seed=2)
NOTHING = Vocabulary((), (), ())
NO_TEXT = Padded(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))


def network(name="densenet121", **how):
    torch.manual_seed(0)
    return Finetuned(FinetunedConfig(backbone=name, **how), NOTHING, image_dim=1, num_classes=4)


def batch_of(pixels_BCHW, has_image_B=None):
    return Batch(
        caption_chars=NO_TEXT,
        caption_words=NO_TEXT,
        hashtag_chars=NO_TEXT,
        hashtag_words=NO_TEXT,
        hashtag_of_char_BL=NO_TEXT.ids_BL,
        image_BD=torch.zeros(0),
        pixels_BCHW=pixels_BCHW,
        has_image_B=torch.ones(len(pixels_BCHW), dtype=torch.bool) if has_image_B is None else has_image_B,
    )


def pictures(num, side=32):
    return torch.randint(0, 256, (num, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def small(monkeypatch):
    """The backbones are small ones."""
    make_backbones_small(monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "is_small"), [*((name, True) for name in get_args(BackboneName)), ("densenet121", False)]
)
def test_it_begins_as_torchvisions_network_with_these_weights(name, is_small, monkeypatch):
    """Against the frozen network of `models.vision.backbone_weights`, which is compared with torchvision's own."""
    if is_small:
        make_backbones_small(monkeypatch)
    monkeypatch.setattr(finetuned, "_draw", lambda layer: None)  # what is not given a weight holds anything
    state = random_state(name)
    model = network(name).eval()
    model.load_state_dict(initial_weights(name, state), strict=False)
    frozen = build(name, check_state(state, name, "a file"))
    seen = (pictures(2).float() / 255 - model.mean_C11) / model.sd_C11
    with torch.inference_mode():
        expected, found = frozen(pictures(2)), model._features(seen)
        torch.testing.assert_close(model(batch_of(pictures(2))), model.head(found))
    scale = float(expected.abs().max())
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0)


def test_every_weight_is_trained(small):
    assert all(parameter.requires_grad for parameter in network().parameters())
    before = network()
    config = TrainConfig(optimiser="adam", learning_rate=1e-3, batch_size=8, max_epochs=1, num_threads=1)
    fitted = fit(TRAIN, VALIDATION, num_classes=4, model_config=QUICK, train_config=config)
    moved = {
        name: not torch.equal(tensor, dict(before.named_parameters())[name])
        for name, tensor in fitted.model.named_parameters()
    }
    assert [name for name, is_moved in moved.items() if not is_moved] == ["stand_in_F"]  # every post has its picture


def test_weights_of_another_network_are_refused(small):
    with pytest.raises(ValueError, match="finetuned_vgg16 with is not vgg16"):
        initial_weights("vgg16", random_state("vgg19"))
    wrong = {"network.features.0.weight": torch.zeros(3)}
    config = TrainConfig(max_epochs=1, num_threads=1)
    with pytest.raises(ValueError, match=r"the first is network\.features\.0\.weight"):
        fit(TRAIN, VALIDATION, num_classes=4, model_config=QUICK, train_config=config, initial_state=wrong)


def test_a_post_without_picture_is_not_looked_at(small):
    model = network().eval()
    has_image_B = torch.tensor([True, False, True])
    one, other = pictures(3), pictures(3)
    other[1] = 255 - other[1]
    with torch.inference_mode():
        found = model(batch_of(one, has_image_B))
        torch.testing.assert_close(found, model(batch_of(other, has_image_B)), atol=1e-6, rtol=0)
        torch.testing.assert_close(found[1], model.head.bias, atol=1e-6, rtol=0)


@pytest.mark.fault("T4")
def test_a_single_picture_can_be_trained_on(small):
    """Of 17 posts in batches of 16 one is left: at 32 px its last map is one position, without a spread."""
    model = network("resnet50").train()
    model(batch_of(pictures(1))).sum().backward()
    assert all(layer.training for layer in model.modules())


@pytest.mark.parametrize("side", [32, 41])
def test_pictures_are_shifted_and_mirrored_and_nothing_else(side):
    """Each result is one of the crops of the mirrored-border picture, or that crop in a mirror."""
    torch.manual_seed(3)
    original = pictures(12, side)
    varied = vary(original, 0.125, mirror=True)
    reach = int(0.125 * side)
    assert varied.shape == original.shape and varied.dtype == torch.uint8
    seen = set()
    for before, after in zip(original.numpy(), varied.numpy(), strict=True):
        padded = np.pad(before, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
        matches = [
            (top, left, mirrored)
            for top in range(2 * reach + 1)
            for left in range(2 * reach + 1)
            for mirrored in (False, True)
            for crop in [padded[:, top : top + side, left : left + side]]
            if np.array_equal(crop[:, :, ::-1] if mirrored else crop, after)
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len({(top, left) for top, left, _ in seen}) > 6 and {mirrored for *_, mirrored in seen} == {False, True}


def test_no_variation_leaves_the_pictures_and_none_is_varied_when_asked(small):
    assert torch.equal(vary(pictures(4), 0.0, mirror=False), pictures(4))
    model = network().eval()
    with torch.inference_mode():
        assert torch.equal(model(batch_of(pictures(4))), model(batch_of(pictures(4))))


@pytest.mark.slow
@pytest.mark.fault("T7")
def test_an_interrupted_run_goes_on_to_the_same_bits(small, tmp_path):
    """Variations and batch norms' measurements come along."""

    class StoppedError(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == 1:
            raise StoppedError

    config = TrainConfig(optimiser="adam", learning_rate=1e-3, batch_size=8, max_epochs=2, num_threads=1)
    how = {"num_classes": 4, "model_config": QUICK, "train_config": config}
    whole = fit(TRAIN, VALIDATION, **how)
    with pytest.raises(StoppedError):
        fit(TRAIN, VALIDATION, checkpoint_dir=tmp_path, on_epoch=stop, **how)
    resumed = fit(TRAIN, VALIDATION, checkpoint_dir=tmp_path, **how)
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    whole.save(tmp_path / "model")
    assert np.array_equal(Fitted.load(tmp_path / "model").predict_proba(VALIDATION), whole.predict_proba(VALIDATION))


@pytest.mark.parametrize(
    ("pixels", "match"),
    [
        pytest.param(None, "finetuned_densenet121 learns from pixels and the samples hold none", id="none"),
        pytest.param(np.zeros((16, 31, 40, 3), np.uint8), "at least 32 px a side", id="too small"),
    ],
)
def test_samples_without_fit_pixels_are_refused(small, pixels, match):
    with pytest.raises(ValueError, match=match):
        fit(
            dataclasses.replace(TRAIN, pixels_NHWC=pixels),
            VALIDATION,
            num_classes=4,
            model_config=QUICK,
            train_config=TrainConfig(max_epochs=1, num_threads=1),
        )


@pytest.mark.parametrize("wrong", [{"backbone": "vgg11"}, {"max_shift": 0.5}, {"head_dropout": 1.0}], ids=str)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FinetunedConfig(**wrong)

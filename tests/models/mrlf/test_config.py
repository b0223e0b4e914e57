"""The settings: wrong ones are named, stored ones come back, presets differ where the notes say."""

import dataclasses
import json

import pytest

from models.mrlf.config import MrlfConfig
from models.settings.config_values import config_from_json
from models.settings.train_config import TrainConfig


@pytest.mark.parametrize(
    ("kind", "changes", "match"),
    [
        pytest.param(MrlfConfig, {"num_filters": 30}, "divisible by num_heads", id="heads do not fit"),
        pytest.param(MrlfConfig, {"char_filter_sizes": ()}, "char_filter_sizes", id="no filter"),
        pytest.param(MrlfConfig, {"char_filter_sizes": (1,)}, "at least 2", id="stride 0"),
        pytest.param(MrlfConfig, {"word_filter_sizes": (0,)}, "word_filter_sizes", id="empty filter"),
        pytest.param(MrlfConfig, {"pooling": "max"}, "mean", id="unknown pooling"),
        pytest.param(MrlfConfig, {"fusion": "sum"}, "early_cross", id="unknown fusion"),
        pytest.param(MrlfConfig, {"dropout": 1.0}, "dropout", id="everything dropped"),
        pytest.param(MrlfConfig, {"fused": "is added"}, "joins", id="unknown place of F"),
        pytest.param(MrlfConfig, {"even_kernels": "both"}, "left", id="unknown side of even kernels"),
        pytest.param(MrlfConfig, {"hidden_dim": -1}, "hidden_dim must be at least 0", id="hidden width"),
        pytest.param(TrainConfig, {"rmsprop_alpha": 1.0}, "rmsprop_alpha", id="nothing new is learnt"),
        pytest.param(MrlfConfig, {"image_fc_dim": 0}, "image_fc_dim", id="no width"),
        pytest.param(MrlfConfig, {"max_hashtags": 0}, "max_hashtags", id="text limit"),
        pytest.param(MrlfConfig, {"modalities": ()}, "modalities must be one or more", id="no modality"),
        pytest.param(MrlfConfig, {"modalities": ("text", "text")}, "each once", id="a modality twice"),
        pytest.param(MrlfConfig, {"modalities": ("sound",)}, "text.*hashtags.*image", id="unknown modality"),
        pytest.param(MrlfConfig, {"characters": False, "words": False}, "characters or words", id="nothing to read"),
        pytest.param(
            MrlfConfig, {"fusion": "text_image", "modalities": ("text",)}, "given text, image", id="no image to fuse"
        ),
        pytest.param(
            MrlfConfig, {"fusion": "text_image", "characters": False}, "characters False", id="no characters to fuse"
        ),
        pytest.param(TrainConfig, {"learning_rate": 0.0}, "learning_rate", id="learning rate 0"),
        pytest.param(TrainConfig, {"learning_rate": float("nan")}, "learning_rate", id="learning rate NaN"),
        pytest.param(TrainConfig, {"plateau_factor": 1.0}, "plateau_factor", id="factor 1"),
        pytest.param(TrainConfig, {"batch_size": 0}, "batch_size", id="empty batches"),
        pytest.param(TrainConfig, {"num_threads": 0}, "num_threads", id="no threads"),
    ],
)
def test_a_wrong_setting_is_named(kind, changes, match):
    with pytest.raises(ValueError, match=match):
        kind(**changes)


@pytest.mark.parametrize("config", [MrlfConfig.paper(), MrlfConfig.small(), TrainConfig.paper(), TrainConfig.small()])
def test_a_stored_configuration_comes_back(config):
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert config_from_json(type(config), values) == config


@pytest.mark.parametrize("change", [{"more": 1}, None], ids=["unknown field", "missing field"])
def test_a_stored_configuration_of_another_version_is_refused(change):
    values = dataclasses.asdict(TrainConfig()) | (change or {})
    if change is None:
        del values["seed"]
    with pytest.raises(ValueError, match="another version"):
        config_from_json(TrainConfig, values)


def test_an_image_alone_needs_neither_characters_nor_words():
    assert not MrlfConfig(modalities=("image",), characters=False, words=False).has_fusion


def test_presets():
    assert MrlfConfig.paper() == MrlfConfig() and TrainConfig.small() == TrainConfig(num_threads=1, max_epochs=60)
    assert MrlfConfig.small().char_filter_sizes == (3, 5) and TrainConfig.paper().batch_size == 128

"""What every network has in common: its embeddings begin small, and those of padding at nothing."""

import pytest
import torch
from torch import nn

from models.baselines.deepgeo import DeepgeoConfig
from models.baselines.loctwi import LocTwiConfig
from models.data.text import Vocabulary
from models.mrlf.config import MrlfConfig
from models.training.fitted import build_network


@pytest.mark.parametrize(
    "config", [MrlfConfig.small(), DeepgeoConfig.small(), DeepgeoConfig(embedding_std=0.3), LocTwiConfig.small()]
)
def test_every_embedding_begins_with_the_standard_deviation_of_the_settings(config):
    captions = [" ".join(f"{chr(97 + n % 26)}{n % 40}word" for n in range(40))] * 3
    network = build_network(
        config, Vocabulary.build(captions, [[f"t{n}" for n in range(40)]] * 3, config), image_dim=4, num_classes=2
    )
    embeddings = [layer for layer in network.modules() if isinstance(layer, nn.Embedding)]
    assert embeddings
    for layer in embeddings:
        drawn = layer.weight.detach()
        if layer.padding_idx is not None:
            assert torch.all(drawn[layer.padding_idx] == 0)
            drawn = drawn[layer.padding_idx + 1 :]
        assert drawn.std() == pytest.approx(config.embedding_std, rel=0.1)


@pytest.mark.parametrize("kind", [MrlfConfig, DeepgeoConfig, LocTwiConfig])
def test_embeddings_that_begin_at_nothing_are_refused(kind):
    with pytest.raises(ValueError, match="embedding_std must be above 0"):
        kind(embedding_std=0.0)

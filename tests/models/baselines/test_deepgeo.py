"""Deepgeo against a plain reading of its equations, post by post."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.baselines.deepgeo import Deepgeo, DeepgeoConfig, reverse_texts
from models.baselines.joined_text import joined_characters
from models.data.batches import Padded, make_batch
from models.data.text import Vocabulary, encode_text
from tests.models.synthetic import city

CONFIG = DeepgeoConfig(min_char_count=1, char_dim=6, lstm_dim=5, num_filters=7, pool_window=4, hidden_dim=8)
SAMPLES = dataclasses.replace(
    city(6),
    captions=["", "ab", "abc", "a walk by the sea", "", "abcd"],
    hashtags=[[], [], ["b"], ["c", "sea"], ["a"], []],
)
VOCABULARY = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, CONFIG)


def network(config=CONFIG):
    torch.manual_seed(0)
    return Deepgeo(config, VOCABULARY, image_dim=1, num_classes=3).eval()


def batch_of(rows):
    text = encode_text(SAMPLES.captions, SAMPLES.hashtags, VOCABULARY, CONFIG)
    return make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.array(rows), torch.device("cpu"))


def plain(model, ids):
    """One post by the paper's equations, on its own."""
    ids = torch.tensor(ids)
    window = model.config.pool_window
    if len(ids) == 0:
        pooled = torch.zeros(1, model.config.num_filters)
    else:
        embedded = model.embedding(ids)[None]
        ahead = model.forward_lstm(embedded)[0][0]
        back = model.backward_lstm(embedded.flip(1))[0][0].flip(0)
        nothing = torch.zeros(1, model.config.lstm_dim)
        seen = torch.cat([torch.cat([nothing, ahead[:-1]]), embedded[0], torch.cat([back[1:], nothing])], dim=1)
        filtered = F.relu(model.filters(seen))
        starts = range(max(1, len(ids) - window + 1))
        pooled = torch.stack([filtered[start : start + window].amax(dim=0) for start in starts])
    weights = torch.softmax(model.attention_out(torch.tanh(model.attention(pooled)))[:, 0], dim=0)
    return model.head(torch.tanh(model.hidden(weights @ pooled)))


@pytest.mark.parametrize("reads", ["caption", "caption_and_hashtags"])
def test_a_batch_gives_what_each_post_gives_on_its_own_by_the_equations(reads):
    model = network(dataclasses.replace(CONFIG, reads=reads))
    batch = batch_of(range(6))
    chars = joined_characters(batch, reads, model.space)
    with torch.inference_mode():
        found = model(batch)
        for row in range(6):
            expected = plain(model, chars.ids_BL[row, : chars.lengths_B[row]].tolist())
            torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=1e-5)


def test_each_position_sees_both_sides_and_its_own_character_only_through_its_embedding():
    """With the embedding cut out, a text of one character is the text of any other character."""
    model = network()
    with torch.no_grad():
        model.filters.weight[:, 5:11] = 0
        slots = [model._slots(Padded(torch.tensor([[token]]), torch.tensor([1])))[0] for token in (2, 3)]
        assert torch.equal(*slots)
        pairs = [model._slots(Padded(torch.tensor([[token, 2]]), torch.tensor([2])))[0] for token in (2, 3)]
    assert not torch.equal(*pairs)


def test_texts_are_reversed_up_to_their_length():
    x = torch.arange(8.0).reshape(2, 4, 1)
    assert reverse_texts(x, torch.tensor([3, 0]))[:, :, 0].tolist() == [[2, 1, 0, 3], [4, 5, 6, 7]]


def test_the_sizes_and_the_training_are_those_of_the_paper():
    config, training = DeepgeoConfig.paper(), DeepgeoConfig.paper_training()
    assert (config.char_dim, config.lstm_dim, config.num_filters, config.pool_window) == (200, 200, 400, 10)
    assert (config.hidden_dim, config.dropout, config.min_char_count) == (400, 0.2, 5)
    assert (training.optimiser, training.learning_rate, training.batch_size) == ("adam", 1e-3, 512)
    model = Deepgeo(config, VOCABULARY, image_dim=1, num_classes=3)
    assert (model.filters.in_features, model.filters.out_features) == (600, 400)


@pytest.mark.parametrize(
    "wrong", [{"reads": "hashtags"}, {"lstm_dim": 0}, {"pool_window": 0}, {"dropout": 1.0}], ids=str
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeepgeoConfig(**wrong)

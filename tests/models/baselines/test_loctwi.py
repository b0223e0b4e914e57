"""LocTwi against a plain reading of its code, post by post."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.baselines.joined_text import joined_characters, joined_words
from models.baselines.loctwi import LocTwi, LocTwiConfig
from models.data.batches import make_batch
from models.data.text import Vocabulary, encode_text
from tests.models.synthetic import city

CONFIG = LocTwiConfig(
    min_char_count=1,
    min_word_count=1,
    min_hashtag_count=1,
    word_dim=6,
    num_word_heads=2,
    word_ffn_dim=9,
    char_dim=5,
    char_filter_sizes=(3, 4),
    num_filters=4,
    num_char_heads=2,
    char_ffn_dim=7,
)
SAMPLES = dataclasses.replace(
    city(6),
    captions=["", "ab", "abc", "a walk by the sea", "", "abcdefg"],
    hashtags=[[], [], ["b"], ["c", "sea"], ["a"], []],
)
VOCABULARY = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, CONFIG)


def network(config):
    torch.manual_seed(0)
    return LocTwi(config, VOCABULARY, image_dim=1, num_classes=3).eval()


def batch_of(rows):
    text = encode_text(SAMPLES.captions, SAMPLES.hashtags, VOCABULARY, CONFIG)
    return make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.array(rows), torch.device("cpu"))


def plain_layer(layer, x_LD, num_heads):
    parts = F.relu(layer.projections(x_LD)).chunk(3, dim=1)
    heads = []
    for query, key, value in zip(*(part.chunk(num_heads, dim=1) for part in parts), strict=True):
        heads.append(torch.softmax(query @ key.T / math.sqrt(query.shape[1]), dim=1) @ value)
    attended = layer.attention_norm(x_LD + torch.cat(heads, dim=1))
    return layer.ffn_norm(attended + layer.ffn(attended))


def plain_map(one, chars_LD, config):
    """Without padding as far as the text reaches; a text shorter than the filter has one slot of zeros."""
    size = one.size
    if len(chars_LD) < size:
        pooled = torch.zeros(1, config.num_filters)
    else:
        convolved = F.relu(one.convolution(chars_LD.T[None]))[0]
        starts = range(0, max(1, convolved.shape[1] - 1), size - 1)
        pooled = torch.stack([convolved[:, start : start + size].amax(dim=1) for start in starts])
    slots = one.norm(pooled)
    return slots if one.attention is None else plain_layer(one.attention, slots, config.num_char_heads)


def plain(model, words, chars):
    config = model.config
    words_LD = model.words(words) + model.word_positions.weight[: len(words)] if len(words) else torch.zeros(1, 6)
    for layer in model.word_layers:
        words_LD = plain_layer(layer, words_LD, config.num_word_heads)
    chars_LD = model.characters(chars) + model.char_positions.weight[: len(chars)]
    maps = [plain_map(one, chars_LD, config) for one in model.maps]
    pool = torch.sum if config.pooling == "sum" else torch.mean
    return model.head(torch.cat([pool(part, dim=0) for part in (words_LD, *maps)]))


@pytest.mark.parametrize("reads", ["caption", "caption_and_hashtags"])
@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("character_attention", [True, False], ids=["as in the paper", "as the model released"])
def test_a_batch_gives_what_each_post_gives_on_its_own(reads, pooling, character_attention):
    model = network(dataclasses.replace(CONFIG, reads=reads, pooling=pooling, character_attention=character_attention))
    batch = batch_of(range(6))
    words, chars = joined_words(batch, reads, model.num_words), joined_characters(batch, reads, model.space)
    with torch.inference_mode():
        found = model(batch)
        for row in range(6):
            word_ids = words.ids_BL[row, : words.lengths_B[row]]
            char_ids = chars.ids_BL[row, : chars.lengths_B[row]]
            torch.testing.assert_close(found[row], plain(model, word_ids, char_ids), atol=1e-5, rtol=1e-4)


def test_without_character_attention_there_are_no_weights_of_it():
    names = network(dataclasses.replace(CONFIG, character_attention=False)).state_dict()
    assert not any("maps" in name and "projections" in name for name in names)
    assert any("maps" in name and "projections" in name for name in network(CONFIG).state_dict())


def test_the_sizes_and_the_training_are_those_of_the_code():
    config, training = LocTwiConfig.paper(), LocTwiConfig.paper_training()
    assert (config.word_dim, config.num_word_layers, config.num_word_heads, config.word_ffn_dim) == (200, 2, 10, 800)
    assert (config.char_dim, config.char_filter_sizes, config.num_filters) == (100, (3, 4, 5, 6, 7), 64)
    assert (config.num_char_heads, config.char_ffn_dim, config.pooling, config.dropout) == (8, 256, "sum", 0.3)
    assert (config.min_word_count, config.min_hashtag_count, config.character_attention) == (10, 10, True)
    assert (training.optimiser, training.learning_rate, training.batch_size) == ("adam", 1e-4, 128)
    assert training.max_epochs == 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"word_dim": 201},
        {"num_filters": 63},
        {"char_filter_sizes": ()},
        {"char_filter_sizes": (1,)},
        {"pooling": "max"},
        {"dropout": -0.1},
        {"reads": "hashtags"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LocTwiConfig(**wrong)

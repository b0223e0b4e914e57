"""Hashtag dropout leaves what encoding the post without the dropped hashtags would give."""

import itertools

import numpy as np
import pytest
import torch

from models.data.batches import Padded, make_batch
from models.data.text import TextConfig, Vocabulary, encode_text
from models.mrlf.branches import drop_hashtags, keep_hashtags

CONFIG = TextConfig(min_char_count=1, min_word_count=1, min_hashtag_count=1)
TAGS = ["lisboa", "a", "fado", "tejo"]
VOCABULARY = Vocabulary.build([], [TAGS], CONFIG)


def batch_of(*posts):
    text = encode_text([""] * len(posts), posts, VOCABULARY, CONFIG)
    images = np.zeros((len(posts), 1), dtype=np.float32)
    return make_batch(text, images, np.ones(len(images), bool), np.arange(len(posts)), torch.device("cpu"))


def rows(padded: Padded):
    return [ids[:length].tolist() for ids, length in zip(padded.ids_BL, padded.lengths_B, strict=True)]


@pytest.mark.parametrize("kept", [k for n in range(5) for k in itertools.combinations(range(4), n)], ids=str)
def test_kept_hashtags_are_encoded_as_if_the_others_had_never_been_there(kept):
    batch = batch_of(TAGS, TAGS[:2], [])
    keep = torch.tensor([[number in kept for number in range(4)]] * 3)
    words, chars = keep_hashtags(batch.hashtag_words, batch.hashtag_chars, batch.hashtag_of_char_BL, keep)
    fresh = batch_of([TAGS[n] for n in kept], [TAGS[n] for n in kept if n < 2], [])
    assert rows(words) == rows(fresh.hashtag_words)
    assert rows(chars) == rows(fresh.hashtag_chars)
    assert bool((words.ids_BL[~words.valid_BL()] == 0).all()) and bool((chars.ids_BL[~chars.valid_BL()] == 0).all())


def test_rate_is_the_share_of_hashtags_that_vanish():
    torch.manual_seed(0)
    batch = batch_of(*[TAGS] * 500)
    words, _ = drop_hashtags(batch.hashtag_words, batch.hashtag_chars, batch.hashtag_of_char_BL, 0.3)
    assert abs(float(words.lengths_B.float().mean()) / 4 - 0.7) < 0.04

"""Batches: every sample once, the same for the same seed and epoch, padded to their own longest only."""

import numpy as np
import pytest
import torch

from models.data.batches import make_batch, scoring_batches, training_batches
from models.data.text import Vocabulary, encode_text
from models.mrlf.mrlf import MrlfConfig
from tests.models.synthetic import city

SAMPLES = city(150)
CONFIG = MrlfConfig.small()
VOCABULARY = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, CONFIG)
TEXT = encode_text(SAMPLES.captions, SAMPLES.hashtags, VOCABULARY, CONFIG)


@pytest.mark.parametrize("batch_size", [1, 8, 149, 150, 1000])
def test_every_sample_is_in_exactly_one_batch(batch_size):
    for batches in (training_batches(TEXT, batch_size, seed=0, epoch=1), list(scoring_batches(TEXT, batch_size))):
        assert sorted(np.concatenate(batches)) == list(range(150))
        assert max(map(len, batches)) <= batch_size and len(batches) == -(-150 // batch_size)


def test_an_epoch_is_drawn_from_seed_and_epoch_alone():
    def draw(seed, epoch):
        return [rows.tolist() for rows in training_batches(TEXT, 8, seed=seed, epoch=epoch)]

    assert draw(0, 1) == draw(0, 1)
    assert draw(0, 1) != draw(0, 2) and draw(0, 1) != draw(1, 1)


def test_other_posts_meet_in_each_epoch_though_no_two_are_of_one_length():
    text = encode_text(["x" * length for length in range(100, 260)], [[]] * 160, VOCABULARY, CONFIG)

    def companies(epoch):
        return {frozenset(rows.tolist()) for rows in training_batches(text, 8, seed=0, epoch=epoch)}

    assert len(companies(1) & companies(2)) < len(companies(1)) / 2


@pytest.mark.parametrize("side", ["caption_chars", "hashtag_chars"])
def test_both_lengths_are_alike_within_a_batch(side):
    lengths = getattr(TEXT, side).lengths_N
    ranges = [np.ptp(lengths[rows]) for rows in scoring_batches(TEXT, 8)]
    assert np.mean(ranges) < 0.5 * np.mean([np.ptp(lengths[rows]) for rows in np.split(np.arange(144), 18)])


def test_batches_of_similar_length_hold_much_less_padding_than_random_ones():
    def padded(batches):
        return sum(len(rows) * TEXT.caption_chars.lengths_N[rows].max() for rows in batches)

    random = np.array_split(np.random.default_rng(0).permutation(150), 19)
    assert padded(training_batches(TEXT, 8, seed=0, epoch=1)) < 0.85 * padded(random)


def test_a_batch_is_padded_to_its_own_longest():
    rows = np.argsort(TEXT.caption_chars.lengths_N)[:4]
    batch = make_batch(TEXT, SAMPLES.image_ND, SAMPLES.has_image_N, rows, torch.device("cpu"))
    assert batch.caption_chars.ids_BL.shape[1] == max(1, TEXT.caption_chars.lengths_N[rows].max())
    assert batch.hashtag_of_char_BL.shape == batch.hashtag_chars.ids_BL.shape
    assert torch.equal(batch.image_BD, torch.from_numpy(SAMPLES.image_ND[rows]))


def test_no_samples_make_no_batches():
    text = encode_text([], [], VOCABULARY, CONFIG)
    assert training_batches(text, 8, seed=0, epoch=1) == list(scoring_batches(text, 8)) == []

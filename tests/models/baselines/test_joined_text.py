"""Caption and hashtags as one sequence: what encoding the joined text would give."""

import dataclasses

import numpy as np
import pytest
import torch

from models.baselines.joined_text import joined_characters, joined_words, space_id
from models.data.batches import Padded, make_batch
from models.data.text import TextConfig, Vocabulary, encode_text, normalise, normalise_hashtags

CAPTIONS = ["a quiet hour", "", "wide view", "x", "", "a " * 20 + "end"]
HASHTAGS = [["sea", "sun"], ["sea"], [], ["sun"], [], ["sun"] * 3]
CONFIG = TextConfig(min_char_count=1, min_word_count=1, min_hashtag_count=1, max_caption_chars=30)
VOCABULARY = Vocabulary.build(CAPTIONS, HASHTAGS, CONFIG)


def batch_of(rows):
    text = encode_text(CAPTIONS, HASHTAGS, VOCABULARY, CONFIG)
    empty = np.zeros((len(CAPTIONS), 1), dtype=np.float32)
    return make_batch(text, empty, np.ones(len(CAPTIONS), dtype=bool), np.array(rows), torch.device("cpu"))


def rows_of(padded: Padded):
    assert not padded.ids_BL[~padded.valid_BL()].any()
    return [ids[:length].tolist() for ids, length in zip(padded.ids_BL, padded.lengths_B.tolist(), strict=True)]


@pytest.mark.parametrize("rows", [range(6), [1, 4], [4], [5, 0, 2]], ids=str)
def test_characters_are_those_of_the_joined_text(rows):
    joined = joined_characters(batch_of(rows), "caption_and_hashtags", space_id(VOCABULARY))
    expected = []
    for row in rows:
        parts = [normalise(CAPTIONS[row])[:30], " ".join(normalise_hashtags(HASHTAGS[row]))]
        text = " ".join(part for part in parts if part)
        expected.append([VOCABULARY.char_ids[char] for char in text])
    assert rows_of(joined) == expected


@pytest.mark.parametrize("rows", [range(6), [1, 4], [4], [5, 0, 2]], ids=str)
def test_hashtags_come_after_the_words_and_are_other_tokens_than_these(rows):
    joined = joined_words(batch_of(rows), "caption_and_hashtags", VOCABULARY.num_words)
    expected = [
        [VOCABULARY.word_ids[word] for word in CAPTIONS[row].split()]
        + [VOCABULARY.num_words + VOCABULARY.hashtag_ids[tag] for tag in HASHTAGS[row]]
        for row in rows
    ]
    assert rows_of(joined) == expected


def test_the_caption_alone_is_left_as_it_is():
    batch = batch_of(range(6))
    assert joined_characters(batch, "caption", 9) is batch.caption_chars
    assert joined_words(batch, "caption", 9) is batch.caption_words


def test_wider_padding_of_either_moves_nothing():
    batch = batch_of(range(6))
    wider = dataclasses.replace(
        batch,
        **{
            name: Padded(torch.nn.functional.pad(field.ids_BL, (0, 7)), field.lengths_B)
            for name in ("caption_chars", "hashtag_chars", "caption_words", "hashtag_words")
            for field in [getattr(batch, name)]
        },
    )
    for join, number in ((joined_characters, space_id(VOCABULARY)), (joined_words, VOCABULARY.num_words)):
        assert rows_of(join(batch, "caption_and_hashtags", number)) == rows_of(
            join(wider, "caption_and_hashtags", number)
        )

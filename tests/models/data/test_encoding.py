"""Encoding: limits, lengths, padding, unknown tokens, and which hashtag a character belongs to."""

import numpy as np
import pytest

from models.data.text import PAD_ID, UNKNOWN_ID, TextConfig, Vocabulary, encode_text

CONFIG = TextConfig(
    max_caption_chars=6,
    max_caption_words=2,
    max_hashtags=2,
    max_hashtag_chars=5,
    min_char_count=1,
    min_word_count=1,
    min_hashtag_count=1,
)
VOCABULARY = Vocabulary.build(["sea sun moon"], [["sea", "sun", "moon"]], CONFIG)


def spell(ids, length, names):
    by_id = {number: name for name, number in names.items()} | {UNKNOWN_ID: "?", PAD_ID: "_"}
    return [by_id[int(number)] for number in ids[:length]]


def test_text_is_cut_to_its_limits_and_padded_with_zeros():
    text = encode_text(["Sea sun moon", "", "zoo"], [["sun", "sea", "moon"], [], ["zoo"]], VOCABULARY, CONFIG)
    chars, words = text.caption_chars, text.caption_words
    assert chars.lengths_N.tolist() == [6, 0, 3] and words.lengths_N.tolist() == [2, 0, 1]
    assert "".join(spell(chars.ids_NL[0], 6, VOCABULARY.char_ids)) == "sea su"
    assert spell(words.ids_NL[0], 2, VOCABULARY.word_ids) == ["sea", "sun"]
    assert spell(words.ids_NL[2], 1, VOCABULARY.word_ids) == ["?"]
    assert "".join(spell(chars.ids_NL[2], 3, VOCABULARY.char_ids)) == "?oo"
    assert text.hashtag_words.lengths_N.tolist() == [2, 0, 1]
    assert spell(text.hashtag_words.ids_NL[0], 2, VOCABULARY.hashtag_ids) == ["sun", "sea"]
    assert "".join(spell(text.hashtag_chars.ids_NL[0], 5, VOCABULARY.char_ids)) == "sun s"
    assert text.hashtag_of_char_NL[0].tolist() == [0, 0, 0, 1, 1]
    for field in (chars, words, text.hashtag_chars, text.hashtag_words):
        positions = np.arange(field.ids_NL.shape[1])
        assert np.array_equal(field.ids_NL == PAD_ID, positions >= field.lengths_N[:, None])


@pytest.mark.parametrize("num_posts", [0, 1])
def test_posts_without_any_text_still_have_one_position(num_posts):
    text = encode_text([""] * num_posts, [[]] * num_posts, VOCABULARY, CONFIG)
    assert text.caption_chars.ids_NL.shape == text.hashtag_words.ids_NL.shape == (num_posts, 1)


def test_ids_are_stored_in_the_smallest_type_that_holds_them():
    assert encode_text(["sea"], [[]], VOCABULARY, CONFIG).caption_words.ids_NL.dtype == np.uint8
    many = Vocabulary((), tuple(f"w{number}" for number in range(300)), ())
    assert encode_text(["w299"], [[]], many, CONFIG).caption_words.ids_NL.tolist() == [[301]]


@pytest.mark.parametrize("name", ["max_caption_chars", "max_hashtags", "min_word_count"])
def test_a_limit_below_one_is_refused(name):
    with pytest.raises(ValueError, match=name):
        TextConfig(**{name: 0})

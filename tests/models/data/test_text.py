"""Tokens and vocabulary: what counts as one word, who is known, and the round trip."""

import pytest

from models.data.text import NUM_RESERVED_IDS, TextConfig, Vocabulary, normalise, normalise_hashtags, words_of

CONFIG = TextConfig(min_char_count=2, min_word_count=2, min_hashtag_count=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("  Cafe\n\tA   Brasileira ", "cafe a brasileira", id="white space and case"),
        pytest.param("\U0001d4db\U0001d4f2\U0001d4fc\U0001d4eb\U0001d4f8\U0001d4ea", "lisboa", id="fancy letters"),
        pytest.param("STRASSE Straße", "strasse strasse", id="case folding"),
        pytest.param("e\u0301", "\u00e9", id="composed accent"),
        pytest.param("", "", id="empty"),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("at the_dock, 7pm!", ["at", "the_dock", "7pm"], id="punctuation parts and is dropped"),
        pytest.param("don't", ["don", "t"], id="apostrophe parts"),
        pytest.param(
            "sun\u2600\ufe0f!!\U0001f600\U0001f600",
            ["sun", "\u2600\ufe0f", "\U0001f600", "\U0001f600"],
            id="each emoji is a word, its variation mark stays with it",
        ),
        pytest.param("\U0001f468\u200d\U0001f469 x", ["\U0001f468\u200d", "\U0001f469", "x"], id="joiner stays left"),
        pytest.param(
            "\u0939\u093f\u0928\u094d\u0926\u0940 x",
            ["\u0939\u093f\u0928\u094d\u0926\u0940", "x"],
            id="combining marks stay inside a word",
        ),
        pytest.param("\u0301 a", ["a"], id="a mark on nothing is dropped"),
        pytest.param("", [], id="empty"),
    ],
)
def test_words_of(text, expected):
    assert words_of(text) == expected


def test_hashtags_lose_their_sign_white_space_and_empty_ones():
    assert normalise_hashtags(["#Lisboa", "new york", "", "#", "FADO"]) == ["lisboa", "newyork", "fado"]


def test_vocabulary_knows_what_occurs_often_enough_most_frequent_first():
    vocabulary = Vocabulary.build(["sea sea sun", "sea sun moon"], [["b", "a"], ["a"]], CONFIG)
    assert vocabulary.words == ("sea", "sun")
    assert vocabulary.hashtags == ("a",)
    assert vocabulary.word_ids == {"sea": 2, "sun": 3}
    assert vocabulary.num_words == 2 + NUM_RESERVED_IDS
    assert "m" not in vocabulary.char_ids and "s" in vocabulary.char_ids and " " in vocabulary.char_ids


def test_equal_counts_are_ordered_by_the_token_so_that_sample_order_does_not_matter():
    one, two = ["b b a a", "c c"], ["c c", "a a b b"]
    assert Vocabulary.build(one, [], CONFIG).words == Vocabulary.build(two, [], CONFIG).words == ("a", "b", "c")


def test_json_round_trip_keeps_every_token_even_half_a_surrogate_pair():
    vocabulary = Vocabulary.build(["\u6d77 \u6d77 \ud800 \ud800 \u2028"] * 2, [["\U0001f30a"]] * 2, CONFIG)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    assert "\ud800" in vocabulary.characters


@pytest.mark.parametrize(
    "text",
    [
        '{"words": []}',
        "[]",
        '{"format": 9, "characters": [], "words": [], "hashtags": []}',
        '{"format": 1, "characters": ["a", "a"], "words": [], "hashtags": []}',
    ],
    ids=["fields missing", "not an object", "other format", "token twice"],
)
def test_a_foreign_vocabulary_is_refused(text):
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary.from_json(text)

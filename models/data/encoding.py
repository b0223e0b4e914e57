"""Posts as padded arrays of token ids: captions and hashtags, each once by characters and once by words.

Each post is encoded once, before training; a batch is a cut of these arrays.
Shape letters: N samples, L positions (the longest in the data, at least 1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.data.text import PAD_ID, UNKNOWN_ID, TextConfig, Vocabulary, normalise, normalise_hashtags, words_of


@dataclass(frozen=True)
class EncodedField:
    """Token ids with zeros after each sample's length, in the smallest unsigned type that holds them."""

    ids_NL: np.ndarray
    lengths_N: np.ndarray


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """The four views of a post's text; the "words" of the hashtags are the hashtags themselves."""

    caption_chars: EncodedField
    caption_words: EncodedField
    hashtag_chars: EncodedField
    """the hashtags joined with one space"""
    hashtag_words: EncodedField
    hashtag_of_char_NL: np.ndarray
    """which hashtag, counted from 0, each position of `hashtag_chars` belongs to; a space to the one after it"""


def encode_text(
    captions: Sequence[str], hashtags: Sequence[Sequence[str]], vocabulary: Vocabulary, config: TextConfig
) -> EncodedText:
    """Ids of every post's text, cut to the limits of `config`."""
    texts = [normalise(caption) for caption in captions]
    tag_lists = [normalise_hashtags(tags)[: config.max_hashtags] for tags in hashtags]
    joined = [" ".join(tags) for tags in tag_lists]
    owners = [_owners(tags)[: config.max_hashtag_chars] for tags in tag_lists]
    char_ids, num_characters = vocabulary.char_ids, vocabulary.num_characters
    word_lists = [words_of(text)[: config.max_caption_words] for text in texts]
    return EncodedText(
        caption_chars=_encode((text[: config.max_caption_chars] for text in texts), char_ids, num_characters),
        caption_words=_encode(word_lists, vocabulary.word_ids, vocabulary.num_words),
        hashtag_chars=_encode((text[: config.max_hashtag_chars] for text in joined), char_ids, num_characters),
        hashtag_words=_encode(tag_lists, vocabulary.hashtag_ids, vocabulary.num_hashtags),
        hashtag_of_char_NL=_pad(owners, config.max_hashtags).ids_NL,
    )


def _owners(tags: Sequence[str]) -> list[int]:
    return [number for number, tag in enumerate(tags) for _ in range(len(tag) + (number > 0))]


def _encode(sequences: Iterable[Sequence[str]], ids: Mapping[str, int], num_ids: int) -> EncodedField:
    return _pad([[ids.get(token, UNKNOWN_ID) for token in sequence] for sequence in sequences], num_ids)


def _pad(sequences: Sequence[Sequence[int]], num_ids: int) -> EncodedField:
    lengths_N = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    longest = max(1, int(lengths_N.max(initial=0)))
    ids_NL = np.full((len(sequences), longest), PAD_ID, dtype=np.min_scalar_type(num_ids - 1))
    for row, sequence in enumerate(sequences):
        ids_NL[row, : len(sequence)] = sequence
    return EncodedField(ids_NL, lengths_N)

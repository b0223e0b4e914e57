"""The text of posts: tokens, the vocabulary that numbers them, and padded arrays of the numbers.

Law: a vocabulary is built from training samples only, and the same samples give the same vocabulary, byte for byte.
Id 0 is padding, id 1 is every token that the training samples hold too seldom or never.
Covered: NFKC and case folding (so the fancy letters of captions read as plain ones), words of every script with
their combining marks, emoji as words of their own. Not covered: segmenting scripts written without spaces.
Captions and hashtags are encoded once by characters and once by words, before training; a batch is a cut of these
arrays.
Shape letters: N samples, L positions (the longest in the data, at least 1).
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

PAD_ID = 0
UNKNOWN_ID = 1
NUM_RESERVED_IDS = 2
VOCABULARY_FORMAT = 1
ZERO_WIDTH_JOINER = "\u200d"
MIN_HASHTAG_COUNT = 2
"""Training posts that a hashtag needs to be known. MRLF's 50 (arXiv 2306.07935) are of the whole city, and curation
asks for them. One that a single training post has tells that post alone: it stands for those that none has."""
EMBEDDING_STD = 0.1
"""What embeddings begin with, where nothing else was better."""


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How much of a post's text is read, and which tokens are known. The paper's numbers are not public."""

    max_caption_chars: Annotated[int, "Maximum number of characters per caption."] = 300
    max_caption_words: Annotated[int, "Maximum number of words per caption."] = 60
    max_hashtags: Annotated[int, "Maximum number of hashtags per post."] = 30
    """Instagram's own limit"""
    max_hashtag_chars: Annotated[int, "Maximum number of characters of a post's hashtags."] = 300
    min_char_count: Annotated[int, "Minimum count of a character in the training posts; rarer ones are unknown."] = 10
    min_word_count: Annotated[int, "Minimum count of a word in the training posts; rarer ones are unknown."] = 10
    min_hashtag_count: Annotated[int, "Minimum count of a hashtag in the training posts; rarer ones are unknown."] = (
        MIN_HASHTAG_COUNT
    )

    def __post_init__(self) -> None:
        limits = ("max_caption_chars", "max_caption_words", "max_hashtags", "max_hashtag_chars")
        for name in (*limits, "min_char_count", "min_word_count", "min_hashtag_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_hashtags > 255:
            raise ValueError(f"max_hashtags must be at most 255, got {self.max_hashtags}")


def normalise(text: str) -> str:
    """`text` in NFKC, case folded, with every run of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise_hashtags(hashtags: Sequence[str]) -> list[str]:
    """The hashtags without #, white space and empty ones, in their order."""
    tags = (normalise(tag).replace(" ", "").lstrip("#") for tag in hashtags)
    return [tag for tag in tags if tag]


def words_of(text: str) -> list[str]:
    """Words of a normalised text: runs of letters and digits, and each symbol or emoji; punctuation is dropped."""
    words: list[str] = []
    open_kind = ""
    for char in text:
        kind = _kind(char)
        if kind == "joins" and open_kind:
            words[-1] += char
        elif kind == "word" and open_kind == "word":
            words[-1] += char
        else:
            open_kind = kind if kind in ("word", "symbol") else ""
            if open_kind:
                words.append(char)
    return words


def _kind(char: str) -> str:
    category = unicodedata.category(char)[0]
    if category in "LN" or char == "_":
        return "word"
    if category == "M" or char == ZERO_WIDTH_JOINER:
        return "joins"
    return "symbol" if category == "S" else "gap"


@dataclass(frozen=True)
class Vocabulary:
    """The known characters, caption words and hashtags, each list in its fixed order; ids follow the order."""

    characters: tuple[str, ...]
    words: tuple[str, ...]
    hashtags: tuple[str, ...]
    char_ids: Mapping[str, int] = field(init=False, repr=False, compare=False)
    word_ids: Mapping[str, int] = field(init=False, repr=False, compare=False)
    hashtag_ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for kind, tokens in (("char_ids", self.characters), ("word_ids", self.words), ("hashtag_ids", self.hashtags)):
            ids = {token: number for number, token in enumerate(tokens, start=NUM_RESERVED_IDS)}
            if len(ids) < len(tokens):
                raise ValueError(f"the vocabulary holds a token twice in {kind}; build it again from the samples")
            object.__setattr__(self, kind, ids)

    @classmethod
    def build(cls, captions: Sequence[str], hashtags: Sequence[Sequence[str]], config: TextConfig) -> "Vocabulary":
        """Tokens that occur often enough in these captions and hashtags, the most frequent first."""
        texts = [normalise(caption) for caption in captions]
        tag_lists = [normalise_hashtags(tags) for tags in hashtags]
        joined = [" ".join(tags) for tags in tag_lists]
        return cls(
            characters=_frequent((char for text in (*texts, *joined) for char in text), config.min_char_count),
            words=_frequent((word for text in texts for word in words_of(text)), config.min_word_count),
            hashtags=_frequent((tag for tags in tag_lists for tag in tags), config.min_hashtag_count),
        )

    @property
    def num_characters(self) -> int:
        """How many character ids there are, padding and unknown included; likewise the two below."""
        return len(self.characters) + NUM_RESERVED_IDS

    @property
    def num_words(self) -> int:
        return len(self.words) + NUM_RESERVED_IDS

    @property
    def num_hashtags(self) -> int:
        return len(self.hashtags) + NUM_RESERVED_IDS

    def to_json(self) -> str:
        """One JSON text; `from_json` gives the same vocabulary back."""
        lists = {"characters": self.characters, "words": self.words, "hashtags": self.hashtags}
        return json.dumps({"format": VOCABULARY_FORMAT, **lists}, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """The vocabulary written by `to_json`.

        Raises:
            ValueError: the text is no vocabulary of this format.
        """
        content = json.loads(text)
        kinds = ("characters", "words", "hashtags")
        if not isinstance(content, dict) or set(content) != {"format", *kinds}:
            raise ValueError("this JSON is no vocabulary: it must hold format, characters, words and hashtags")
        if content["format"] != VOCABULARY_FORMAT:
            raise ValueError(f"vocabulary format {content['format']} is not {VOCABULARY_FORMAT}; train again")
        return cls(*(tuple(content[kind]) for kind in kinds))


def _frequent(tokens: Iterable[str] | Iterator[str], min_count: int) -> tuple[str, ...]:
    counts = Counter(tokens)
    return tuple(sorted((t for t, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t)))


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

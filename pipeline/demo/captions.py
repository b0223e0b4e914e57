"""Captions and hashtags of the demo city: what a post's writer says, and what it says of the place.

Own name, words of the category, a detail of the place each occur in a part of the posts only; neighbours' details,
other places' names and wrong tags mislead; every sentence is plain English, or one of another language.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.demo import phrases
from pipeline.demo.places import PLACES
from pipeline.demo.settings import SHARES

Rng = np.random.Generator

ZIPF = 1.1
MAX_TAGS = 30  # Instagram's own limit


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a post says: its language ("" without a caption), its text without hashtags, and its hashtags."""

    language: str
    text: str
    hashtags: tuple[str, ...]


def write_text(rng: Rng, place: int, num_places: int, mention: str) -> str:
    """An English caption about a place: one to six sentences in any order, with the typos of a hurried writer."""
    sentences = _several(rng, phrases.NOISE, int(rng.integers(0, 3)))
    if rng.random() < SHARES.category_sentence:
        count = 2 if rng.random() < SHARES.second_category_sentence else 1
        sentences += _several(rng, phrases.BY_CATEGORY[PLACES[place].category], count)
    if rng.random() < SHARES.detail:
        sentences.append(_pick(rng, phrases.WITH_DETAIL).replace("{detail}", _pick(rng, PLACES[place].details)))
    if rng.random() < SHARES.name:
        sentences.append(_pick(rng, phrases.WITH_NAME).replace("{place}", PLACES[place].name))
    sentences += _misleading(rng, place, num_places)
    if len(sentences) < 2:
        sentences.append(_pick(rng, phrases.NOISE))
    sentences = list(dict.fromkeys(sentences))
    filled = [_fill(rng, sentences[index]) for index in rng.permutation(len(sentences)).tolist()]
    return _decorate(rng, _misspell(rng, " ".join(filled)), mention)


def write_foreign(rng: Rng, language: str, place: int) -> str:
    """One or two sentences of another language."""
    known = phrases.OTHER_LANGUAGES[language]
    return " ".join(_several(rng, known, int(rng.integers(1, 3)))).replace("{place}", PLACES[place].name)


def write_hashtags(rng: Rng, place: int, num_places: int, user: int, text: str) -> tuple[str, ...]:
    """Hashtags without their sign: of the city, the place, its category, a wrong place, and some that nobody shares.

    text: the caption they stand below; one that does not name the place has its tags more often.
    """
    tags: list[str] = []
    is_stated = any(words in text for words in (PLACES[place].name, *PLACES[place].details))
    if rng.random() < SHARES.generic_tags:
        tags += _zipf(rng, phrases.GENERIC_TAGS, 1 + int(rng.poisson(3)))
    if rng.random() < (SHARES.poi_tags if is_stated else SHARES.poi_tags_alone):
        tags += _zipf(rng, PLACES[place].tags, int(rng.integers(1, 3)))
    if rng.random() < SHARES.category_tag:
        tags += _zipf(rng, phrases.CATEGORY_TAGS[PLACES[place].category], 1)
    if rng.random() < SHARES.wrong_tag:
        tags += _zipf(rng, PLACES[_other(rng, place, num_places)].tags, 1)
    if rng.random() < SHARES.rare_tag or not tags:
        tags.append(f"diary_of_demo_{user:03d}" if rng.random() < 0.6 else f"day{rng.integers(1, 366)}of365")
    tags = list(dict.fromkeys(tags))[:MAX_TAGS]
    return tuple(tags[index] for index in rng.permutation(len(tags)).tolist())


def join(rng: Rng, words: Words) -> str:
    """The caption as its writer typed it: hashtags below the text, or some of them inside its last sentence."""
    tags = [f"#{_cased(rng, tag)}" for tag in words.hashtags]
    if not words.text or not tags:
        return words.text or " ".join(tags)
    if len(tags) > 1 and rng.random() < 0.04:
        tags[:2] = [" ❤️".join(tags[:2])]  # an emoji before a tag is no part of it
    if rng.random() < SHARES.inline_tags:
        return f"{words.text} {' '.join(tags)}"
    return f"{words.text}{_pick(rng, (chr(10), chr(10) * 2, chr(10) + '.' + chr(10)))}{' '.join(tags)}"


def _misleading(rng: Rng, place: int, num_places: int) -> list[str]:
    """Sentences about other places."""
    sentences = []
    if rng.random() < SHARES.neighbour_detail:
        near = [n for n in range(num_places) if n != place and PLACES[n].category == PLACES[place].category]
        if near:
            neighbour = PLACES[near[rng.integers(len(near))]]
            sentences.append(_pick(rng, phrases.WITH_DETAIL).replace("{detail}", _pick(rng, neighbour.details)))
    if rng.random() < SHARES.other_name:
        other = PLACES[_other(rng, place, num_places)]
        sentences.append(_pick(rng, phrases.WITH_OTHER_NAME).replace("{place}", other.name))
    return sentences


def _other(rng: Rng, place: int, num_places: int) -> int:
    return int(place + rng.integers(1, num_places)) % num_places


def _fill(rng: Rng, sentence: str) -> str:
    for slot, values in (("{who}", phrases.WHO), ("{day}", phrases.DAYS), ("{time}", phrases.TIMES)):
        sentence = sentence.replace(slot, _pick(rng, values))
    return sentence


def _misspell(rng: Rng, text: str) -> str:
    """Swap, drop or double a letter in some of the longer words."""
    words = text.split(" ")
    for index, word in enumerate(words):
        if len(word) > 3 and rng.random() < SHARES.typo:
            at = int(rng.integers(1, len(word) - 2))
            swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            words[index] = _pick(rng, (swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]))
    return " ".join(words)


def _decorate(rng: Rng, text: str, mention: str) -> str:
    if rng.random() < SHARES.mention:
        text += f" with @{mention}"
    if rng.random() < SHARES.link:
        text += " More on https://example.invalid/diary#latest"
    if rng.random() < SHARES.emoji:
        text += " " + "".join(_several(rng, phrases.EMOJIS, int(rng.integers(1, 4))))
    return text


def _cased(rng: Rng, tag: str) -> str:
    return tag.capitalize() if rng.random() < 0.06 else tag


def _zipf(rng: Rng, tags: tuple[str, ...], count: int) -> list[str]:
    """Up to `count` of the tags, the first ones most often (weights 1 / rank ** 1.1)."""
    weights = 1 / np.arange(1, len(tags) + 1) ** ZIPF
    chosen = rng.choice(len(tags), size=min(count, len(tags)), replace=False, p=weights / weights.sum())
    return [tags[index] for index in chosen.tolist()]


def _pick(rng: Rng, values: tuple[str, ...]) -> str:
    return values[int(rng.integers(len(values)))]


def _several(rng: Rng, values: tuple[str, ...], count: int) -> list[str]:
    return [values[index] for index in rng.choice(len(values), min(count, len(values)), replace=False).tolist()]

"""Label words: words of a caption or hashtag that name one of the classes, found and cut out of posts.

Law: the words of every place are taken out of every post, not those of its own place, or the gap would give the class
away; what is taken depends on the text and the list of places alone, so that training and test posts are masked alike.
Covered, in any case, with or without accents, in full-width or fancy letters, with a genitive s: the name as a phrase,
with spaces, hyphens, underscores or nothing between its words, with or without its little words; the parts of a name
around a dash, comma or bracket; the words that only such a name has, alone; the same after @ and as hashtags, and
hashtags that hold it among other letters where it has six or more.
Not covered: typos, nicknames, initials, translations, other words for a place ("the old bell"). Where a name is a
common word, the common word goes too: rather too much than too little. Of a name of one letter only @ and # go.
A word alone counts as a place's own where it is four or more letters long and neither a stop word nor a word that
names of very many places hold: what kind of place it is, where it lies, how old, large or famous it is. Both lists are
English, as the posts are. A name all of whose words are such ("Central Park") is known by the whole phrase alone.
Text is folded letter by letter, so that a position in the folded text is a position in the text it was made of.
Shape letters: N posts.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import regex

if TYPE_CHECKING:
    from models.data.samples import Samples

Labels = Sequence[Mapping[str, Any]]

APOSTROPHES = "'\u2019\u2018\u02bc\u00b4`\uff07"

MIN_OWN_LENGTH = 4
AMPERSANDS = ("&", "+")
OPTIONAL_WORDS = frozenset({"a", "an", "and", "at", "by", "in", "of", "on", "the", "to"})
"""May be missing where a name is written: #statueliberty"""

KINDS_OF_PLACE = frozenset(
    """
    airport alley aquarium arcade arch arena avenue bakery balcony bank banks bar bars baths bazaar beach bistro
    boulevard brewery bridge building buildings cafe canal canteen casino castle cathedral cemetery center
    centre chapel church cinema city club coast coffee college corner course court cove deck diner district dock
    docks dome downtown estate exchange falls farm ferry field fields food foods forest fort fountain galleries
    gallery garden gardens gate green grill grove hall harbor harbour heights hill hills hostel hotel house
    houses island kitchen lake lane library lighthouse line lodge lookout lounge mall manor market markets mart
    memorial metro mill monument mosque mount mountain museum museums noodle observatory office opera outlet
    palace park parks pavilion peak peninsula pier pizza plaza point pool port promenade quarter quay racecourse
    railway ramen ranch reserve resort restaurant ridge river road roof rooftop room ruins school shop shops
    shore shrine skyline spring springs square stadium stage stairs station statue steakhouse store stores
    street studio studios subway synagogue tavern temple terminal terrace theater theatre tower towers town
    trail tram tunnel university valley venue villa village walk wall waterfall waterfront well wharf wood woods
    works yard zoo
    """.split()
)
"""What kind of place it is, which its picture shows as well."""
SHARED_WORDS = frozenset(
    """
    american ancient annex autumn best black blue botanic botanical bright british central century chinese civic
    classic coastal contemporary crown daily double eagle east eastern english european express family famous
    fifth fine fire first five flagship four free french fresh general glass gold golden grand great happy
    headquarters heritage high historic history home indian international iron italian japanese king kings
    korean large last life light little local long love lower main major mexican middle military mini modern
    national natural nature night nine north northern ocean official open outdoor paper plain premier prince
    princess private public queen queens rail railroad rock rose royal saint science second seven shopping
    silver small social south southern spanish sport sports star state stone summer super sweet tall thai third
    three time times trade tree union united upper urban water west western white wild winter world
    """.split()
)
"""Words that stand in the names of very many places, and in captions of any."""
_BREAK = regex.compile(r"[()\[\]{}<>,;:|/\u2022\u00b7\u2013\u2014]|\s[-~]\s")
_WORD = regex.compile(r"[\p{L}\p{N}\p{M}]+(?:'[\p{L}\p{N}\p{M}]+)*|[&+]")

MIN_LENGTH_WITHIN_TAG = 6
_BETWEEN = r"[\W_]{0,3}"
_GENITIVE = r"(?:'?s)?"
# scripts that write no spaces, and Korean, where particles follow a name without one
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_IS_UNSPACED = regex.compile(rf"[{_UNSPACED}]")
_MARKED_WORD = regex.compile(r"[@#]([\w.\-]*\w)")
_NEVER = r"(?!)"


def mask_label_words(samples: "Samples", labels: Labels, *, city_name: str = "") -> "Samples":
    """The same posts without the words of any place of `labels` (as in a release's labels.json).

    Words are cut out and hashtags left out, no mark stays. `city_name`: its words are no place's own.
    """
    words = LabelWords.of(labels, city_name)
    return dataclasses.replace(
        samples,
        captions=[words.cut_from_caption(caption) for caption in samples.captions],
        hashtags=[[tag for tag in tags if not words.are_in_tag(tag)] for tags in samples.hashtags],
    )


def posts_with_label_words(samples: "Samples", labels: Labels, *, city_name: str = "") -> "np.ndarray[Any, Any]":
    """Bool (N,): whether the caption or a hashtag holds a word of any place of `labels`."""
    words = LabelWords.of(labels, city_name)
    rows = zip(samples.captions, samples.hashtags, strict=True)
    return np.array([words.are_in(caption, tags) for caption, tags in rows], dtype=bool)


def posts_that_name_their_place(samples: "Samples", labels: Labels, *, city_name: str = "") -> "np.ndarray[Any, Any]":
    """Bool (N,): whether the caption or a hashtag holds a word of the post's own place."""
    categories = [str(label.get("category", "")) for label in labels]
    by_label = {label["label"]: LabelWords.of([label], city_name, categories) for label in labels}
    rows = zip(samples.captions, samples.hashtags, samples.labels_N.tolist(), strict=True)
    return np.array([by_label[label].are_in(caption, tags) for caption, tags, label in rows], dtype=bool)


@dataclasses.dataclass(frozen=True)
class LabelWords:
    """The words of some places, as patterns over folded text."""

    in_caption: "regex.Pattern[str]"
    in_tag: "regex.Pattern[str]"

    @classmethod
    def of(cls, labels: Labels, city_name: str, categories: Iterable[str] | None = None) -> "LabelWords":
        """The patterns of these places; words of a category are nobody's own."""
        kinds = categories if categories is not None else (str(label.get("category", "")) for label in labels)
        shared = frozenset(word for text in (*kinds, city_name) for word in words_of_name(text))
        phrases = {phrase for label in labels for phrase in _phrases(str(label["name"]), shared)}
        ordered = sorted(phrases, key=lambda words: (-len("".join(words)), words))  # the longest first
        return cls(
            in_caption=_any_of(_in_caption(words) for words in ordered if _length(words) > 1),
            in_tag=_any_of(_in_tag(words) for words in ordered),
        )

    def are_in(self, caption: str, hashtags: Sequence[str]) -> bool:
        """Whether the post holds any of them."""
        return any(map(self.are_in_tag, hashtags)) or bool(self._spans(fold(caption)))

    def are_in_tag(self, hashtag: str) -> bool:
        """Whether the hashtag is one of them, or holds a long one among other letters."""
        return self.in_tag.search(_joined(fold(hashtag))) is not None

    def cut_from_caption(self, caption: str) -> str:
        """The caption without them; a caption that holds none comes back as it is."""
        folded, origins = fold_with_origins(caption)
        spans = self._spans(folded)
        if not spans:
            return caption
        kept, end = [], 0
        for start, stop in spans:
            kept.append(caption[end : origins[start]])
            end = max(end, origins[stop])
        return " ".join(" ".join([*kept, caption[end:]]).split())

    def _spans(self, folded: str) -> list[tuple[int, int]]:
        """Where they stand, in order and apart; a word after @ or # is taken whole."""
        found = [match.span() for match in self.in_caption.finditer(folded)]
        found += [
            match.span() for match in _MARKED_WORD.finditer(folded) if self.in_tag.search(_joined(match.group(1)))
        ]
        spans: list[tuple[int, int]] = []
        for start, stop in sorted(found):
            if spans and start < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
            else:
                spans.append((start, stop))
        return spans


def _phrases(name: str, shared: frozenset[str]) -> list[tuple[str, ...]]:
    """A name and its parts as lists of words, and its own words alone."""
    whole, *parts = name_parts(name)
    own = [(word,) for word in whole if is_own_word(word, shared)]
    naming = [part for number, part in enumerate(parts) if _names_the_place(part, shared, is_first=number == 0)]
    return [words for words in (whole, *naming, *own) if words]


def _names_the_place(part: tuple[str, ...], shared: frozenset[str], *, is_first: bool) -> bool:
    """A part with a word of its own; the first part also where it is two words that only together make a name."""
    main = [word for word in part if word not in OPTIONAL_WORDS and word not in shared]
    return any(is_own_word(word, shared) for word in main) or (is_first and len(main) > 1)


@lru_cache(maxsize=4096)
def _spelled(words: tuple[str, ...]) -> str:
    """A pattern of all spellings: little words may be missing, up to three other characters may stand between."""
    has_main = any(word not in OPTIONAL_WORDS for word in words)
    pattern = ""
    for word in words:
        spelled = "(?:and|n|" + "|".join(map(regex.escape, AMPERSANDS)) + ")" if word == "and" else _word(word)
        pattern += f"(?:{spelled}{_BETWEEN})?" if has_main and word in OPTIONAL_WORDS else f"{spelled}{_BETWEEN}"
    return pattern.removesuffix(_BETWEEN)


def _word(word: str) -> str:
    spelled = regex.escape(word, special_only=True).replace("'", "'?")
    return f"{spelled[:-1]}'?s" if word.endswith("s") and len(word) > 3 and word[-2] != "'" else spelled


def _in_caption(words: tuple[str, ...]) -> str:
    """Whole words only, in scripts that part words."""
    text = "".join(words)
    before = "" if _IS_UNSPACED.match(text[0]) else r"(?<![^\W_])"
    after = "" if _IS_UNSPACED.match(text[-1]) else rf"{_GENITIVE}(?![^\W_])"
    return rf"{before}[@#]?{_spelled(words)}{after}"


def _in_tag(words: tuple[str, ...]) -> str:
    """The whole tag; where the name is long enough to be no accident, also a piece of it."""
    spelled = _spelled(words).replace(_BETWEEN, "").replace("'?", "")
    is_long = _length(words) >= MIN_LENGTH_WITHIN_TAG or (_IS_UNSPACED.match("".join(words)) and _length(words) > 1)
    return spelled if is_long else rf"\A{spelled}s?\Z"


def _length(words: tuple[str, ...]) -> int:
    return sum(len(word.replace("'", "")) for word in words if word not in OPTIONAL_WORDS) or len("".join(words))


def _joined(folded: str) -> str:
    return regex.sub(r"[\W_]+", "", folded)


def _any_of(patterns: Iterable[str]) -> "regex.Pattern[str]":
    return regex.compile("|".join(dict.fromkeys(patterns)) or _NEVER)


def words_of_name(name: str) -> tuple[str, ...]:
    """The folded words; an apostrophe within a word stays, & and + are `and`."""
    return tuple("and" if word in AMPERSANDS else word for word in _WORD.findall(fold(name)))


def name_parts(name: str) -> list[tuple[str, ...]]:
    """The words of the whole name first, then those of each part of it, where brackets, commas or dashes part it."""
    parts = [words_of_name(part) for part in _BREAK.split(name)]
    parts = [part for part in parts if part]
    return [words_of_name(name), *(parts if len(parts) > 1 else [])]


def is_own_word(word: str, shared: frozenset[str]) -> bool:
    """Whether the word alone points to its place; `shared`: words of the city's name and of categories."""
    letters = word.replace("'", "")
    if len(letters) < MIN_OWN_LENGTH or not any(letter.isalpha() for letter in letters):
        return False
    return not {word, letters, letters.removesuffix("s")} & (shared | KINDS_OF_PLACE | SHARED_WORDS | _stop_words())


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def fold(text: str) -> str:
    """The folded text; apostrophes of every kind become `'`."""
    return text.lower() if text.isascii() and "`" not in text else "".join(map(_fold_letter, text))


def fold_with_origins(text: str) -> tuple[str, list[int]]:
    """The folded text and, for each position in it and its end, where in `text` that stands.

    A letter's combining marks fold to nothing and belong to what is before them.
    """
    folded = [_fold_letter(letter) for letter in text]
    origins = [position for position, letters in enumerate(folded) for _ in letters]
    return "".join(folded), [*origins, len(text)]


@lru_cache(maxsize=65536)
def _fold_letter(letter: str) -> str:
    if letter in APOSTROPHES:
        return "'"
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
    kept = "".join(part for part in parts if unicodedata.category(part) not in ("Mn", "Me", "Cf"))
    return unicodedata.normalize("NFC", kept)

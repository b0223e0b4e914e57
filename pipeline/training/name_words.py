"""The words of a place's name, and which of them are its own.

A word alone counts as a place's own where it is four or more letters long and neither a stop word nor a word that
names of very many places hold: what kind of place it is, where it lies, how old, large or famous it is. Both lists are
English, as the posts are. A name all of whose words are such ("Central Park") is known by the whole phrase alone.
"""

from functools import lru_cache

import regex

from pipeline.training.folded_text import fold

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
"""What kind of place it is, which its picture tells as well."""
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

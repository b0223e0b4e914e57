"""Text without what two spellings of one word differ in: case, accents, widths, fancy letters, invisible characters.

Law: letter by letter, so that a place in the folded text is a place in the text it was made of.
"""

import unicodedata
from functools import lru_cache

APOSTROPHES = "'\u2019\u2018\u02bc\u00b4`\uff07"


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

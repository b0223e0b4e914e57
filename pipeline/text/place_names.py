"""Names of places in the form in which they are compared."""

import unicodedata

import regex

_NOT_A_WORD = regex.compile(r"[^\p{L}\p{N}\p{M}]+")
_APOSTROPHE = regex.compile(r"['’ʼ`´]")
_ACCENT = regex.compile(r"(?<=[\p{Latin}\p{Greek}\p{Cyrillic}])\p{Mn}+")


def normal_name(name: str) -> str:
    """Words of a name in lower case without accents and punctuation; never empty unless the name is."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    # only Latin, Greek and Cyrillic accents: other scripts' marks are vowels
    plain = _ACCENT.sub("", _APOSTROPHE.sub("", folded))
    return " ".join(_NOT_A_WORD.sub(" ", unicodedata.normalize("NFC", plain)).split()) or name.strip()


def without_words(name: str, words: frozenset[str]) -> str:
    """A normal name without these words."""
    return " ".join(word for word in name.split() if word not in words)

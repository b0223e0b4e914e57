"""Hashtags of a caption, for every script.

Law: idempotent, `hashtags(" ".join("#" + tag for tag in tags)) == tags`; order of first use, without duplicates.
Instaloader's `caption_hashtags` goes by `\\w`, which cuts words at combining marks: `#दिल्ली` became `द`.
Our own choices: a tag inside a word (`a#b`) is none, but a chain is (`#a#b`); a tag needs a letter or a digit; one of
more than 100 characters is noise and left out; `İ` becomes `i`.
"""

import unicodedata

import regex

from pipeline.text.captions import clean_unicode, scrub

MAX_TAGS = 30
"""Instagram's own limit for a post."""

MAX_TAG_CHARACTERS = 100

_KEYCAP = regex.compile(r"[0-9#*]\ufe0f?\u20e3")
_EMOJI = regex.compile(r"(?![0-9#*])\p{Extended_Pictographic}")  # before NFKC, which makes letters of some: ™ → TM
_VARIATION = regex.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ENTITY = regex.compile(r"&#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6});")
_HASH = r"[#＃﹟]"
_CHAR = r"[\p{L}\p{N}\p{M}_\u200c\u200d]"
_BODY = rf"[\p{{L}}\p{{N}}_]{_CHAR}*+"
_NOT_IN_A_WORD = rf"(?<!{_HASH})(?<![\p{{L}}\p{{N}}_][\p{{M}}\u200c\u200d]*)"
_CHAIN = regex.compile(rf"{_NOT_IN_A_WORD}(?:{_HASH}++(?P<tag>{_BODY}))++")
_LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{N}]")
_JOINERS = "\u200c\u200d"


def hashtags(text: str) -> list[str]:
    """The tags of a caption without `#`, NFKC and case-folded, in the order of first use; at most 30."""
    tags: dict[str, None] = {}
    for match in _CHAIN.finditer(_folded(_plain(text))):
        for body in match.captures("tag"):
            tag = body.rstrip(_JOINERS)
            if len(tag) <= MAX_TAG_CHARACTERS and _LETTER_OR_DIGIT.search(tag):
                tags.setdefault(tag)
    return list(tags)[:MAX_TAGS]


def without_hashtags(text: str) -> str:
    """The caption without its tags, on one line."""
    return " ".join(_CHAIN.sub(" ", _ENTITY.sub(" ", _KEYCAP.sub(" ", text))).split())


def _plain(text: str) -> str:
    """Without what looks like a tag and is none, or hides in one: links, entities, keycaps, emoji, variation marks."""
    text = scrub(clean_unicode(text))
    return _VARIATION.sub("", _EMOJI.sub(" ", _KEYCAP.sub(" ", _ENTITY.sub(" ", text))))


def _folded(text: str) -> str:
    """NFKC and case-folded until nothing changes (`İ` folds to i with a second dot, which goes)."""
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", text).casefold().replace("i\u0307", "i")
        folded = unicodedata.normalize("NFKC", folded)
        if folded == text:
            return text
        text = folded
    return text

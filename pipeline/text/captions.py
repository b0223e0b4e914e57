r"""Captions as they may be stored, and their hashtags.

Clean Unicode, and no names, addresses or links of people: idempotent; afterwards no `@` stands before a word
character; hashtags stay as they are.
Covered: @mentions, web addresses, e-mail addresses in plain and full-width characters.
Not covered: names, phone numbers, addresses spelled out ("name at mail dot com").

Hashtags, for every script: `hashtags(" ".join("#" + tag for tag in tags)) == tags`; order of first use, without
duplicates. Instaloader's `caption_hashtags` goes by `\w`, which cuts words at combining marks: `#दिल्ली` became `द`.
As on Instagram an emoji is a part of its tag and can be one alone: `#i❤️ny`, `#🇫🇷france`, `#1️⃣`, `#👩🏽‍🚀`. It is kept
without variation selectors, so that `❤️` and `❤` are one; skin tones and joined emoji stay what they are. Emoji that
are letters to NFKC become them (`🈚` is 無); what it would break a tag at stays as it is (`½price`). The signs
© ® ™ ‼ ⁉ 〰 end a tag, and `#️⃣` is in none.
Our own choices: a tag inside a word (`a#b`) is none, but a chain is (`#a#b`), and one behind an emoji (`🎉#b`); a tag
needs a letter, a digit or an emoji; one of more than 100 characters is noise and left out; `İ` becomes `i`.
"""

import unicodedata
from functools import lru_cache
from itertools import groupby

import regex

MAX_TAGS = 30
"""Instagram's own limit for a post."""

MAX_TAG_CHARACTERS = 100

MAX_NAME_CHARACTERS = 1_000
"""of a name or an address; to put a million marks of one letter in order would take an hour"""

_KEYCAP_OF_HASH = regex.compile(r"#\ufe0f?\u20e3")
_SIGNS = "©®™‼⁉〰"
_SIGN = regex.compile(f"[{_SIGNS}]")  # before NFKC, which makes letters of some: ™ → TM
_VARIATION = regex.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ENTITY = regex.compile(r"&#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6});")
_HASH = r"[#＃﹟]"
_EMOJI = rf"(?![#*{_SIGNS}])\p{{Emoji}}"
_FLAG_OF_A_REGION = r"\U0001f3f4[\U000e0020-\U000e007e]++\U000e007f"  # 🏴󠁧󠁢󠁳󠁣󠁴󠁿
_FIRST = rf"(?:{_FLAG_OF_A_REGION}|\*\ufe0f?\u20e3|[\p{{L}}\p{{N}}_]|{_EMOJI})"
_BODY = rf"{_FIRST}(?:[\p{{M}}\u200c\u200d]|{_FIRST})*+"
_NOT_IN_A_WORD = rf"(?<!{_HASH})(?:(?<=\u20e3\ufe0f*)|(?<![\p{{L}}\p{{N}}_][\p{{M}}\u200c\u200d]*))"
_TAG = regex.compile(_BODY)
_CHAIN = regex.compile(rf"{_NOT_IN_A_WORD}(?:{_HASH}++\ufe0f*+(?P<tag>{_BODY}))++")
_SAYS_SOMETHING = regex.compile(rf"[\p{{L}}\p{{N}}\u20e3]|{_EMOJI}")
_JOINERS = "\u200c\u200d"
USER, URL, EMAIL = "<USER>", "<URL>", "<EMAIL>"
PLACEHOLDERS = (USER, URL, EMAIL)
_LINE_BREAK = regex.compile(r"\r\n?|[\n\v\f\x85\u2028\u2029]")
# controls, bidi marks and overrides, and invisible characters that can hide an @; ZWNJ and ZWJ stay: Persian words and
# emoji need them
_INVISIBLE = regex.compile(
    r"[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
_AT = "[@＠﹫]"
_DOT = "[.．｡。]"
_WORD = r"[\w\p{L}\p{N}\p{M}\u200c\u200d]"
_GENERIC_TLD = "(?:com|net|org|info|biz|app|shop|store|blog|link|bio|xyz|online|site|ly|gl|io|tv)"
_WITH_SCHEME = regex.compile(r"(?i)\b(?:https?|ftp)\s?:\s?//[^\s<>]+|(?<![\w.#@＠﹫-])www\.[^\s<>]+")
_BARE_DOMAIN = regex.compile(
    rf"(?i)(?<![\w.#@＠﹫/-])(?:[a-z0-9-]++\.){{1,8}}(?:{_GENERIC_TLD}(?![\w-])(?:/[^\s<>]*)?|[a-z]{{2,3}}/[^\s<>]+)"
)
_EMAIL_ADDRESS = regex.compile(rf"(?<![\w.+%-])[\w.+%-]++{_AT}(?:{_WORD}|-)++(?:{_DOT}(?:{_WORD}|-)++)+")
_MENTION = regex.compile(rf"{_AT}[\p{{M}}\u200c\u200d]*+{_WORD}++(?:\.{_WORD}++)*+")
_CLOSING = ".,;:!?)]}'\"»”’…"


def hashtags(text: str) -> list[str]:
    """The tags of a caption without `#`, NFKC and case-folded, in the order of first use; at most 30."""
    tags: dict[str, None] = {}
    for match in _CHAIN.finditer(_plain(text)):
        for body in match.captures("tag"):
            tag = _folded(body).rstrip(_JOINERS)
            if len(tag) <= MAX_TAG_CHARACTERS and _TAG.fullmatch(tag) and _SAYS_SOMETHING.search(tag):
                tags.setdefault(tag)
    return list(tags)[:MAX_TAGS]


def without_hashtags(text: str) -> str:
    """The caption without its tags, on one line."""
    return " ".join(_CHAIN.sub(" ", _ENTITY.sub(" ", _KEYCAP_OF_HASH.sub(" ", text))).split())


def _plain(text: str) -> str:
    """Without what looks like a tag and is none, or hides in one: links, entities, `#️⃣`, signs, variation marks."""
    text = scrub(clean_unicode(text))
    return _VARIATION.sub("", _SIGN.sub(" ", _KEYCAP_OF_HASH.sub(" ", _ENTITY.sub(" ", text))))


def _folded(text: str) -> str:
    """NFKC and case-folded until nothing changes (`İ` folds to i with a second dot, which goes), but for what NFKC
    would make of it no tag can hold.
    """
    if text.isascii():
        return text.lower()
    for _ in range(4):
        folded = _nfkc(_nfkc(text).casefold().replace("i\u0307", "i"))
        if folded == text:
            return text
        text = folded
    return text


def _nfkc(text: str) -> str:
    runs = ((stays, "".join(run)) for stays, run in groupby(text, _stays))
    return "".join(run if stays else unicodedata.normalize("NFKC", run) for stays, run in runs)


@lru_cache(maxsize=65536)
def _stays(character: str) -> bool:
    """Whether NFKC makes signs of it that end a tag: `½` is 1⁄2."""
    return _TAG.fullmatch("_" + unicodedata.normalize("NFKC", character)) is None


def clean_caption(text: object) -> str:
    """The caption as it may be stored; "" where there is none."""
    return scrub(clean_unicode(text)).strip()


def clean_name(text: object) -> str:
    """A name as data on one line: NFC, without controls and bidi overrides, cut where it is none any more; "" where
    there is none.
    """
    return " ".join(clean_unicode(text[:MAX_NAME_CHARACTERS] if isinstance(text, str) else None).split())


def clean_unicode(text: object) -> str:
    """NFC without controls, bidi marks and invisible characters; a lone surrogate becomes U+FFFD."""
    if not isinstance(text, str):
        return ""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _LINE_BREAK.sub("\n", text).replace("\t", " ")
    return unicodedata.normalize("NFC", "\n".join(_INVISIBLE.sub("", line) for line in text.split("\n")))


def scrub(text: str) -> str:
    """Clean Unicode with web addresses, e-mail addresses and @mentions replaced by placeholders."""
    while True:  # what was replaced can uncover an address behind it; each round leaves fewer of @ . :
        scrubbed = _EMAIL_ADDRESS.sub(EMAIL, _WITH_SCHEME.sub(_url, text))
        scrubbed = _MENTION.sub(USER, _BARE_DOMAIN.sub(_url, scrubbed))
        scrubbed = unicodedata.normalize("NFC", scrubbed)
        if scrubbed == text:
            return text
        text = scrubbed


def _url(match: regex.Match[str]) -> str:
    """The placeholder and the punctuation that closes the sentence behind the address."""
    address = match.group()
    return URL + address[len(address.rstrip(_CLOSING)) :]

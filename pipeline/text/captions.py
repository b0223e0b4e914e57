"""Captions as they may be stored: clean Unicode, and no names, addresses or links of people in them.

Law: idempotent; afterwards no `@` stands before a word character; hashtags stay as they are.
Covered: @mentions, web addresses, e-mail addresses in plain and full-width characters.
Not covered: names, phone numbers, addresses spelled out ("name at mail dot com").
"""

import unicodedata

import regex

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


def clean_caption(text: object) -> str:
    """The caption as it may be stored; "" where there is none."""
    return scrub(clean_unicode(text)).strip()


def clean_name(text: object) -> str:
    """A name as data on one line: NFC, without controls and bidi overrides; "" where there is none."""
    return " ".join(clean_unicode(text).split())


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

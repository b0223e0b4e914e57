r"""Values as programs write them into files: nothing, numbers, yes and no, lists and objects, in one form each.

Nothing is None, NaN, an empty text, and the words that SQL, pandas and spreadsheets write (`NULL`, `\N`, `N/A`).
Lists and objects come as such, as JSON, or as the text of pandas, numpy, DuckDB, PostgreSQL or Spark: `['a', 'b']`,
`['a' 'b']`, `[a, b]`, `{a,b}`, `{'id': 1, 'name': b}`, `{k=v}`, `"k"=>"v"`.
Not covered: a comma in an item that its program did not put in quotes (DuckDB before 1.3); it ends the item.
"""

import codecs
import json
import math
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from pipeline.text.captions import clean_name

_NOTHING = {
    *("", "null", "none", "nan", "nat", "na", "n/a", "#n/a", "n.a.", "<na>", "<null>", "\\n", "nil", "undefined"),
    *("(null)", "[null]", "(none)", "'null'", "'none'", "\\\\n", "#null!", "#value!", "#ref!"),
    *("-", "--", "[]", "{}", "()", "[none]", "[nan]"),
}
_LONG = 16
"""Characters that no such word has, also with spaces around it."""
_NO_NAME = {"NULL", "null", "\\N", "NaN", "nan", "None", "<NA>", "NaT", "N/A", "n/a", "#N/A"}
"""As programs write it: a place may be called Na, Nan or Nil."""
_NO = {"0", "open", "false", "f", "no", "n", "off", "nein", "non", "falsch", "faux", "falso", "не", "нет"}
_NO_DATE = {"never", "unknown", "active", "operational", "not closed", "?"}
"""What people write where something has not ended, or where they do not know of it."""
_NEVER = re.compile(
    r"(?:0000|0001|9999)-|9999\d{4}\Z|1970-01-01|1900-01-0[01]|1899-12-3[01]|-?infinity\Z", re.IGNORECASE
)
"""Dates that stand for none: the zero of MySQL, .NET, Unix and Excel, and the end of time."""
_BETWEEN_DIGITS = re.compile("(?<=\\d)[ \u00a0\u202f\u2009'\u2019](?=\\d{3})")
_GROUPS = {
    ".": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?\Z"),
    ",": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?\Z"),
}
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+\Z")
_WHOLE_AS_FLOAT = re.compile(r"(?<=\d)\.0+\Z")
_CALL = re.compile(
    r"(?:np\.)?(?:array|list|set|frozenset|tuple|seq|vector|wrappedarray|arraybuffer|arrayseq)\((.*)\)\Z", re.I | re.S
)
_PAIRS = re.compile(r'\s*"[^"]*"\s*=>')
_QUOTED = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.|{quote}{quote})*){quote}?", re.DOTALL) for quote in "'\""}
_FIRST_KEY = re.compile(r"""\s*(?:'[^']*'|"[^"]*"|[^,}='"]*(?==)|[^,}:'"]*)\s*(?P<mark>=>|=|:)""")
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_SEPARATORS = re.compile("[|;]")


def decoded(data: bytes) -> str:
    """Text of a file in UTF-8, or in UTF-16 with a mark, as spreadsheets write it.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")


def is_nothing(value: object) -> bool:
    """Whether a value says nothing; 0 and False say something."""
    if isinstance(value, str):
        return (len(value) < _LONG and value.strip().lower() in _NOTHING) or not value or value.isspace()
    if isinstance(value, float | Decimal):
        return math.isnan(value)
    return value is None or (isinstance(value, list | tuple | dict) and not value)


def text(value: object) -> str:
    """Text of an id; a whole number from a column of floats or decimals keeps no `.0`; "" where it says nothing."""
    if is_nothing(value):
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    return str(value).strip()


def name(value: object) -> str:
    """A name as data; "" for the words that programs write where there is none."""
    found = clean_name(value if isinstance(value, str) else text(value))
    return "" if found in _NO_NAME else found


def number(value: object, decimal: str = ".") -> float | None:
    """A finite number from a number or its text, None where it is neither.

    decimal: the mark before the fraction; thousands may be set off by the other one of `.` and `,`, by spaces or by
    apostrophes. So `"12,5"` is text where it is `.`.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, str):
        value = _BETWEEN_DIGITS.sub("", value.strip().replace("\u2212", "-"))
        if _GROUPS[decimal].match(value):
            value = value.replace("," if decimal == "." else ".", "")
        value = value.replace(decimal, ".")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def is_yes(value: object) -> bool:
    """Whether a value says yes; nothing, 0, `N`, `false` and `0.0` say no, any other word says yes."""
    return not (is_nothing(value) or text(value).lower() in _NO or 0 in (number(value), number(value, ",")))


def is_date(value: object) -> bool:
    """Whether a value names a day on which something ended: it says yes, and is not a zero or the end of time."""
    found = text(value)
    return is_yes(value) and found.lower() not in _NO_DATE and not _NEVER.match(found)


def day(value: object) -> int:
    """The day of a date or its text as a number; 0 where there is none."""
    if isinstance(value, date):
        return value.toordinal()
    found = text(value)
    try:
        return date.fromisoformat(found[:8] if found[:8].isdecimal() else found[:10]).toordinal()
    except ValueError:
        return 0


def parts(value: object) -> list[object]:
    """The items of a list in any of its forms, and of a text with `|` or `;` between its items; those that say nothing
    are left out.
    """
    value = structure(value)
    if isinstance(value, str):
        value = _SEPARATORS.split(value)
    elif isinstance(value, dict) or not isinstance(value, Iterable):
        value = [value]
    return [part for part in map(structure, value) if not is_nothing(part)]


def texts(value: object) -> list[str]:
    """The items of a list that are no objects, as text."""
    return [text(part) for part in parts(value) if not isinstance(part, dict | list | tuple)]


def words(value: object) -> list[str]:
    """The same of a list of ids or flags, which hold no comma and no space: so these end an item too.

    A whole number keeps no `.0` and no thousands set off, as pandas and spreadsheets write `15014.0` and `15,014`.
    """
    found = (
        part.replace(",", "") if _THOUSANDS.match(part) else part.replace(",", " ")
        for part in map(whole, texts(value))
    )
    return [whole(word) for part in found for word in part.split() if not is_nothing(word)]


def whole(written: str) -> str:
    """A text without the `.0` that a whole number has from a column of floats."""
    return _WHOLE_AS_FLOAT.sub("", written)


def structure(value: object) -> object:
    """The list or object that a text stands for, and the object that a list of pairs stands for; else the value."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, list) and value and all(isinstance(part, tuple) and len(part) == 2 for part in value):
        return {str(key): part for key, part in value}  # a map as Parquet reads it
    return value


def _parsed(value: str) -> object:
    found = value.strip()
    call = _CALL.match(found)
    if call:
        found = re.sub(r",\s*dtype=\w+\Z", "", call[1]).strip()
        found = found if found[:1] in _CLOSING else f"[{found}]"
    if _PAIRS.match(found):
        found = "{" + found + "}"
    closing = _CLOSING.get(found[:1])
    if closing is None or (found[-1:] != closing and (closing in found or closing == ")")):
        return value
    try:
        return json.loads(found)
    except (ValueError, RecursionError):
        return _Scanner(found).value(0)


class _Scanner:
    """Reads the text of a list or object that is no JSON; whatever stands there, it comes to an end."""

    MAX_DEPTH = 8

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0

    def value(self, depth: int, ends: str = "") -> object:
        """What stands here, up to one of `ends`."""
        self._space()
        character = self.source[self.at : self.at + 1]
        if character in ("'", '"'):
            return self._quoted(character)
        if character in _CLOSING and character and depth < self.MAX_DEPTH:
            return self._items(_CLOSING[character], depth)
        return self._bare(ends)

    def _items(self, closing: str, depth: int) -> object:
        self.at += 1
        items: list[object] = []
        pairs: dict[str, object] = {}
        mark = self._mark() if closing == "}" else ""
        ends = f",{closing}{mark[:1]}"
        while True:
            self._space()
            character = self.source[self.at : self.at + 1]
            if character in ("", closing):
                self.at += 1
                return pairs or (tuple(items) if closing == ")" else items)
            if character == ",":
                self.at += 1
                continue
            start = self.at
            found = self.value(depth + 1, ends)
            self._space()
            if mark and self.source.startswith(mark, self.at):
                self.at += len(mark)
                pairs.setdefault(str(found), self.value(depth + 1, f",{closing}"))
            else:
                items.append(found)
            self.at = max(self.at, start + 1)

    def _quoted(self, quote: str) -> str:
        found = _QUOTED[quote].match(self.source, self.at)
        assert found is not None  # a quote stands here
        self.at = found.end()
        return re.sub(r"\\(.)", r"\1", found[1].replace(quote * 2, quote), flags=re.DOTALL)

    def _bare(self, ends: str) -> object:
        """Text without quotes; nothing (`None`) ends at a space where a quote follows, as numpy writes it."""
        start = self.at
        while self.at < len(self.source) and self.source[self.at] not in ends:
            if self.source[self.at].isspace() and self.at - start < _LONG and is_nothing(self.source[start : self.at]):
                break
            self.at += 1
        found = self.source[start : self.at].strip()
        return None if is_nothing(found) else found

    def _space(self) -> None:
        while self.source[self.at : self.at + 1].isspace():
            self.at += 1

    def _mark(self) -> str:
        """What stands between the keys and values of this object, "" where it is a list."""
        found = _FIRST_KEY.match(self.source, self.at)
        return found["mark"] if found else ""

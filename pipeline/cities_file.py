"""The file of cities, from its bytes: where it is no YAML as a whole, each city's lines are read alone.

Law: one mistake stops one city.
Covered: a tab, an open quote or bracket within a city, a key without its colon, a city that is indented otherwise than
most, and lines beside `cities:` or among its cities that are no YAML or of another document.
Not covered: files whose lines do not show where one city ends and the next begins; that is a fault of the file, told
with its line. A city that takes an anchor from another one is told that it is not there.
"""

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, pairwise

from pipeline.cities_yaml import ASIDE, OF_A_CITY, SECTION, Contents, Entry, read_beside, read_text, twice

MAX_BYTES = 2**20
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MOST_LINES = 2_000
"""Each city is read with the whole file's blank lines: that costs the square of its length."""
SECTION_LINE = re.compile(rf"{SECTION}:\s*(#.*)?")
INDENT = re.compile(r"([ \t]*)[^\s#]")
OPENS = re.compile(r"\s*[^\s#:][^:]*:\s*([&!]\S+\s*)*(#.*)?")
CLOSES = re.compile(r"[\s\]},]*(#.*)?")
NO_KEY = re.compile(r"[:：={\[]|\s#")
FIELD = re.compile(rf"\s*['\"]?({'|'.join(sorted(OF_A_CITY))})['\"]?\s*:")


@dataclass
class _Part:
    """A city's lines, from `start` to before `end`; `fault` says why it is none where it stands."""

    start: int
    end: int = 0
    fault: str = ""


@dataclass
class _Lines:
    """A text by its lines: those of cities and those beside them, each where it stands and blank elsewhere."""

    lines: list[str]
    section: int
    cities: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cities, self.beside = [""] * len(self.lines), [""] * len(self.lines)
        self.beside[: self.section] = self.lines[: self.section]

    def alone(self, part: _Part) -> str:
        """A city's lines behind what anchors name, where they stand, so that lines keep their numbers."""
        before = [*self.beside[: self.section], self.lines[self.section]]
        blank = [""] * (part.start - len(before))
        return "\n".join([*before, *blank, *self.cities[part.start : part.end], ""])

    def depth(self, number: int) -> int | None:
        """How far in a line is; None for one that is blank or a comment."""
        found = INDENT.match(self.lines[number])
        return None if found is None else len(found[1])

    def is_start(self, number: int) -> bool:
        """Whether a line is a key alone that a city's fields follow, further in."""
        depth = self.depth(number)
        if not depth or not OPENS.fullmatch(self.lines[number]):
            return False
        for later in range(number + 1, len(self.lines)):
            there = self.depth(later)
            if there is not None and there <= depth:
                return False
            if FIELD.match(self.lines[later]):
                return True
        return False


def read_file(data: bytes) -> Contents:
    """What is in a file's bytes.

    Raises:
        ValueError: the file as a whole cannot be read; the message says where and why.
    """
    text = _text(data)
    try:
        return read_text(text)
    except ValueError as error:
        found = _read_by_lines(text)
        if all(entry.fault for entry in found.entries):
            raise error from None  # no city is right by itself: the mistake is the file's
        return found


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 1024} KiB: that is no file of cities")
    try:
        return data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} holds a byte that is not UTF-8: save it as UTF-8") from None


def _read_by_lines(text: str) -> Contents:
    """The cities that the lines show; none where they show none."""
    lines = text.splitlines()
    section = next((number for number, line in enumerate(lines) if SECTION_LINE.fullmatch(line)), None)
    if section is None or len(lines) > MOST_LINES:
        return Contents([], [])
    found = _Lines(lines, section)
    later = range(section + 1, len(lines))
    depths = Counter(found.depth(number) for number in later if found.is_start(number))
    indent = depths.most_common(1)[0][0] if depths else next(filter(None, map(found.depth, later)), None)
    if indent is None:
        return Contents([], [])
    _sort_lines(found, indent)
    _check_beside(found)
    by_key: dict[str, list[Entry]] = {}
    for entry in [*chain.from_iterable(_read(found, part) for part in _parts(found, indent)), *found.entries]:
        by_key.setdefault(entry.key, []).append(entry)
    entries = [each[0] if len(set(map(str, each))) == 1 else twice(key, len(each)) for key, each in by_key.items()]
    return Contents(entries, found.faults)


def _sort_lines(found: _Lines, indent: int) -> None:
    """Which lines after `cities:` are of cities. A line that is not indented and opens nothing stands for itself; what
    opens something has the lines after it, up to the next city.
    """
    of_cities, is_kept = True, False
    for number in range(found.section + 1, len(found.lines)):
        line = found.lines[number]
        if found.depth(number) != 0:
            of_cities = of_cities or (not is_kept and found.depth(number) == indent and found.is_start(number))
            (found.cities if of_cities else found.beside)[number] = line
        elif line.startswith(("---", "...")):
            found.faults.append(f"line {number + 1}: another document begins: put all cities into one")
        elif SECTION_LINE.fullmatch(line):
            of_cities = True
        else:
            if OPENS.fullmatch(line):
                of_cities, is_kept = False, line.startswith(ASIDE)
            found.beside[number] = line


def _check_beside(found: _Lines) -> None:
    """What is wrong beside the cities; where that is no YAML, it is left out, with its anchors."""
    try:
        found.entries, faults = read_beside("\n".join(found.beside))
        found.faults += faults
    except ValueError as error:
        found.beside = [""] * len(found.lines)
        found.faults.append(f"{error}; what stands beside `{SECTION}:` is not read")


def _parts(found: _Lines, indent: int) -> list[_Part]:
    """Where the cities begin: at lines as far in as most of them, and at others that a city's fields follow."""
    parts: list[_Part] = []
    fields = None
    for number, line in enumerate(found.cities):
        depth = found.depth(number) if line else None
        if depth is None or CLOSES.fullmatch(line):
            continue
        has_tab = "\t" in line[:depth]
        if depth == indent and not has_tab:
            parts.append(_Part(number))
            fields = None
        elif not parts or (fields is not None and depth < fields and found.is_start(number)):
            why = "a tab stands before it: indent with spaces" if has_tab else f"it is indented by {depth}"
            parts.append(_Part(number, fault=f"line {number + 1}: {why}, as the other cities by {indent}"))
            fields = None
        elif fields is None:
            fields = depth
    for part, following in pairwise([*parts, _Part(len(found.lines))]):
        part.end = following.start
    return parts


def _read(found: _Lines, part: _Part) -> list[Entry]:
    """A city of a file that cannot be read as a whole, with those that stand within it."""
    key = NO_KEY.split(found.lines[part.start])[0].strip().strip("'\"")  # of a line without its colon, too
    if part.fault:
        return [Entry(key=key, fault=part.fault)]
    try:
        return read_text(found.alone(part)).entries
    except ValueError as error:
        return [Entry(key=key, fault=str(error))]

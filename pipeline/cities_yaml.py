"""The YAML of `cities.yaml`: each city read by itself, so that what is wrong within one stays with that one.

Law: nothing is passed over in silence. A key that stands twice, a city that stands beside `cities:`, a number that
YAML 1.1 would take for another (`2:30` is 150 there, `052` is 42) and what unfolds without end are faults.
Covered: faults of one city, also such as keep the whole text from being YAML (a tab, an open quote) where the lines
show which city they stand in; a city that takes an anchor from another one is then told that it is not there.
Not covered: other texts that are no YAML; that is a fault of the file, told with its line.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from pipeline.errors import did_you_mean

SECTION = "cities"
ASIDE = "x-"
"""What begins so beside `cities:` is the user's own: a place for what anchors name."""
MAX_BYTES = 2**20
MAX_VALUES = 10_000
MOST_LINES = 2_000
"""Of a file whose cities are read one by one: that costs the square of its length."""
OTHER_NUMBER = re.compile(r"[-+]?0[0-9_]+|.*:.*")
SECTION_LINE = re.compile(rf"{SECTION}:\s*(#.*)?")
FIRST_LEVEL = re.compile(r"( +)[^\s#]")
CLOSES = r"[\s\]},]*(#.*)?$"
NO_KEY = re.compile(r"[:：={\[]|\s#")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A city as the file has it; `fault` says why its fields cannot be had, and is empty where they can."""

    key: str
    fields: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


class _Loader(yaml.SafeLoader):
    """YAML's own types, without the numbers that mean something else than they show."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return TEXT if tag in NUMBERS and OTHER_NUMBER.fullmatch(value) else tag


def read_entries(data: bytes) -> list[Entry]:
    """The cities in a file's bytes, in its order.

    Raises:
        ValueError: the file as a whole cannot be read; the message says where and why.
    """
    text = _text(data)
    try:
        return _entries(text)
    except ValueError as error:
        apart = {key: [_alone(key, text) for text in texts] for key, texts in _apart(text).items()}
        if all(entry.fault for found in apart.values() for entry in found):
            raise error from None  # no city is right by itself: the mistake is the file's
        return [found[0] if len(found) == 1 else _twice(key, len(found)) for key, found in apart.items()]


def _entries(text: str) -> list[Entry]:
    loader, root = _composed(text)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("it is empty" if root is None else f"it holds {_what(root)} in place of `{SECTION}:`")
    section = None
    entries = []
    for key, value in root.value:
        if key.value == SECTION and section is None:
            section = value
        elif key.value == SECTION:
            raise ValueError(f"`{SECTION}:` stands twice, again in line {_line(key)}: put all cities under one")
        elif not str(key.value).startswith(ASIDE):
            entries.append(_beside(key, value))
    if section is None:
        near = [entry.key for entry in entries if did_you_mean(entry.key, [SECTION])]
        raise ValueError(f"it has no `{SECTION}:`" + "".join(f": write it in place of `{key}:`" for key in near[:1]))
    if not isinstance(section, yaml.MappingNode) or not section.value:
        found = "nothing" if _is_null(section) or not section.value else _what(section)
        raise ValueError(f"`{SECTION}:` holds {found}: put cities under it, each `key:` with its fields")
    return [*_cities(loader, section), *entries]


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES // 1024} KiB: that is no file of cities")
    try:
        return data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} holds a byte that is not UTF-8: save it as UTF-8") from None


def _apart(text: str) -> dict[str, list[str]]:
    """Each city's lines alone, by its key; what stands elsewhere is blank, so that lines keep their numbers.

    Nothing where the lines do not show where one city ends and the next begins.
    """
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines, 1) if SECTION_LINE.fullmatch(line)), len(lines))
    indents = [found[1] for line in lines[first:] if (found := FIRST_LEVEL.match(line))]
    if not indents or len(lines) > MOST_LINES or any(line[:1].strip(" \t#") for line in lines[first:]):
        return {}
    begins = re.compile(rf"{indents[0]}(?!{CLOSES})\S.*")
    starts = [number for number in range(first, len(lines)) if begins.fullmatch(lines[number])]
    cities: dict[str, list[str]] = {}
    for start, end in pairwise([*starts, len(lines)]):
        blank = [""] * (start - first)
        key = NO_KEY.split(lines[start])[0].strip().strip("'\"")  # of a line without its colon, too
        cities.setdefault(key, []).append("\n".join([*lines[:first], *blank, *lines[start:end], ""]))
    return cities


def _alone(key: str, text: str) -> Entry:
    """A city of a file that cannot be read as a whole."""
    try:
        return _entries(text)[0]
    except ValueError as error:
        return Entry(key=key, fault=str(error))


def _composed(text: str) -> tuple[_Loader, yaml.Node | None]:
    """What makes values, and the file as nodes: an alias is the node that it names, so nothing unfolds here."""
    try:
        loader = _Loader(text)
        return loader, loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        hint = ": indent with spaces, YAML takes no tabs" if "\\t" in (error.problem or "") else ""
        raise ValueError(f"{where}{error.problem or error.context}{hint}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line} holds the character {error.character:#x}, which YAML does not take") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _beside(key: yaml.Node, value: yaml.Node) -> Entry:
    """What stands beside `cities:`, which nobody would read: most often a city that is not indented.

    Raises:
        ValueError: it is no mapping, so no city either.
    """
    if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.MappingNode):
        raise ValueError(
            f"line {_line(key)}: {_key(key)!r} stands beside `{SECTION}:` and is unknown"
            f"{did_you_mean(_key(key), [SECTION])}; what anchors name may stand under a key that begins with {ASIDE}"
        )
    fault = f"line {_line(key)}: it stands beside `{SECTION}:` and not under it: indent it"
    return Entry(key=_key(key), fault=fault)


def _cities(loader: _Loader, section: yaml.MappingNode) -> Iterator[Entry]:
    """Every city once; one that stands twice has a fault, since nobody knows which of the two is meant."""
    lines: dict[str, list[int]] = {}
    for key, _ in section.value:
        lines.setdefault(_key(key), []).append(_line(key))
    faults = [_fault(_line(key), value) for key, value in section.value]  # before merge keys are put into the nodes
    for (key, value), fault in zip(section.value, faults, strict=True):
        name = _key(key)
        if len(lines[name]) == 1:
            yield Entry(key=name, fault=fault) if fault else _city(loader, name, value)
        elif _line(key) == lines[name][0]:
            yield _twice(name, len(lines[name]), f", in lines {_list(lines[name])}")


def _twice(key: str, count: int, where: str = "") -> Entry:
    return Entry(key=key, fault=f"it stands {count} times{where}: leave one of them")


def _fault(line: int, node: yaml.Node) -> str:
    """Why the fields of a city cannot be made, as far as its nodes show that."""
    if not isinstance(node, yaml.MappingNode):
        return f"line {line}: it holds {_what(node)} in place of its fields"
    try:
        if _size(node, {}) > MAX_VALUES:
            return f"line {line}: it unfolds to more than {MAX_VALUES:,} values"
        return "; ".join(_doubles(node))
    except (ValueError, RecursionError) as error:
        return f"line {line}: {error}"


def _city(loader: _Loader, key: str, node: yaml.Node) -> Entry:
    try:
        fields = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or node.start_mark
        return Entry(key=key, fault=f"line {mark.line + 1}: {error.problem}")
    except ValueError as error:
        return Entry(key=key, fault=f"line {_line(node)}: {error}")
    return Entry(key=key, fields={str(name): value for name, value in fields.items()})


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node unfolds to, every alias counted as what it names; `known` holds those counted.

    Raises:
        ValueError: the node holds itself.
    """
    if id(node) not in known:
        known[id(node)] = -1
        children = _children(node)
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    if known[id(node)] < 0:
        raise ValueError("it holds itself through an anchor")
    return known[id(node)]


def _doubles(node: yaml.Node) -> Iterator[str]:
    """The keys that stand twice in one mapping; YAML's own loader would take the last and say nothing."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = _key(key)
            if name in lines:
                yield f"{name} stands twice, in lines {lines[name]} and {_line(key)}: leave one of them"
            lines.setdefault(name, _line(key))
    for child in _children(node):
        yield from _doubles(child)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _key(node: yaml.Node) -> str:
    """A key as it is written: `no`, `1770` and `"no"` are names here, whatever YAML takes them for."""
    return node.value if isinstance(node, yaml.ScalarNode) else _what(node)


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _what(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if _is_null(node) else f"{node.value[:40]!r}"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _list(lines: list[int]) -> str:
    return f"{', '.join(map(str, lines[:-1]))} and {lines[-1]}"

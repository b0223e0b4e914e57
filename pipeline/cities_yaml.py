"""The YAML of `cities.yaml`: each city read by itself, so that what is wrong within one stays with that one.

Law: nothing is passed over in silence. A key that stands twice, a city that stands beside `cities:` or within another
one, a number that YAML 1.1 would take for another (`2:30` is 150 there, `052` is 42) and what unfolds without end are
faults; what stands beside the cities and is none is a fault of the file, which keeps no city from being read.
Not covered: texts that are no YAML as a whole; see `pipeline.cities_file`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from pipeline.errors import did_you_mean

SECTION = "cities"
ASIDE = "x-"
"""What begins so beside `cities:` is the user's own: a place for what anchors name."""
OF_A_CITY = frozenset({"latitude", "longitude", "radius_km"})
"""Fields that nothing but a city has."""
MERGE = "<<"
MAX_VALUES = 10_000
OTHER_NUMBER = re.compile(r"[-+]?0[0-9_]+|.*:.*")
NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A city as the file has it; `fault` says why its fields cannot be had, and is empty where they can."""

    key: str
    fields: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


class Contents(NamedTuple):
    """The cities of a file in its order, and what is wrong beside them."""

    entries: list[Entry]
    faults: list[str]


class _Loader(yaml.SafeLoader):
    """YAML's own types, without the numbers that mean something else than they show; keys are as they are written."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return TEXT if tag in NUMBERS and OTHER_NUMBER.fullmatch(value) else tag

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = TEXT
        return super().construct_mapping(node, deep)


class _Placed(NamedTuple):
    """A city where it stands; `fault` says why it is none there."""

    key: yaml.Node
    value: yaml.Node
    fault: str = ""


def read_text(text: str) -> Contents:
    """What is in a text that is YAML as a whole.

    Raises:
        ValueError: it is not, or there are no cities in it; the message says where and why.
    """
    loader, root = _composed(text)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("it is empty" if root is None else f"it holds {_what(root)} in place of `{SECTION}:`")
    sections = [(key, value) for key, value in root.value if key.value == SECTION]
    others = [(key, value) for key, value in root.value if key.value != SECTION]
    beside, faults = _beside(others)
    if not sections:
        near = [_key(key) for key, _ in others if did_you_mean(_key(key), [SECTION])]
        raise ValueError(f"it has no `{SECTION}:`" + "".join(f": write it in place of `{key}:`" for key in near[:1]))
    pairs, full = [], []
    for key, section in sections:
        if isinstance(section, yaml.MappingNode) and section.value:
            pairs += section.value
            full.append(_line(key))
            continue
        found = "nothing" if _is_null(section) or section.value == [] else _what(section)
        faults.append(
            f"line {_line(key)}: `{SECTION}:` holds {found}: put cities under it, each `key:` with its fields"
        )
    if not pairs:
        raise ValueError("; ".join(faults))
    if len(full) > 1:
        faults.append(f"lines {listed(full)}: `{SECTION}:` stands {len(full)} times: put all cities under one")
    return Contents(list(_cities(loader, pairs, beside)), faults)


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


def read_beside(text: str) -> Contents:
    """The cities that stand beside `cities:` and so are none, and what else is wrong there.

    Raises:
        ValueError: the text is no YAML; the message says where and why.
    """
    _, root = _composed(text)
    if not isinstance(root, yaml.MappingNode | None):
        raise ValueError(f"line {_line(root)}: it is no `key: value`")
    cities, faults = _beside(root.value if root is not None else [])
    return Contents([Entry(key=_key(city.key), fault=city.fault) for city in cities], faults)


def _beside(others: list[tuple[yaml.Node, yaml.Node]]) -> tuple[list[_Placed], list[str]]:
    """What stands beside `cities:`, where nobody would read it: cities that are not indented, and the other faults."""
    cities, faults = [], []
    for key, value in others:
        near = did_you_mean(_key(key), [SECTION])
        if _key(key).startswith(ASIDE):
            continue
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.MappingNode) and not near:
            fault = f"line {_line(key)}: it stands beside `{SECTION}:` and not under it: indent it"
            cities.append(_Placed(key, value, fault))
        else:
            where = f"line {_line(key)}: `{_key(key)}:` stands beside `{SECTION}:` and is unknown{near}"
            faults.append(f"{where}: take it out; what holds anchors begins with {ASIDE}")
    return cities, faults


def _cities(loader: _Loader, pairs: list[tuple[yaml.Node, yaml.Node]], beside: list[_Placed]) -> Iterator[Entry]:
    """Every city once; one that stands twice has a fault, since nobody knows which of the two is meant."""
    placed = []
    for key, value in pairs:  # before merge keys are put into the nodes
        within = _take_cities_out(_key(key), value)
        placed += [_Placed(key, value, _fault(key, value)), *within]
    placed += beside
    lines: dict[str, list[int]] = {}
    for city in placed:
        lines.setdefault(_key(city.key), []).append(_line(city.key))
    for key, value, fault in placed:
        name = _key(key)
        if len(lines[name]) == 1:
            yield Entry(key=name, fault=fault) if fault else _city(loader, name, value)
        elif _line(key) == lines[name][0]:
            yield twice(name, len(lines[name]), f", in lines {listed(lines[name])}")


def _take_cities_out(name: str, city: yaml.Node) -> list[_Placed]:
    """The cities that stand among the fields of another one, as they are indented too far; they are taken out of it.

    One that lies as far in as these fields holds nothing, and its own fields would stand twice.
    """
    if not isinstance(city, yaml.MappingNode):
        return []
    kept: list[tuple[yaml.Node, yaml.Node]] = []
    found = []
    for number, (key, value) in enumerate(city.value, 1):
        rest = [_key(field) for field, _ in city.value[number:]]
        begins_anew = rest and rest[0] in {_key(field) for field, _ in kept} and not OF_A_CITY.isdisjoint(rest)
        is_city = isinstance(value, yaml.MappingNode) and not OF_A_CITY.isdisjoint(_key(f) for f, _ in value.value)
        if _key(key) == MERGE or not (is_city or (_is_null(value) and begins_anew)):
            kept.append((key, value))
            continue
        hint = f"if it is a city, it is indented too far: line it up with {name}"
        fault = f"line {_line(key)}: it stands within {name}; {hint}"
        found.append(_Placed(key, value, fault))
        if not is_city:
            break
    city.value = kept
    return found


def twice(key: str, count: int, where: str = "") -> Entry:
    """A city that stands several times."""
    return Entry(key=key, fault=f"it stands {count} times{where}: leave one of them")


def _fault(key: yaml.Node, node: yaml.Node) -> str:
    """Why the fields of a city cannot be made, as far as its nodes show that."""
    line = _line(key)
    if not isinstance(node, yaml.MappingNode):
        if _key(key) in {"name", *OF_A_CITY}:
            return f"line {line}: it is a field of a city, and stands where the cities do: indent it further"
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
    return Entry(key=key, fields=fields)


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


def listed(lines: list[int]) -> str:
    """`2, 5 and 9`."""
    return f"{', '.join(map(str, lines[:-1]))} and {lines[-1]}"

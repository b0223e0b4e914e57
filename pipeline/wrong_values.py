"""What is wrong with settings that a person wrote, in words of their fields; pydantic's own speak of types and inputs.

Law: each mistake names its field, what is needed there and what was given. What pydantic may find is in one table.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.errors import did_you_mean

LONGEST_SHOWN = 60
WHOLE, NUMBER = "must be a whole number", "must be a number"
TEXT, SWITCH = "must be text (in quotes where it looks like something else)", "must be true or false"
LIST, MAPPING = "must be a list, as [a, b]", "must be a mapping, as {{key: value}}"
NEEDED = {
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_parsing_size": "must be a smaller number",
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": SWITCH,
    "bool_parsing": SWITCH,
    "string_type": TEXT,
    "string_unicode": TEXT,
    "string_too_short": "must not be empty",
    "path_type": "must be the path of a file or folder",
    "list_type": LIST,
    "tuple_type": LIST,
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} values",
    "too_long": "must have at most {max_length} values",
}
"""What a field needs, by pydantic's name of the mistake; of others pydantic's own words are told."""
WITH_A_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


def error_summary(error: ValidationError, kind: type[BaseModel]) -> str:
    """Each wrong value with what is wrong about it, in one line; of an unknown name of `kind` the nearest known."""
    return "; ".join(_told(one, kind) for one in error.errors(include_url=False))


def _told(one: Mapping[str, Any], kind: type[BaseModel]) -> str:
    name = ".".join(map(str, one["loc"])).removeprefix("stages.")
    if one["type"] == "extra_forbidden":
        *above, last = map(str, one["loc"])
        return f"{name} is unknown{did_you_mean(last, _known_under(kind, above))}"
    if one["type"] == "missing":
        return f"{name} is missing"
    said = one["msg"].removeprefix("Value error, ")
    if one["type"] in NEEDED:
        limits = {key: _shortest(value) for key, value in one.get("ctx", {}).items()}
        said = f"{NEEDED[one['type']].format(**limits)}, not {_shown(one['input'])}"
    elif one["type"] == "string_pattern_mismatch" and name in kind.model_fields:
        said = f"not {_shown(one['input'])}; {kind.model_fields[name].description}"
    return f"{name}: {said}{_advice(one)}" if name else said


def _shortest(limit: Any) -> Any:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _shown(given: Any) -> str:
    """What was given, as it stands in a file."""
    match given:
        case None:
            return "nothing"
        case bool():
            return "the switch true (also yes and on)" if given else "the switch false (also no and off)"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case int() | float():
            return str(given)[:LONGEST_SHOWN]
    return repr(str(given)[:LONGEST_SHOWN])


def _advice(one: Mapping[str, Any]) -> str:
    """What follows where the slip shows."""
    given = one["input"]
    if not isinstance(given, str):
        return ""
    if one["type"] in ("float_parsing", "int_parsing") and WITH_A_COMMA.fullmatch(given):
        return f": write {given.strip().replace(',', '.')}"
    choices = re.findall(r"'([^']*)'", str(one.get("ctx", {}).get("expected", "")))
    return did_you_mean(given, choices) if one["type"] == "literal_error" else ""


def _known_under(kind: type[BaseModel], above: Sequence[str]) -> Sequence[str]:
    """The names that a mapping within settings takes, by the names above it; none where these lead to no settings."""
    for name in above:
        within = kind.model_fields[name].annotation if name in kind.model_fields else None
        kinds = [one for one in (within, *get_args(within)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not kinds:
            return ()
        kind = kinds[0]
    return tuple(kind.model_fields)

"""Settings as values: checking one, and reading a whole configuration back from JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

Config = TypeVar("Config")


def require(is_right: bool, name: str, expected: str, found: object) -> None:
    """Raise a ValueError that names the setting, what it must be and what it is, unless `is_right`."""
    if not is_right:
        raise ValueError(f"{name} must be {expected}, got {found}")


def config_from_json(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The configuration stored as `values`.

    Raises:
        ValueError: a field is missing or unknown, so the file belongs to another version of this code.
    """
    names = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if names != set(values):
        raise ValueError(
            f"stored {kind.__name__} has unknown fields {sorted(set(values) - names)} and lacks "
            f"{sorted(names - set(values))}; it was written by another version: train the model again"
        )
    arguments: Any = dict(values)
    return kind(**arguments)

"""Run configuration: a stage's pydantic settings as the form that Dagster's launchpad shows.

Every field may be left out, and then cities.yaml and the stage's own defaults hold. Values are checked once, by the
stage's settings, so that the same message comes from Dagster and from the command line.
"""

from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from pipeline.cities import DEFAULT_TEXT, Settings


class StageConfig(dg.Config):
    """What every run configuration of a stage can do."""

    def overrides(self) -> dict[str, Any]:
        """The settings that were given, without what is not a setting of the stage."""
        return self.model_dump(exclude_none=True, exclude={"cities"})


class AllCitiesConfig(StageConfig):
    """Of the assets that a command without a partition builds for all cities at once."""

    cities: list[str] | None = Field(
        None, description="Without a partition: only these cities; by default all that are ready."
    )


def run_config(settings: type[Settings], base: type[StageConfig] = StageConfig) -> type[StageConfig]:
    """The run configuration of a stage with these settings."""
    fields: dict[str, Any] = {
        name: (_kind(field.annotation) | None, Field(None, description=_description(field)))
        for name, field in settings.model_fields.items()
    }
    name = f"{settings.__name__.removesuffix('Settings')}Config"
    return create_model(name, __base__=base, __doc__=settings.__doc__, __module__=__name__, **fields)


def _bare(annotation: Any) -> Any:
    """The type without its `| None`."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _kind(annotation: Any) -> Any:
    """The type that Dagster's configuration takes for a field: choices and paths are strings there."""
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, Settings):
        return run_config(bare)
    is_enum = isinstance(bare, type) and issubclass(bare, Enum)
    return str if is_enum or bare is Path or get_origin(bare) is Literal else bare


def _description(field: FieldInfo) -> str:
    bare = _bare(field.annotation)
    choices = f" One of {', '.join(get_args(bare))}." if get_origin(bare) is Literal else ""
    text = (field.description or "").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}.{choices} Default: as cities.yaml says{_otherwise(field)}."


def _otherwise(field: FieldInfo) -> str:
    """The value where cities.yaml says nothing: None may stand for another, and the description may tell it."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and DEFAULT_TEXT in extra:
        return f", else {extra[DEFAULT_TEXT]}"
    default = field.get_default(call_default_factory=True)
    if default is None:
        return "" if "by default" in (field.description or "") else ", else none"
    return f", else {default}"

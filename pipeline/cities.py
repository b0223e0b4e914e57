"""Cities: `cities.yaml` read and checked, with the settings of every stage.

A city's settings of a stage stand under the stage's name and override the stage's own defaults, which are the
paper's values. One more layer, the run configuration of Dagster or the command line, may override both.
"""

import os
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

CITIES_VARIABLE = "MRLF_CITIES"

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class CityError(ValueError):
    """cities.yaml, or what was asked of it, is wrong; the message says what to do."""


class Settings(BaseModel):
    """What every stage's settings share: unknown names are refused, values are fixed once made.

    PER_RUN: names of settings that say how much one run may do and not what comes out; they are in no digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    PER_RUN: ClassVar[frozenset[str]] = frozenset()


class City(BaseModel):
    """One city: its name, circle and per-stage settings.

    demo: settings of the seeded generator that writes the archive and the POI file of a synthetic city.
    live: where it stands, posts are collected from Instagram; who collects, why, and how fast.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    name: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    radius_km: float = Field(gt=0)
    is_synthetic: bool = False
    demo: dict[str, Any] | None = None
    live: dict[str, Any] | None = None
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def from_fields(cls, key: str, fields: dict[str, Any]) -> "City":
        """A city as cities.yaml describes it: what is no field of a city is a stage with its settings."""
        own = {name: value for name, value in fields.items() if name in cls.model_fields and name != "stages"}
        stages = {name: value or {} for name, value in fields.items() if name not in cls.model_fields}
        return cls(key=key, stages=stages, **own)

    def settings(self, stage: str, kind: type[SettingsT], overrides: dict[str, Any] | None = None) -> SettingsT:
        """The settings of one stage: defaults, then cities.yaml, then `overrides` that are not None.

        Raises:
            CityError: a value is unknown or out of range.
        """
        given = {key: value for key, value in (overrides or {}).items() if value is not None}
        try:
            return kind.model_validate({**self.stages.get(stage, {}), **given})
        except ValidationError as error:
            raise CityError(f"settings of stage {stage} of city {self.key}: {error_summary(error)}") from None


def cities_path() -> Path:
    """The file of cities: `MRLF_CITIES`, else `cities.yaml` at the project's root."""
    return Path(os.environ.get(CITIES_VARIABLE) or Path(__file__).parent.parent / "cities.yaml")


def load_cities(path: Path | None = None) -> dict[str, City]:
    """All cities by key, in the order of the file.

    Raises:
        CityError: the file is missing, is not YAML, or a city in it is wrong.
    """
    path = path or cities_path()
    try:
        content = yaml.safe_load(path.read_text())
        cities = content["cities"]
        return {key: City.from_fields(key, fields) for key, fields in cities.items()}
    except FileNotFoundError:
        raise CityError(f"there is no {path}: name the file of cities with {CITIES_VARIABLE}") from None
    except ValidationError as error:
        raise CityError(f"{path}: {error_summary(error)}") from None
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise CityError(f"{path} is not a file of cities (a mapping `cities:` of name to fields): {error}") from None


def load_city(key: str, path: Path | None = None) -> City:
    """The city of this key.

    Raises:
        CityError: it is not in the file; the message lists those that are.
    """
    cities = load_cities(path)
    if key not in cities:
        known = ", ".join(cities)
        raise CityError(f"there is no city {key!r} in {path or cities_path()}: add it there, or take one of {known}")
    return cities[key]


def error_summary(error: ValidationError) -> str:
    """Each wrong value with what is wrong about it, in one line."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors())

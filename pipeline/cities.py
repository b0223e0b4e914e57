"""Cities: `cities.yaml` read and checked, with the settings of every stage.

A city's settings of a stage stand under the stage's name and override the stage's own defaults, which are the
paper's values. One more layer, the run configuration of Dagster or the command line, may override both.
Law: one city's mistake is one city's mistake. A city that is wrong is unusable, with a sentence that says why; the
others are read.
"""

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticKnownError

from pipeline.cities_file import read_file
from pipeline.errors import did_you_mean
from pipeline.wrong_values import error_summary

CITIES_VARIABLE = "MRLF_CITIES"
CITIES_NAME = "cities.yaml"
STAGE_NAMES = (
    "pois",
    "places",
    "posts",
    "curated_posts",
    "portrait_masks",
    "clean_images",
    "dataset",
    "image_features",
    "train_mrlf",
    "evaluate_mrlf",
    "study_data",
    "study",
)
"""Those of `pipeline.stages`, spelt out: a stage reads its city, so it cannot be read here."""
KEY = re.compile(r"[a-z][a-z0-9-]{0,62}")
MOST_KM = 20_016
"""Nothing on Earth is further apart: a circle may be all of it, and who writes metres for kilometres is told."""
SECTIONS = ("demo", "live")
NOTHING = "it holds nothing: write {} for its defaults, or leave it out"
"""Of a section that is named: nobody knows which of the two is meant."""
DEFAULT_TEXT = "default_text"
"""In `json_schema_extra` of a setting whose None means something else: what, as a person reads it."""

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class CityError(ValueError):
    """cities.yaml, or what was asked of it, is wrong; the message says what to do."""


class _Fields(BaseModel):
    """Unknown names are refused, values are fixed once made, and numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_switch(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `yes`, `no`, `on` and `off` as switches, and pydantic those as 1 and 0."""
        if isinstance(value, bool):
            annotation = cls.model_fields[info.field_name or ""].annotation
            kinds = {annotation, *get_args(annotation)}
            if kinds & {int, float} and bool not in kinds:
                raise PydanticKnownError("int_type" if int in kinds else "float_type")
        return value


class Settings(_Fields):
    """What every stage's settings share.

    PER_RUN: names of settings that say how much one run may do and not what comes out; they are in no digest.
    """

    PER_RUN: ClassVar[frozenset[str]] = frozenset()

    def in_effect(self, city: "City", num_train_posts: int | None) -> dict[str, Any]:
        """All settings for a person to read, with the value that will be used where None stands for one.

        num_train_posts: of the city's data set, None where it has none yet.
        """
        return self.model_dump(mode="json")


class City(_Fields):
    """One city: its name, circle and per-stage settings.

    demo: settings of the seeded generator that writes the archive and the POI file of a synthetic city.
    live: where it stands, posts are collected from Instagram; who collects, why, and how fast.
    """

    key: str = Field(pattern=f"^{KEY.pattern}$")
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    radius_km: float = Field(gt=0, le=MOST_KM)
    is_synthetic: bool = False
    demo: dict[str, Any] | None = None
    live: dict[str, Any] | None = None
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def from_fields(cls, key: str, fields: Mapping[str, Any]) -> "City":
        """A city as cities.yaml describes it: what is no field of a city is a stage with its settings.

        Raises:
            ValueError: a name is unknown, or a value is wrong; the message says which and does not name the city.
        """
        if not KEY.fullmatch(key):
            raise ValueError(
                f"a key has small letters, digits and hyphens, begins with a letter and is short{_slug(key)}"
            )
        names = [name for name in cls.model_fields if name not in ("key", "stages")]
        if unknown := [name for name in fields if name not in names and name not in STAGE_NAMES]:
            known = (*names, *STAGE_NAMES)
            raise ValueError(
                "; ".join(
                    f"{name!r} is neither a field of a city nor a stage{did_you_mean(name, known)}" for name in unknown
                )
            )
        if empty := [name for name in SECTIONS if name in fields and fields[name] is None]:
            raise ValueError("; ".join(f"{name}: {NOTHING}" for name in empty))
        own = {name: value for name, value in fields.items() if name in names}
        stages = {name: {} if value is None else value for name, value in fields.items() if name in STAGE_NAMES}
        try:
            return cls(key=key, stages=stages, **own)
        except ValidationError as error:
            raise ValueError(error_summary(error, cls)) from None

    def settings(self, stage: str, kind: type[SettingsT], overrides: dict[str, Any] | None = None) -> SettingsT:
        """The settings of one stage: defaults, then cities.yaml, then `overrides` that are not None.

        Raises:
            CityError: a value is unknown or out of range.
        """
        given = {key: value for key, value in (overrides or {}).items() if value is not None}
        try:
            return kind.model_validate({**self.stages.get(stage, {}), **given})
        except ValidationError as error:
            raise CityError(f"settings of stage {stage} of city {self.key}: {error_summary(error, kind)}") from None


@dataclass(frozen=True, kw_only=True)
class Cities:
    """The cities of a file in its order: those that can be used, and of the others why not, in a sentence each.

    faults: what is wrong with the file beside its cities, in a sentence each; of one that cannot be read, why.
    """

    path: Path
    keys: list[str] = field(default_factory=list)
    usable: dict[str, City] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def readable(self) -> "Cities":
        """The same.

        Raises:
            CityError: the file as a whole cannot be read.
        """
        if self.faults and not self.keys:
            raise CityError("; ".join(self.faults))
        return self

    def city(self, key: str) -> City:
        """The city of this key.

        Raises:
            CityError: it cannot be used, or is not in the file; then the message names the nearest that is.
        """
        if key in self.readable().unusable:
            raise CityError(self.unusable[key])
        if key not in self.usable:
            known = ", ".join(self.usable)
            add = f"add it there, or take one of {known}" if known else "add it there"
            beside = "".join(f"; {fault}" for fault in self.faults)
            raise CityError(f"there is no city {key!r} in {self.path}{did_you_mean(key, self.keys)}: {add}{beside}")
        return self.usable[key]


def cities_path() -> Path:
    """The file of cities: `MRLF_CITIES`, else `cities.yaml` of the folder one is in, else that of the checkout."""
    if named := os.environ.get(CITIES_VARIABLE):
        return Path(named).expanduser()  # no shell has read it in a .env file
    here, checkout = Path(CITIES_NAME).absolute(), Path(__file__).parent.parent / CITIES_NAME
    return checkout if checkout.is_file() and not here.is_file() else here


def read_cities(path: Path | None = None) -> Cities:
    """All cities of the file, none where it cannot be read; their settings are checked by
    `pipeline.stages.checked_cities`.
    """
    path = path or cities_path()
    cities = Cities(path=path)
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        entries, faults = read_file(path.read_bytes())
    except FileNotFoundError:
        sentence = (
            f"there is no {path}: go to the project's folder, begin one here with `mrlf init`, or name the file of "
            f"cities with {CITIES_VARIABLE}"
        )
        return Cities(path=path, faults=[sentence])
    except (ValueError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        sentence = f"{path} is not a file of cities (`cities:` with a key and fields for each): {why}"
        return Cities(path=path, faults=[sentence])
    cities.faults.extend(f"{path}, {fault}" for fault in faults)
    for entry in entries:
        cities.keys.append(entry.key)
        try:
            if entry.fault:
                raise ValueError(entry.fault)
            cities.usable[entry.key] = City.from_fields(entry.key, entry.fields)
        except ValueError as error:
            cities.unusable[entry.key] = unusable(path, entry.key, error)
    return cities


def unusable(path: Path, key: str, why: Exception) -> str:
    """What is said of a city that cannot be used."""
    return f"city {key!r} of {path} cannot be used until this is mended there: {why}"


def load_cities(path: Path | None = None) -> dict[str, City]:
    """All usable cities by key, in the order of the file.

    Raises:
        CityError: the file as a whole cannot be read.
    """
    return read_cities(path).readable().usable


def load_city(key: str, path: Path | None = None) -> City:
    """The city of this key.

    Raises:
        CityError: it is not in the file, or cannot be used; the message lists those that are there.
    """
    return read_cities(path).city(key)


def _slug(key: str) -> str:
    """The end of a sentence about a key that is none: one like it that is."""
    plain = unicodedata.normalize("NFKD", key.lower()).encode("ascii", "ignore").decode()  # ü is u and a mark
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return f": rename it {slug}" if KEY.fullmatch(slug) else ""

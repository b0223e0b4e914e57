"""What all assets do alike: run a stage of `pipeline` for a city, with a version that knows cities.yaml."""

from collections.abc import Collection
from typing import Any

import dagster as dg

from assets.config import AllCitiesConfig, StageConfig
from assets.failures import UserError, user_errors
from assets.partitions import CITIES, FAULTS
from pipeline.cities import CityError, read_cities
from pipeline.stage import StageReport
from pipeline.stages import STAGES, checked_city, run_stage_of
from pipeline.store import Store
from pipeline.store.digests import json_digest

OWNERS = ["team:mrlf"]
FIRST_CITY = CITIES.get_partition_keys()[:1]
"""The example in what is said where no city is ready."""


def code_version(name: str) -> str:
    """The digest of a stage's code, and of its settings in all cities: edit one and the asset turns stale.

    Taken from the file as it stands, so that a wrong value in it fails the run of that city, not the loading.
    """
    stage = STAGES[name]
    defaults = {field: repr(info.default) for field, info in stage.settings.model_fields.items()}
    settings = {
        key: {field: repr(value) for field, value in city.stages.get(name, {}).items()}
        for key, city in read_cities().usable.items()
    }
    return f"{stage.code_version[:12]}-{json_digest([defaults, settings])[:12]}"


def build(name: str, city: str, store: Store, config: StageConfig, **watch: Any) -> StageReport:
    """Build a stage of a city with its settings of cities.yaml and what the run configuration gives.

    watch: callbacks of the stage while it runs, as `pipeline.stages.run_stage_of` takes it.

    Raises:
        UserError: the settings, the input or the state of the store do not allow it; the message says what to do.
    """
    with user_errors():
        return run_stage_of(store, checked_city(city), name, config.overrides(), **watch)


def build_each(
    context: dg.AssetExecutionContext,
    name: str,
    ready: Collection[str],
    store: Store,
    config: AllCitiesConfig,
    *,
    otherwise: str,
    **watch: Any,
) -> tuple[list[StageReport], dict[str, str]]:
    """Build a stage of the run's city, else of those of its configuration, else of all that are ready: the reports of
    those that could be, and why the others could not.

    otherwise: the message for a city that is not ready, with CITY for its key.

    Raises:
        UserError: it could be done for none of them.
    """
    wanted = [context.partition_key] if context.has_partition_key else (config.cities or list(ready))
    hindered = {city: _why_not(city, otherwise) for city in wanted or FIRST_CITY if city not in ready}
    reports = []
    for city in (city for city in wanted if city in ready):
        try:
            reports.append(build(name, city, store, config, **watch))
        except UserError as mistake:
            hindered[city] = str(mistake.description)
    if not reports:
        raise UserError("\n".join(hindered.values() or FAULTS))
    return reports, hindered


def _why_not(city: str, otherwise: str) -> str:
    """Why a city is not ready: cities.yaml has none of this name, or something is wrong there, else `otherwise`."""
    try:
        checked_city(city)
    except CityError as error:
        return str(error)
    return otherwise.replace("CITY", city)


def built_cities(store: Store, name: str) -> list[str]:
    """Cities of which a stage has run to its end."""
    return [city for city in store.cities() if store.stage_record(city, name) is not None]

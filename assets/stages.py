"""What all assets do alike: run a stage of `pipeline` for a city, with a version that knows cities.yaml."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from assets.config import AllCitiesConfig, StageConfig
from assets.failures import UserError, user_errors
from pipeline.cities import load_cities
from pipeline.stage import StageReport
from pipeline.stages import STAGES, checked_city, run_stage_of
from pipeline.store import Store
from pipeline.store.digests import json_digest

OWNERS = ["team:mrlf"]
PARTITION_TAG = "dagster/partition"


def code_version(name: str) -> str:
    """The digest of a stage's code, and of its settings in all cities: edit one and the asset turns stale.

    Taken from the file as it stands, so that a wrong value in it fails the run of that city, not the loading.
    """
    stage = STAGES[name]
    defaults = {field: repr(info.default) for field, info in stage.settings.model_fields.items()}
    settings = {
        key: {field: repr(value) for field, value in city.stages.get(name, {}).items()}
        for key, city in load_cities().items()
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
    name: str, cities: Iterable[str], store: Store, config: AllCitiesConfig, **watch: Any
) -> tuple[list[StageReport], dict[str, str]]:
    """Build a stage of several cities: the reports of those that could be, and why the others could not.

    Raises:
        UserError: it could be done for none of them.
    """
    reports, hindered = [], {}
    for city in cities:
        try:
            reports.append(build(name, city, store, config, **watch))
        except UserError as mistake:
            hindered[city] = str(mistake.description)
    if not reports:
        raise UserError("\n".join(hindered.values()))
    return reports, hindered


def built_cities(store: Store, name: str) -> list[str]:
    """Cities of which a stage has run to its end."""
    return [city for city in store.cities() if store.stage_record(city, name) is not None]


def chosen_cities(
    context: dg.AssetExecutionContext, config: AllCitiesConfig, ready: list[str], *, otherwise: str
) -> list[str]:
    """The cities this run is about: its partition's, else those of its configuration, else all that are ready.

    Raises:
        UserError: one of them is not ready, or none is; `otherwise` is the message, with the city's key for CITY.
    """
    partition = context.run.tags.get(PARTITION_TAG)
    wanted = [partition] if partition else (config.cities or ready)
    with user_errors():
        for city in [partition] if partition else config.cities or ():
            checked_city(city)
    missing = [city for city in wanted if city not in ready]
    if missing or not wanted:
        raise UserError(otherwise.replace("CITY", (missing or ["demo"])[0]))
    return wanted

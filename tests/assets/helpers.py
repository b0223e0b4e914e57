"""Helpers of the tests of assets: the file of cities, runs inside this process, commands of Dagster beside it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from assets.resources import StoreResource
from pipeline.cities import CITIES_VARIABLE
from pipeline.store import Store
from tests.assets.warm import Command

ROOT = Path(__file__).parent.parent.parent


def write_cities(cities: dict[str, dict[str, Any]]) -> None:
    """Write the file of cities that is in force."""
    Path(os.environ[CITIES_VARIABLE]).write_text(yaml.safe_dump({"cities": cities}))


def materialize(
    store: Store,
    *assets: dg.AssetsDefinition,
    city: str | None = "demo",
    selection: list[str] | None = None,
    instance: dg.DagsterInstance | None = None,
    **config: Any,
) -> dg.ExecuteInProcessResult:
    """One run of these assets for a city, or of no partition; `config` is the last asset's."""
    (key,) = assets[-1].keys
    return dg.materialize(
        list(assets),
        partition_key=city,
        resources={"store": StoreResource(root=str(store.root))},
        run_config={"ops": {key.to_user_string(): {"config": config}}} if config else None,
        raise_on_error=False,
        selection=selection,
        instance=instance,
    )


def failures(result: dg.ExecuteInProcessResult) -> str:
    """The errors of the failed steps of a run."""
    return "\n".join(event.step_failure_data.error.to_string() for event in result.get_step_failure_events())


def metadata(result: dg.ExecuteInProcessResult, name: str, city: str | None = None) -> dict[str, Any]:
    """The metadata of the one materialization of an asset; of the city's, where the run was of several."""
    events = result.asset_materializations_for_node(name)
    (event,) = [event for event in events if city is None or event.partition == city]
    return {key: value.value for key, value in event.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """The checks of a run."""
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def dagster(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Dagster from the repository's root, in a process of its own."""
    with Command(["dagster", *words], environment, ROOT) as command:
        return command.completed(timeout_s=110)

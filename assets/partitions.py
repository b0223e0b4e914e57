"""Partitions: the cities of cities.yaml, read when the definitions are loaded. A new city asks for a reload.

A city that cannot be used is a partition, too: its runs fail with the sentence that says why. A file that cannot be
read has none; the definitions are loaded all the same, and say why.
"""

import click
import dagster as dg

from pipeline.stages import checked_cities

FOREIGN = frozenset("/\\,|[]")
"""What no name of a partition may hold: it ends up in paths and in ranges of partitions."""


def _is_partition(key: str) -> bool:
    return key.isprintable() and 0 < len(key) < 64 and ".." not in key and not FOREIGN & set(key)


_cities = checked_cities()
CITIES = dg.StaticPartitionsDefinition([key for key in _cities.keys if _is_partition(key)])
UNUSABLE = _cities.unusable
"""Why a city cannot be used, by city."""
FAULTS = _cities.faults
"""What is wrong with the file beside its cities; where it has no partitions, why."""


def _names_no_partition() -> bool:
    """Whether the definitions are loaded by `dagster asset materialize`, or `dg launch`, without a partition."""
    command = click.get_current_context(silent=True)
    if command is None or "partition" not in command.params:
        return False
    return not (command.params["partition"] or command.params.get("partition_range"))


CITIES_OR_ALL = None if _names_no_partition() else CITIES
"""Of training and evaluation: a partition per city, so that in a backfill one city's failure cancels no other's.
Dagster's commands refuse an asset with partitions where none is named, so there they stand for all cities at once.
"""

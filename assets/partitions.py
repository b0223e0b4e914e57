"""Partitions: the cities of cities.yaml, read when the definitions are loaded. A new city asks for a reload.

A city that cannot be used is a partition, too: its runs fail with the sentence that says why.
"""

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
ALL_CITIES = dg.AllPartitionMapping()

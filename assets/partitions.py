"""Partitions: the cities of cities.yaml, read when the definitions are loaded. A new city asks for a reload."""

import dagster as dg

from pipeline.cities import load_cities

CITIES = dg.StaticPartitionsDefinition(list(load_cities()))
ALL_CITIES = dg.AllPartitionMapping()

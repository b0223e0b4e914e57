"""Points of interest of a city: the classes that a model will distinguish.

Reads  the POI source that cities.yaml names: a file, an OS Places extract, the archive, or Foursquare's Places API
Writes pois
"""

import dagster as dg

from assets.checks import blocking_checks
from assets.config import run_config
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.collect.pois import STAGE, PoisSettings

PoisConfig = run_config(PoisSettings)


@dg.asset(
    partitions_def=CITIES,
    group_name="collect",
    kinds={"deltalake"},
    owners=OWNERS,
    pool="foursquare",
    code_version=code_version(STAGE),
    check_specs=blocking_checks(STAGE, some_pois="There is at least one POI."),
)
def pois(context: dg.AssetExecutionContext, config: PoisConfig, store: StoreResource) -> Results:
    """Points of interest inside the city's circle, with their category, rank and popularity."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    num_pois = report.counts["pois"]
    yield from materialized(
        report, num_rows=num_pois, where=where_table(data, city, STAGE), checks={"some_pois": num_pois > 0}
    )

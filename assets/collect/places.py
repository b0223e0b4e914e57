"""Instagram's places of a city's POIs, matched by distance and name.

Reads  pois, the places that the archive's posts name or Instagram's searches find, the file of overrules
Writes places
"""

import dagster as dg

from assets.checks import blocking_checks, is_whole, warning_checks
from assets.collect.pois import pois
from assets.config import run_config
from assets.metadata import where_table
from assets.partitions import CITIES
from assets.resources import StoreResource
from assets.results import Results, materialized
from assets.stages import OWNERS, build, code_version
from pipeline.collect.places import STAGE, PlacesSettings

PlacesConfig = run_config(PlacesSettings)


@dg.asset(
    deps=[pois],
    partitions_def=CITIES,
    group_name="collect",
    kinds={"deltalake"},
    owners=OWNERS,
    code_version=code_version(STAGE),
    pool="instagram",
    check_specs=blocking_checks(STAGE, some_match="At least one POI was matched with a place.")
    + warning_checks(STAGE, nothing_waits="Every POI was searched for."),
)
def places(context: dg.AssetExecutionContext, config: PlacesConfig, store: StoreResource) -> Results:
    """Which place of Instagram is which POI, how far apart they are, how alike their names; a person can overrule."""
    city, data = context.partition_key, store.open()
    report = build(STAGE, city, data, config)
    yield from materialized(
        report,
        num_rows=report.counts["pairs"],
        where=where_table(data, city, STAGE),
        checks={"some_match": report.counts["matched_pois"] > 0},
        warnings={"nothing_waits": is_whole(report)},
    )

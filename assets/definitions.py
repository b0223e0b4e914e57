"""The one place that Dagster loads: all assets in the order the data takes, with what they need.

A run is one process and a city's assets form a chain, so its steps run in that process: nothing is started or
imported twice, and the lock that says the run is alive (assets/sweep.py) covers all of them.
"""

import dagster as dg

from assets.collect import places, pois, posts
from assets.curate import curated_posts
from assets.images import clean_images, portrait_masks
from assets.partitions import CITIES, FAULTS, UNUSABLE
from assets.release import dataset
from assets.report import evaluate_mrlf, study, study_data
from assets.resources import StoreResource
from assets.schedules import refresh, schedules
from assets.sweep import sweep_dead_runs
from assets.training import image_features, train_mrlf
from assets.waiting import wait_patiently

PIPELINE = [
    pois,
    places,
    posts,
    curated_posts,
    portrait_masks,
    clean_images,
    dataset,
    image_features,
    train_mrlf,
    evaluate_mrlf,
]
ON_REQUEST = [study_data, study]
"""What is built when somebody asks for it: no part of `+evaluate_mrlf`."""


def _with_what_is_wrong(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Every asset's page says which cities cannot be used, and why; where there is none, so does the graph."""
    told = {f"{city} cannot be used": sentence for city, sentence in UNUSABLE.items()}
    if FAULTS:
        told["cities.yaml"] = "; ".join(FAULTS)
    spec = spec.merge_attributes(metadata={name: dg.MetadataValue.text(text) for name, text in told.items()})
    if CITIES.get_partition_keys():
        return spec
    return spec.replace_attributes(description=f"There are no cities: {told['cities.yaml']}\n\n{spec.description}")


@dg.definitions
def defs() -> dg.Definitions:
    """All assets of all cities."""
    wait_patiently()
    assets = [getattr(module, module.STAGE) for module in (*PIPELINE, *ON_REQUEST)]
    return dg.Definitions(
        assets=[asset.map_asset_specs(_with_what_is_wrong) for asset in assets] if UNUSABLE or FAULTS else assets,
        jobs=[refresh],
        schedules=schedules,
        sensors=[sweep_dead_runs],
        resources={"store": StoreResource()},
        executor=dg.in_process_executor,
    )

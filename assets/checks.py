"""Checks: what is asked of an asset in its own step, and what answers it.

A check has the partitions of its asset, so that what it found in one city stands beside what it found in another.
"""

import warnings

import dagster as dg

from assets.partitions import CITIES, CITIES_OR_ALL
from pipeline.stage import INCOMPLETE, StageReport

EVERY_CITY = "every_city"


def blocking_checks(asset: str, **descriptions: str) -> list[dg.AssetCheckSpec]:
    """Checks in the asset's own step that keep what follows from running when they fail: name -> what they ask."""
    return [_check(name, asset, description, blocking=True) for name, description in descriptions.items()]


def warning_checks(asset: str, **descriptions: str) -> list[dg.AssetCheckSpec]:
    """Checks in the asset's own step that only warn: what follows runs with what there is."""
    return [_check(name, asset, description) for name, description in descriptions.items()]


def city_or_all_checks(asset: str, **descriptions: str) -> list[dg.AssetCheckSpec]:
    """Checks of an asset of one city or of all at once, beside the one that fails when a city could not be done.

    They block nothing: the cities that could be done go on.
    """
    asked = {EVERY_CITY: "It could be done for every city that was ready.", **descriptions}
    return [_check(name, asset, description, CITIES_OR_ALL) for name, description in asked.items()]


def _check(
    name: str,
    asset: str,
    description: str,
    partitions: dg.PartitionsDefinition | None = CITIES,
    *,
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # checks with partitions are new in 1.13
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=partitions
        )


def every_picture_has_an_outcome(report: StageReport) -> bool:
    """Whether the pictures by outcome sum up to all pictures."""
    by_outcome = (count for name, count in report.counts.items() if name.startswith("pictures/"))
    return sum(by_outcome) == report.counts["pictures"]


def is_whole(report: StageReport) -> bool:
    """Whether nothing of a live source waits for another run."""
    return not any(note.startswith(INCOMPLETE) for note in report.record.notes)

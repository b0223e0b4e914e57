"""Results: what a stage tells, as Dagster shows it: numbers, a table of drops, remarks, checks and a picture.

Law: no text of a user comes in here, only counts and our own words; names of POIs are shown as plain text, never as
Markdown. A picture is of POIs, classes, curves, or of pictures without people.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline.stage import StageReport
from pipeline.store.digests import json_digest

MAX_PREVIEW_BYTES = 200_000
LOST = ("dropped/", "deferred/")
EVERY_CITY = "every_city"
FIGURE = re.compile(r"[+-]?\d+\.\d+")


def blocking_checks(asset: str, **descriptions: str) -> list[dg.AssetCheckSpec]:
    """Checks in the asset's own step that keep what follows from running when they fail: name -> what they ask."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=description, blocking=True)
        for name, description in descriptions.items()
    ]


def every_city_check(asset: str) -> dg.AssetCheckSpec:
    """Fails when a city could not be done. It blocks nothing: the cities that could be go on."""
    return dg.AssetCheckSpec(EVERY_CITY, asset=asset, description="It could be done for every city that was ready.")


def every_picture_has_an_outcome(report: StageReport) -> bool:
    """Whether the pictures by outcome sum up to all pictures."""
    by_outcome = (count for name, count in report.counts.items() if name.startswith("pictures/"))
    return sum(by_outcome) == report.counts["pictures"]


def materialized(
    report: StageReport, *, num_rows: int, checks: Mapping[str, bool], preview: bytes | None = None
) -> dg.MaterializeResult:
    """The result of a stage that was built for one city."""
    pictures = {"preview": _picture(preview)} if preview is not None else {}
    return dg.MaterializeResult(
        metadata={"dagster/row_count": num_rows, **_told(report), **pictures},
        data_version=dg.DataVersion(report.digest),
        check_results=[_checked(name, passed) for name, passed in checks.items()],
    )


def materialized_each(
    reports: Sequence[StageReport], hindered: Mapping[str, str], *, checks: Mapping[str, bool] | None = None,
    previews: Mapping[str, bytes] | None = None, files: Mapping[str, Path] | None = None,
) -> dg.MaterializeResult:  # fmt: skip
    """The result of a stage that was built for several cities; `previews` and `files` are by city.

    hindered: why a city could not be done, by city.
    """
    told = {f"{report.city}: {name}": value for report in reports for name, value in _told(report).items()}
    pictures = {f"{city}: preview": _picture(png) for city, png in (previews or {}).items()}
    paths = {f"{city}: report": dg.MetadataValue.path(path) for city, path in (files or {}).items()}
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(reports), **paths, **told, **pictures},
        data_version=dg.DataVersion(json_digest({report.city: report.digest for report in reports})),
        check_results=[
            _checked(EVERY_CITY, not hindered, hindered),
            *(_checked(name, passed) for name, passed in (checks or {}).items()),
        ],
    )


def _checked(name: str, passed: bool, told: Mapping[str, str] | None = None) -> dg.AssetCheckResult:
    texts = {key: dg.MetadataValue.text(value) for key, value in (told or {}).items()}
    return dg.AssetCheckResult(check_name=name, passed=bool(passed), metadata=texts)


def _told(report: StageReport) -> dict[str, Any]:
    """Counts and figures as numbers, losses as a table, facts and remarks as plain text."""
    told: dict[str, Any] = {"reused": report.is_reused}
    told |= {name: count for name, count in report.counts.items() if not name.startswith(LOST)}
    told |= {name: _fact(fact) for name, fact in report.record.about.items() if fact}
    lost = {name: count for name, count in report.counts.items() if name.startswith(LOST)}
    if lost:
        told["lost"] = _lost_table(lost)
    if report.record.notes:
        told["notes"] = dg.MetadataValue.text("\n".join(report.record.notes))
    return told


def _fact(fact: str) -> dg.MetadataValue:
    """Figures as numbers, so that Dagster draws them over time; all else as text."""
    return dg.MetadataValue.float(float(fact)) if FIGURE.fullmatch(fact) else dg.MetadataValue.text(fact)


def _lost_table(lost: Mapping[str, int]) -> dg.TableMetadataValue:
    """One row per outcome and reason, the names as the ledger has them: `dropped/not_english` -> 12."""
    columns = [dg.TableColumn("outcome"), dg.TableColumn("reason"), dg.TableColumn("posts", "int")]
    rows = [
        dg.TableRecord(dict(zip(("outcome", "reason", "posts"), (*name.split("/", 1), count), strict=True)))
        for name, count in lost.items()
    ]
    return dg.MetadataValue.table(rows, dg.TableSchema(columns))


def _picture(png: bytes) -> dg.MetadataValue:
    """A picture inside the event; one that would weigh down the event log is left out, and that is said."""
    if len(png) > MAX_PREVIEW_BYTES:
        return dg.MetadataValue.text(f"left out: {len(png):,} bytes are too many for Dagster's event log")
    return dg.MetadataValue.md(f"![](data:image/png;base64,{b64encode(png).decode()})")

"""Results: what Dagster is handed when a stage was built, with the checks of its asset."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg

from assets.failures import UserError
from assets.metadata import picture, report_metadata
from pipeline.stage import INCOMPLETE, StageReport
from pipeline.store.digests import json_digest

EVERY_CITY = "every_city"
Results = Iterator[dg.MaterializeResult]


def blocking_checks(asset: str, **descriptions: str) -> list[dg.AssetCheckSpec]:
    """Checks in the asset's own step that keep what follows from running when they fail: name -> what they ask."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=description, blocking=True)
        for name, description in descriptions.items()
    ]


def warning_checks(asset: str, **descriptions: str) -> list[dg.AssetCheckSpec]:
    """Checks in the asset's own step that only warn: what follows runs with what there is."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=description) for name, description in descriptions.items()
    ]


def every_city_check(asset: str) -> dg.AssetCheckSpec:
    """Fails when a city could not be done. It blocks nothing: the cities that could be go on."""
    return dg.AssetCheckSpec(EVERY_CITY, asset=asset, description="It could be done for every city that was ready.")


def every_picture_has_an_outcome(report: StageReport) -> bool:
    """Whether the pictures by outcome sum up to all pictures."""
    by_outcome = (count for name, count in report.counts.items() if name.startswith("pictures/"))
    return sum(by_outcome) == report.counts["pictures"]


def materialized(
    report: StageReport,
    *,
    num_rows: int,
    checks: Mapping[str, bool],
    warnings: Mapping[str, bool] | None = None,
    preview: bytes | None = None,
) -> Results:
    """The result of a stage that was built for one city; `warnings` are checks that hold nothing up.

    Raises:
        UserError: afterwards, a check failed; Dagster's own words for that name the check and no more.
    """
    pictures = {"preview": picture(preview)} if preview is not None else {}
    yield dg.MaterializeResult(
        metadata={"dagster/row_count": num_rows, **report_metadata(report), **pictures},
        data_version=dg.DataVersion(report.digest),
        check_results=[
            *(_checked(name, passed) for name, passed in checks.items()),
            *(_warned(name, passed, report) for name, passed in (warnings or {}).items()),
        ],
    )
    failed = [name for name, passed in checks.items() if not passed]
    if failed:
        sentence = f"{report.stage} of {report.city} failed its check {', '.join(failed)}"
        raise UserError("; ".join([sentence, *report.record.notes]))


def materialized_each(
    reports: Sequence[StageReport],
    hindered: Mapping[str, str],
    *,
    checks: Mapping[str, bool] | None = None,
    previews: Mapping[str, bytes] | None = None,
    files: Mapping[str, Path] | None = None,
) -> dg.MaterializeResult:
    """The result of a stage that was built for several cities; `previews` and `files` are by city.

    hindered: why a city could not be done, by city.
    """
    facts = {f"{report.city}: {name}": value for report in reports for name, value in report_metadata(report).items()}
    pictures = {f"{city}: preview": picture(png) for city, png in (previews or {}).items()}
    paths = {f"{city}: report": dg.MetadataValue.path(path) for city, path in (files or {}).items()}
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(reports), **paths, **facts, **pictures},
        data_version=dg.DataVersion(json_digest({report.city: report.digest for report in reports})),
        check_results=[
            _checked(EVERY_CITY, not hindered, hindered),
            *(_checked(name, passed) for name, passed in (checks or {}).items()),
        ],
    )


def _checked(name: str, passed: bool, why: Mapping[str, str] | None = None) -> dg.AssetCheckResult:
    texts = {key: dg.MetadataValue.text(value) for key, value in (why or {}).items()}
    return dg.AssetCheckResult(check_name=name, passed=bool(passed), metadata=texts)


def _warned(name: str, passed: bool, report: StageReport) -> dg.AssetCheckResult:
    notes = "\n".join(report.record.notes)
    return dg.AssetCheckResult(
        check_name=name,
        passed=bool(passed),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"notes": dg.MetadataValue.text(notes)} if notes else {},
    )


def is_whole(report: StageReport) -> bool:
    """Whether nothing of a live source waits for another run."""
    return not any(note.startswith(INCOMPLETE) for note in report.record.notes)

"""Results: what Dagster is handed when a stage was built, with the checks of its asset."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.checks import EVERY_CITY
from assets.failures import UserError
from assets.metadata import picture, report_metadata
from pipeline.stage import StageReport
from pipeline.store.digests import json_digest

DATA_VERSION_TAG = "dagster/data_version"
Results = Iterator[dg.MaterializeResult]


def materialized(
    report: StageReport,
    *,
    num_rows: int,
    where: Mapping[str, Any],
    checks: Mapping[str, bool],
    warnings: Mapping[str, bool] | None = None,
    preview: bytes | None = None,
) -> Results:
    """The result of a stage that was built for one city.

    where: metadata of the place where it lies.
    warnings: checks that hold nothing up.

    Raises:
        UserError: afterwards, a check failed; Dagster's own words for that name the check and no more.
    """
    pictures = {"preview": picture(preview)} if preview is not None else {}
    yield dg.MaterializeResult(
        metadata={"dagster/row_count": num_rows, **where, **report_metadata(report), **pictures},
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
    context: dg.AssetExecutionContext,
    reports: Sequence[StageReport],
    hindered: Mapping[str, str],
    *,
    shown: Mapping[str, Mapping[str, Any]],
    checks: Mapping[str, bool] | None = None,
) -> dg.MaterializeResult:
    """The result of a stage that was built for the city of the run, or for several in a run without a partition.

    hindered: why a city could not be done, by city.
    shown: metadata beside what the report tells, by city.
    """
    metadata = {report.city: {**shown[report.city], **report_metadata(report)} for report in reports}
    check_results = [
        _checked(EVERY_CITY, not hindered, hindered),
        *(_checked(name, passed) for name, passed in (checks or {}).items()),
    ]
    if context.has_partition_key:
        (report,) = reports
        version = dg.DataVersion(report.digest)
        return dg.MaterializeResult(metadata=metadata[report.city], data_version=version, check_results=check_results)
    for report in reports:  # each city's page shows it as if it had been built alone
        tags = {DATA_VERSION_TAG: report.digest}
        context.log_event(
            dg.AssetMaterialization(
                context.asset_key, metadata=metadata[report.city], partition=report.city, tags=tags
            )
        )
    return dg.MaterializeResult(
        metadata={city: facts["path"] for city, facts in metadata.items() if "path" in facts},
        data_version=dg.DataVersion(json_digest({report.city: report.digest for report in reports})),
        check_results=check_results,
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

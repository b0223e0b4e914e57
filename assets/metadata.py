"""Metadata: what a stage reports, as Dagster shows it: where it lies, counts, a table of dropped posts, facts, notes
and a picture.

Law: no text of a user comes in here, only counts and our own words; names of POIs are shown as plain text, never as
Markdown. A picture is of POIs, classes, curves, or of pictures without people.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline.records import TABLES
from pipeline.stage import StageReport
from pipeline.store import Store

MAX_PREVIEW_BYTES = 200_000
LOST = ("dropped/", "deferred/")
EPOCH_FIGURES = ("train_loss", "validation_loss", "validation_accuracy", "learning_rate", "seconds")
FIGURE = re.compile(r"[+-]?\d+\.\d+")


def report_metadata(report: StageReport) -> dict[str, Any]:
    """Counts and figures as numbers, losses as a table, facts and remarks as plain text."""
    shown: dict[str, Any] = {"reused": report.is_reused}
    shown |= {name: count for name, count in report.counts.items() if not name.startswith(LOST)}
    shown |= {name: _fact(fact) for name, fact in report.record.about.items() if fact}
    lost = {name: count for name, count in report.counts.items() if name.startswith(LOST)}
    if lost:
        shown["lost"] = _lost_table(lost)
    if report.record.notes:
        shown["notes"] = dg.MetadataValue.text("\n".join(report.record.notes))
    return shown


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


def where(path: Path, columns: Iterable[Any] = ()) -> dict[str, Any]:
    """Where the file or folder lies, and the columns of its rows (fields of an Arrow schema)."""
    shown = {"path": dg.MetadataValue.path(path.absolute()), "dagster/uri": path.absolute().as_uri()}
    kinds = [
        dg.TableColumn(c.name, str(c.type), constraints=dg.TableColumnConstraints(nullable=c.nullable))
        for c in columns
    ]
    return shown | ({"dagster/column_schema": dg.TableSchema(kinds)} if kinds else {})


def where_table(store: Store, city: str, name: str) -> dict[str, Any]:
    """Where a table of a city lies, and its columns."""
    return where(store.tables.path(city, name), TABLES[name].schema)


def markdown(page: str) -> dg.MetadataValue:
    """A page to be opened in Dagster; one that would weigh down the event log is left out, and that is said."""
    if len(page.encode()) > MAX_PREVIEW_BYTES:
        return _too_large(len(page.encode()))
    return dg.MetadataValue.md(page)


def epochs_shown(context: dg.AssetExecutionContext) -> Callable[[str, Any], None]:
    """Reports every finished epoch to Dagster at once, as an observation of the asset: its plots grow with the run."""

    def show(city: str, epoch: Any) -> None:
        figures = {f"{city}: {name}": float(getattr(epoch, name)) for name in EPOCH_FIGURES}
        shown = {f"{city}: epoch": epoch.epoch, **figures}
        context.log_event(dg.AssetObservation(context.asset_key, metadata=shown, partition=city))

    return show


def picture(png: bytes) -> dg.MetadataValue:
    """A picture inside the event; one that would weigh down the event log is left out, and that is said."""
    if len(png) > MAX_PREVIEW_BYTES:
        return _too_large(len(png))
    return dg.MetadataValue.md(f"![](data:image/png;base64,{b64encode(png).decode()})")


def _too_large(num_bytes: int) -> dg.MetadataValue:
    return dg.MetadataValue.text(f"left out: {num_bytes:,} bytes are too many for Dagster's event log")

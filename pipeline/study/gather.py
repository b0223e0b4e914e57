"""From cells to rows: what was computed becomes figures, what was not becomes a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.study.cells import CellResult
from pipeline.study.content import RowFigures, StudyRow, StudySection
from pipeline.study.planned import PlannedRow, PlannedSection
from pipeline.study.scoring import predictions_on, row_figures

STAND_IN = "fixed_seed"
"""In the names of features that a network drawn from a seed made."""


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What is known of each cell by its identity: its result, or why there is none."""

    results: Mapping[str, CellResult]
    reasons: Mapping[str, str]
    num_resamples: int
    city: str = ""


def section_of(planned: PlannedSection, computed: Computed, notes: Sequence[str] = ()) -> StudySection:
    """The rows of a section, each against the one it names."""
    frames = {row.title: _frames(row, computed) for row in planned.rows}
    not_yet = f"not computed yet: `mrlf study {computed.city} --only {planned.key}`"
    rows = [_row(row, frames[row.title], frames.get(row.against), computed, not_yet) for row in planned.rows]
    return StudySection(
        key=planned.key,
        title=planned.title,
        question=planned.question,
        told=planned.told,
        rows=rows,
        notes=list(notes),
    )


def _frames(row: PlannedRow, computed: Computed) -> list[pd.DataFrame] | None:
    """The predictions of every seed; None where one of them is missing or has no test post of the kind asked for."""
    results = [computed.results.get(cell.identity) for cell in row.cells]
    frames = [predictions_on(result, row.test_on) for result in results if result is not None]
    return frames if len(frames) == len(results) and all(map(len, frames)) else None


def _row(
    row: PlannedRow,
    frames: list[pd.DataFrame] | None,
    others: list[pd.DataFrame] | None,
    computed: Computed,
    not_yet: str,
) -> StudyRow:
    figures: RowFigures | None = None
    if frames is not None:
        results = [computed.results[cell.identity] for cell in row.cells]
        figures = row_figures(results, frames, others if row.against else None, computed.num_resamples)
    return StudyRow(
        title=row.title,
        against=row.against,
        figures=figures,
        reason="" if figures else _reason(row, computed) or not_yet,
        is_stand_in=figures is not None and STAND_IN in figures.features and _reads_pictures(row),
        paper=row.paper,
    )


def _reason(row: PlannedRow, computed: Computed) -> str:
    """Why a row has no figures: the first reason of its cells; "" where they were not asked for."""
    if all(cell.identity in computed.results for cell in row.cells):
        return f"no test post is {row.test_on}"
    return next((reason for cell in row.cells if (reason := computed.reasons.get(cell.identity))), "")


def _reads_pictures(row: PlannedRow) -> bool:
    from models.candidates import CANDIDATES

    cell = row.cells[0]
    return "image" in cell.settings.get("modalities", CANDIDATES[cell.candidate].modalities)

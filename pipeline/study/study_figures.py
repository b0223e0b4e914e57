"""The figures of a study: rows as points with their intervals, accuracy at the left and Mean at the right."""

from collections.abc import Sequence
from typing import Any

from pipeline.report.content import Estimate
from pipeline.report.figures import ACCENT, INK, MID, drawable, halo, new_figure, png_bytes, style
from pipeline.study.content import StudyRow, StudySection

DPI = 170
MAX_TITLE = 62


def section_figure(section: StudySection) -> bytes | None:
    """The rows that have figures; None where none has. Rows that others are compared with are drawn filled."""
    rows = [row for row in section.rows if row.figures is not None]
    if not rows:
        return None
    compared = {row.against for row in section.rows}
    with style():
        figure = new_figure(9.4, 0.9 + 0.3 * len(rows))
        left, right = figure.subplots(1, 2, sharey=True)
        accuracies = [row.figures.accuracy for row in rows if row.figures]
        _points(left, [_scaled(each, 100) for each in accuracies], [row.title in compared for row in rows])
        _points(right, [row.figures.mean_km for row in rows if row.figures], [row.title in compared for row in rows])
        left.set_yticks(range(len(rows)), [_label(row) for row in rows])
        left.invert_yaxis()
        left.set(xlabel="right place first, % of test posts", xlim=(0, 101))
        right.set(xlabel="Mean error, km", xlim=(0, None))
        for axes in (left, right):
            axes.grid(axis="x", color=MID, lw=0.4, ls=":")
            axes.tick_params(axis="y", length=0)
        return png_bytes(figure, DPI)


def _points(axes: Any, estimates: Sequence[Estimate], is_filled: Sequence[bool]) -> None:
    for row, (estimate, filled) in enumerate(zip(estimates, is_filled, strict=True)):
        low, high = max(0.0, estimate.value - estimate.low), max(0.0, estimate.high - estimate.value)
        axes.errorbar(
            estimate.value,
            row,
            xerr=[[low], [high]],
            fmt="D" if filled else "o",
            ms=6 if filled else 5,
            color=ACCENT if filled else INK,
            mfc=ACCENT if filled else "white",
            capsize=3,
            lw=1.3,
            path_effects=halo(),
        )


def _scaled(estimate: Estimate, by: float) -> Estimate:
    return Estimate(value=by * estimate.value, low=by * estimate.low, high=by * estimate.high)


def _label(row: StudyRow) -> str:
    return drawable(f"{row.title}{' [stand-in]' if row.is_stand_in else ''}", MAX_TITLE)

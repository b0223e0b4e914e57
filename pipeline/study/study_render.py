"""A study as files: one HTML page that loads nothing, the same as Markdown with its figures beside it, plain
text for a terminal, and JSON.

A figure shows the rows of a section as points with their intervals, accuracy at the left and Mean at the right.
Law: every value that enters a page is escaped for the language it enters, by the environment of `pipeline.report`.
"""

import base64
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from pipeline.report.content import Estimate
from pipeline.report.figures import ACCENT, INK, MID, drawable, halo, new_figure, png_bytes, style
from pipeline.report.render import environment
from pipeline.study.content import Study, StudyRow, StudySection, section_json
from pipeline.study.words import difference, paper_figures, seed_accuracies, study_lines

JSON_FORMAT = 1
PAGE_NAME, TEXT_NAME, JSON_NAME = "study.html", "study.txt", "study.json"
DPI = 170
MAX_TITLE = 62


def render(study: Study) -> dict[str, bytes]:
    """Name -> bytes of every file of the study, `study.json` last."""
    figures = {section.key: data for section in study.sections if (data := section_figure(section)) is not None}
    shared = {"study": study, "paper": paper_figures, "seeds": seed_accuracies, "alts": _alts(study.sections)}
    page = (
        environment(is_html=True)
        .get_template("study.html.j2")
        .render(**shared, pictures={key: base64.b64encode(data).decode() for key, data in figures.items()})
    )
    text = (
        environment(is_html=False)
        .get_template("study.md.j2")
        .render(**shared, names={key: f"study-{key}.png" for key in figures})
    )
    content = {"format": JSON_FORMAT, **dataclasses.asdict(study)}
    content["sections"] = [section_json(section) for section in content["sections"]]
    files = {f"study-{key}.png": data for key, data in figures.items()}
    files |= {"study.md": text.encode(), PAGE_NAME: page.encode(), TEXT_NAME: _text(study)}
    return files | {JSON_NAME: (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()}


def _text(study: Study) -> bytes:
    return ("\n".join(study_lines(study)) + "\n").encode()


def _alts(sections: list[StudySection]) -> dict[str, str]:
    """Each figure in words."""
    return {
        section.key: f"{section.title}: accuracy and Mean of each row with intervals. "
        + "; ".join(filter(None, map(difference, section.rows)))
        for section in sections
    }


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

"""The figures beyond accuracy: inputs, categories, distances, calibration, leakage, drift; PNG bytes out.

Law: no figure asks for colour: bars differ by hatch, lines by dashes and marks.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.report.content import (
    Calibration,
    CategoryMistakes,
    ConfidenceGroup,
    Distances,
    Drift,
    Estimate,
    Leakage,
    ModalityUse,
)
from pipeline.report.elsewhere_content import Elsewhere
from pipeline.report.figures import (
    ACCENT,
    INK,
    MAX_COUNTS_IN_MATRIX,
    MID,
    PALE,
    REPORT_DPI,
    drawable,
    halo,
    message,
    new_figure,
    png_bytes,
    shades,
    style,
    write_counts,
)

LINES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT, "ls": "-", "lw": 2.2},
    {"color": INK, "ls": "--", "lw": 1.4},
    {"color": MID, "ls": ":", "lw": 1.8},
)
WIDTH_IN, HALF_WIDTH_IN = 5.2, 4.6
MOST_NAMED_SPANS = 6
KM_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def modality_bars(use: ModalityUse) -> bytes:
    """Accuracy with all inputs, without each kind, with each alone and with none, with intervals."""
    rows: list[tuple[str, Estimate, str, str]] = [("all inputs", use.everything, ACCENT, "")]
    rows += [(f"{each.title} hidden", each.without, PALE, "///") for each in use.modalities]
    rows += [(f"{each.title} alone", each.alone, "white", "...") for each in use.modalities]
    rows.append(("no input", use.blind, "white", ""))
    with style():
        figure = new_figure(WIDTH_IN, 0.7 + 0.36 * len(rows))
        axes = figure.subplots()
        for row, (_, estimate, face, hatch) in enumerate(rows):
            _bar(axes, row, estimate, face, hatch)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.get_yticklabels()[0].set_fontweight("bold")
        _percent_axis(axes)
        return png_bytes(figure, REPORT_DPI)


def leakage_bars(leakage: Leakage) -> bytes:
    """Accuracy on the original posts and with label words removed, of MRLF and every model that this changes."""
    ours, *others = leakage.models
    rows = [ours, *(model for model in others if model.accuracy != model.masked)]
    with style():
        figure = new_figure(WIDTH_IN, 1.1 + 0.52 * len(rows))
        axes = figure.subplots()
        for row, model in enumerate(rows):
            labels = ("original posts", "label words removed") if row == 0 else ("", "")
            _bar(axes, row - 0.19, model.accuracy, ACCENT, "", height=0.34, label=labels[0])
            _bar(axes, row + 0.19, model.masked, "white", "///", height=0.34, label=labels[1])
        axes.set_yticks(range(len(rows)), [model.title for model in rows])
        axes.get_yticklabels()[0].set_fontweight("bold")
        _percent_axis(axes)
        figure.legend(loc="outside upper right", frameon=False, ncols=2)
        return png_bytes(figure, REPORT_DPI)


def category_matrix(mistakes: CategoryMistakes) -> bytes:
    """Rows are the true categories, columns the predicted ones, with counts; darker is a larger share of the row."""
    count = len(mistakes.names)
    shares = [[cell / max(1, sum(row)) for cell in row] for row in mistakes.confusion]
    names = [
        drawable(name, 34) or f"category {row + 1}" if name else "not known" for row, name in enumerate(mistakes.names)
    ]
    with style():
        figure = new_figure(min(9.0, max(HALF_WIDTH_IN, 2.8 + 0.42 * count)), 0.9 + 0.46 * max(3, count))
        axes = figure.subplots()
        axes.imshow(shares, cmap=shades(), vmin=0, vmax=1, aspect="auto")
        if count <= MAX_COUNTS_IN_MATRIX:
            write_counts(axes, mistakes.confusion, shares, size=10)
        axes.set_yticks(range(count), [f"{name}  {row}" for row, name in enumerate(names, start=1)])
        axes.set_xticks(range(count), [str(row) for row in range(1, count + 1)])
        axes.set(xlabel="predicted category", ylabel="true category")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(True)
        return png_bytes(figure, REPORT_DPI)


def distance_curves(distances: Distances) -> bytes:
    """Share of the posts predicted within a distance; the height at the left is the accuracy."""
    with style():
        figure = new_figure(HALF_WIDTH_IN, 3.3)
        axes = figure.subplots()
        for curve, line in zip(distances.curves, LINES, strict=False):
            shares = [100 * share for share in curve.shares]
            axes.step(distances.limits_km, shares, where="post", label=curve.title, **line)
        axes.set_xscale("log")
        ticks = [km for km in KM_TICKS if distances.limits_km[0] <= km <= distances.limits_km[-1]]
        axes.set_xticks(ticks, [f"{km:g}" for km in ticks])
        axes.minorticks_off()
        axes.set(
            xlim=(distances.limits_km[0], distances.limits_km[-1]),
            ylim=(0, 103),
            xlabel="within this distance of the true place, km",
            ylabel="% of the test posts",
        )
        axes.grid(axis="y", color=PALE, lw=0.6)
        figure.legend(frameon=False, loc="outside upper left", handlelength=3)
        return png_bytes(figure, REPORT_DPI)


def reliability_diagram(calibration: Calibration) -> bytes:
    """Accuracy against confidence, before and after the temperature."""
    with style():
        figure = new_figure(HALF_WIDTH_IN, 4.2)
        axes = figure.subplots()
        axes.plot([0, 100], [0, 100], color=MID, lw=1, ls=":", label="perfect calibration")
        axes.plot(
            *_line(calibration.before),
            color=INK,
            ls="--",
            lw=1.2,
            marker="s",
            mfc="white",
            ms=6,
            label="uncalibrated",
            clip_on=False,
        )
        axes.plot(
            *_line(calibration.after),
            color=ACCENT,
            lw=2,
            marker="o",
            ms=5,
            clip_on=False,
            label=f"temperature {calibration.temperature:.2f}",
        )
        axes.set(xlabel="confidence, %", ylabel="accuracy, %", xlim=(0, 100), ylim=(0, 100))
        figure.legend(frameon=False, loc="outside upper left")
        return png_bytes(figure, REPORT_DPI)


def coverage_curve(elsewhere: Elsewhere) -> bytes:
    """Accuracy on the posts that the model is surest of, from all of them down to a tenth."""
    with style():
        figure = new_figure(HALF_WIDTH_IN, 3.3)
        axes = figure.subplots()
        shares = [100 * each.share for each in elsewhere.coverage]
        found = [each.accuracy for each in elsewhere.coverage]
        below = [100 * (each.value - each.low) for each in found]
        above = [100 * (each.high - each.value) for each in found]
        values = [100 * each.value for each in found]
        axes.errorbar(shares, values, yerr=[below, above], fmt="-o", color=ACCENT, ecolor=MID, capsize=3, lw=1.6, ms=5)
        axes.axvline(100 * (1 - elsewhere.refused.value), color=INK, lw=1, ls=":")
        axes.set(xlim=(104, 6), ylim=(0, 105), xlabel="% of the test posts answered, the surest", ylabel="accuracy, %")
        axes.set_xticks(range(100, 0, -20))
        axes.grid(axis="y", color=PALE, lw=0.6)
        return png_bytes(figure, REPORT_DPI)


def drift_chart(drift: Drift) -> bytes:
    """Accuracy by span of time with its interval, and the posts in it; a span with too few posts is hollow."""
    if not drift.bins:
        return message("no post has a date")
    with style():
        figure = new_figure(WIDTH_IN, 3.5)
        chart, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        for at, each in enumerate(drift.bins):
            _time_point(chart, at, each.num_right / each.num_posts, each.accuracy)
            if each.accuracy is None and len(drift.bins) <= MOST_NAMED_SPANS:
                _write_too_few(chart, at, each.num_right / each.num_posts)
        known = [(at, 100 * each.accuracy.value) for at, each in enumerate(drift.bins) if each.accuracy is not None]
        chart.plot([at for at, _ in known], [value for _, value in known], color=MID, lw=1, zorder=1)
        chart.set(ylabel="accuracy, %", ylim=(0, 105), xlim=(-0.6, len(drift.bins) - 0.4))
        counts.bar(range(len(drift.bins)), [each.num_posts for each in drift.bins], 0.6, color=PALE, edgecolor=MID)
        counts.set(ylabel="test posts")
        shown = range(0, len(drift.bins), -(-len(drift.bins) // MOST_NAMED_SPANS))
        counts.set_xticks(list(shown), [drift.bins[at].name for at in shown])
        counts.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        return png_bytes(figure, REPORT_DPI)


def _bar(
    axes: Any, row: float, estimate: Estimate, face: str, hatch: str, height: float = 0.62, label: str = ""
) -> None:
    edge = ACCENT if face == ACCENT else MID
    axes.barh(row, 100 * estimate.value, height, color=face, edgecolor=edge, hatch=hatch, label=label)
    low, high = 100 * (estimate.value - estimate.low), 100 * (estimate.high - estimate.value)
    axes.errorbar(
        100 * estimate.value,
        row,
        xerr=[[max(0.0, low)], [max(0.0, high)]],
        color=INK,
        capsize=3,
        lw=1.2,
        path_effects=halo(),
    )
    axes.text(100 * estimate.high + 1.5, row, f"{100 * estimate.value:.1f}", va="center", fontsize=9)


def _percent_axis(axes: Any) -> None:
    axes.set(xlim=(0, 108), xlabel="accuracy, % (line: 95 % interval)")
    axes.set_xticks(range(0, 101, 20))
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _line(groups: Sequence[ConfidenceGroup]) -> tuple[list[float], list[float]]:
    return [100 * each.confidence for each in groups], [100 * each.accuracy for each in groups]


def _time_point(axes: Any, at: int, share: float, accuracy: Estimate | None) -> None:
    if accuracy is None:
        axes.plot(at, 100 * share, "o", mfc="white", mec=MID, ms=6)
        return
    spread = [[100 * (accuracy.value - accuracy.low)], [100 * (accuracy.high - accuracy.value)]]
    axes.errorbar(at, 100 * accuracy.value, yerr=spread, fmt="o", color=ACCENT, capsize=4, ms=6)


def _write_too_few(axes: Any, at: int, share: float) -> None:
    is_high = share > 0.85  # above it would be beyond the axes
    place = {"xytext": (0, -9 if is_high else 9), "va": "top" if is_high else "bottom"}
    axes.annotate("too few", (at, 100 * share), textcoords="offset points", ha="center", color=MID, **place)

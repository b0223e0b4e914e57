"""The figures beyond accuracy: PNGs whatever the numbers are, legible without colour."""

from itertools import pairwise

import pytest
from PIL import Image, ImageColor

from pipeline.report import measure_figures
from pipeline.report.content import (
    Calibration,
    CategoryMistakes,
    ConfidenceGroup,
    DistanceCurve,
    Distances,
    Drift,
    Estimate,
    Leakage,
    MaskedModel,
    Modality,
    ModalityUse,
    TimeBin,
)
from pipeline.report.figures import ACCENT, INK, MAX_COUNTS_IN_MATRIX, MID, PALE, png_bytes
from pipeline.report.measure_figures import (
    LINES,
    category_matrix,
    distance_curves,
    drift_chart,
    leakage_bars,
    modality_bars,
    reliability_diagram,
)
from tests.pipeline.report.test_figures import size_of

FLAT, WIDE = Estimate(value=0.0, low=0.0, high=0.0), Estimate(value=0.5, low=0.0, high=1.0)
ESTIMATES = (FLAT, WIDE, Estimate(value=1.0, low=1.0, high=1.0))


def test_bars_of_modalities_and_leakage():
    modalities = [
        Modality(name="text", title="captions", without=each, fall=each, alone=each, share=each) for each in ESTIMATES
    ]
    assert min(size_of(modality_bars(ModalityUse(modalities=modalities, everything=WIDE, blind=FLAT)))) > 100
    models = [
        MaskedModel(name=str(row), title="x $ " * row, accuracy=each, masked=WIDE, fall=FLAT)
        for row, each in enumerate(ESTIMATES)
    ]
    leakage = Leakage(num_own=0, num_any=0, accuracy_own=None, accuracy_other=None, models=models)
    assert min(size_of(leakage_bars(leakage))) > 100


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4, MAX_COUNTS_IN_MATRIX + 1])
def test_categories(count):
    mistakes = CategoryMistakes(
        names=[f"香港 $x$ <b> {row}" for row in range(count)],
        confusion=[[row] * count for row in range(count)],
        num_wrong=0,
        share_within=None,
        by_chance=None,
    )
    assert min(size_of(category_matrix(mistakes))) > 100


@pytest.mark.parametrize("num_curves", [1, 3])
def test_distances(num_curves):
    limits = [0.1, 0.5, 1.0, 5.0, 10.0]
    curves = [DistanceCurve(name="x", title="a model", shares=[1.0] * 5) for _ in range(num_curves)]
    assert min(size_of(distance_curves(Distances(limits_km=limits, curves=curves, median_wrong_km=None)))) > 100
    assert len(LINES) >= 3


@pytest.mark.parametrize("count", [1, 15])
def test_reliability(count):
    groups = [ConfidenceGroup(num_posts=3, confidence=row / count, accuracy=0.5) for row in range(count)]
    calibration = Calibration(
        temperature=20.0,
        mean_confidence=0.5,
        accuracy=0.5,
        error_before=0.1,
        error_after=0.0,
        honest_error=0.1,
        before=groups,
        after=groups,
    )
    assert min(size_of(reliability_diagram(calibration))) > 100


@pytest.mark.fault("T20")
@pytest.mark.parametrize("count", [0, 1, 13, 30])
def test_drift(count, monkeypatch):
    bins = [
        TimeBin(name=f"2024-{row}", num_posts=9, num_right=3, accuracy=WIDE if row % 2 else None)
        for row in range(count)
    ]
    drift = Drift(unit="month", first_day="2024-01-01", last_day="2024-09-09", min_posts=20, bins=bins, change=None)
    drawn = []
    monkeypatch.setattr(
        measure_figures, "png_bytes", lambda figure, dpi: drawn.append(figure) or png_bytes(figure, dpi)
    )
    assert min(size_of(drift_chart(drift))) > 100
    for figure in drawn:
        figure.draw_without_rendering()
        spans, counts = figure.axes
        names = [text.get_window_extent() for text in counts.get_xticklabels()]
        remarks = [text.get_window_extent() for text in spans.texts]
        assert all(one.x1 < other.x0 for row in (names, remarks) for one, other in pairwise(row)), (
            "none covers another"
        )


def test_lines_differ_in_dashes_and_fills_in_lightness_so_no_colour_is_needed():
    assert len({line["ls"] for line in LINES}) == len(LINES)
    grey = [
        Image.new("RGB", (1, 1), ImageColor.getrgb(shade)).convert("L").getpixel((0, 0))
        for shade in (ACCENT, PALE, "white")
    ]
    assert grey == sorted(grey)
    assert grey[1] - grey[0] > 100
    assert {INK, MID} & {ACCENT, PALE} == set()

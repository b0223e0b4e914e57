"""What a study holds, as plain records: page, Markdown, JSON and terminal are four ways to write the same ones.

Shares lie in 0..1, distances are kilometres.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report.content import Estimate, Fact
from pipeline.study.papers import PaperFigure


@dataclass(frozen=True, kw_only=True)
class RowFigures:
    """The figures of a row: means over its seeds.

    accuracies: of each seed, in order. gain, gain_km: this row minus the one it is compared with, post by post; None
    where it is compared with none. num_common: test posts of all seeds that both have. p, p_holm: the p-value of no
    gain, and that corrected for the number of comparisons of its section; None where there is none.
    """

    accuracy: Estimate
    accuracies: list[float]
    top5: float
    macro_f1: float
    mean_km: Estimate
    median_km: float
    within_500_m: float
    within_1_km: float
    within_5_km: float
    calibration_error: float | None
    gain: Estimate | None
    gain_km: Estimate | None
    p: float | None = None
    p_holm: float | None = None
    num_common: int
    num_train: int
    num_test: int
    num_users: int
    num_parameters: int | None
    features: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """One row: its figures, or why it has none. against: the row it is compared with, "" for none."""

    title: str
    against: str
    figures: RowFigures | None
    reason: str
    is_stand_in: bool
    """whether its picture features are by a network that nobody trained"""
    paper: tuple[PaperFigure, ...]


@dataclass(frozen=True, kw_only=True)
class StudySection:
    """One table with its figure. stated: what the paper says of it in words; notes: what to know of these rows."""

    key: str
    title: str
    question: str
    stated: str
    rows: list[StudyRow]
    notes: list[str]


def section_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a section as study.json and the digest of a plan hold them: `stated` is `told` there."""
    return {"told" if name == "stated" else name: value for name, value in fields.items()}


@dataclass(frozen=True, kw_only=True)
class Study:
    """All of it."""

    city: str
    city_name: str
    is_synthetic: bool
    num_seeds: int
    num_resamples: int
    num_posts: int
    num_users: int
    num_classes: int
    findings: list[str]
    notes: list[str]
    sections: list[StudySection]
    versions: list[Fact]
    split: str = "user"
    """how the release is split, and with it all rows that do not say otherwise; user or time"""
    unit: str = "user"
    """what intervals draw: user, month or day"""

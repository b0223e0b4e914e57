"""From cells to rows: figures of the stored predictions, their intervals, and why a row has none.

A row was trained once for each seed, each time on another split, so a user's posts can be test posts of several seeds.
A resample draws users with replacement and takes all their test posts of all seeds; each seed's mean is taken, then
the mean over seeds. The interval covers who happened to post, not only which posts.
Law: differences are taken post by post, on the posts that both rows have in the test of the same seed.
Shape letters: S seeds, G users, R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.report.content import Estimate
from pipeline.study.cells import CellResult
from pipeline.study.content import RowFigures, StudyRow, StudySection
from pipeline.study.plan import PlannedRow, PlannedSection, TestOn

Floats = np.ndarray[Any, np.dtype[np.float64]]
MAX_CELLS = 10_000_000
LEVEL = 0.95
STAND_IN = "fixed_seed"
"""In the names of features that a network drawn from a seed made."""


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What is known of each cell by its identity: its result, or why there is none."""

    results: Mapping[str, CellResult]
    reasons: Mapping[str, str]
    num_resamples: int
    city: str = ""


@dataclass(frozen=True, kw_only=True)
class SeedValues:
    """One number per test post of one seed, and whose post each is."""

    values: Floats
    users: Sequence[str]


def section_of(planned: PlannedSection, computed: Computed, notes: Sequence[str] = ()) -> StudySection:
    """The rows of a section, each against the one it names."""
    frames = {row.title: _frames(row, computed) for row in planned.rows}
    not_yet = f"not computed yet: `mrlf study {computed.city} --only {planned.key}`"
    rows = [_row(row, frames[row.title], frames.get(row.against), computed, not_yet) for row in planned.rows]
    rows = _corrected(rows)
    return StudySection(
        key=planned.key,
        title=planned.title,
        question=planned.question,
        stated=planned.stated,
        rows=rows,
        notes=list(notes),
    )


def _corrected(rows: list[StudyRow]) -> list[StudyRow]:
    """The rows with the p-values of a section corrected for the number of its comparisons."""
    from models.evaluation.comparisons import holm

    p_values = holm([row.figures.p if row.figures else None for row in rows])
    return [
        replace(row, figures=replace(row.figures, p_holm=p)) if row.figures else row
        for row, p in zip(rows, p_values, strict=True)
    ]


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


def predictions_on(result: CellResult, test_on: TestOn) -> pd.DataFrame:
    """The predictions of a cell on the part of its test posts that is asked for, by post_key."""
    table: pd.DataFrame = result.predictions.to_pandas().set_index("post_key")
    is_asked = table["is_complete"] == (test_on == "complete")
    return table if test_on == "all" else table.loc[is_asked]


def row_figures(
    results: Sequence[CellResult],
    frames: Sequence[pd.DataFrame],
    others: Sequence[pd.DataFrame] | None,
    num_resamples: int,
) -> RowFigures:
    """The figures of a row of which every seed has test posts; `others` are the frames it is compared with."""
    is_whole = all(len(frame) == result.predictions.num_rows for frame, result in zip(frames, results, strict=True))
    accuracies = [float((frame["rank"] == 1).mean()) for frame in frames]
    about = [result.about for result in results]
    gain, p, gain_km, num_common = _gains(frames, others, num_resamples)
    return RowFigures(
        accuracy=_estimate(frames, [frame["rank"] == 1 for frame in frames], num_resamples),
        accuracies=accuracies,
        top5=_mean(frames, lambda frame: (frame["rank"] <= 5).mean()),
        macro_f1=_mean(frames, _macro_f1),
        mean_km=_estimate(frames, [frame["error_km"] for frame in frames], num_resamples),
        median_km=_mean(frames, lambda frame: frame["error_km"].median()),
        within_500_m=_mean(frames, lambda frame: (frame["error_km"] <= 0.5).mean()),
        within_1_km=_mean(frames, lambda frame: (frame["error_km"] <= 1.0).mean()),
        within_5_km=_mean(frames, lambda frame: (frame["error_km"] <= 5.0).mean()),
        calibration_error=_mean_of(about, "scores", "calibration_error") if is_whole else None,
        gain=gain,
        p=p,
        gain_km=gain_km,
        num_common=num_common,
        num_train=about[0]["num_train"],
        num_test=len(frames[0]),
        num_users=int(frames[0]["user_key"].nunique()),
        num_parameters=about[0]["num_parameters"],
        features=about[0]["features"],
        seconds=float(np.mean([each["seconds"] for each in about])),
    )


def _gains(
    frames: Sequence[pd.DataFrame], others: Sequence[pd.DataFrame] | None, num_resamples: int
) -> tuple[Estimate | None, float | None, Estimate | None, int]:
    """This row minus the other, in accuracy, with its p-value, and in kilometres, on the posts that both have; and
    their number."""
    from models.evaluation.comparisons import chance_of_none

    if others is None:
        return None, None, None, 0
    common = [frame.index.intersection(other.index) for frame, other in zip(frames, others, strict=True)]
    pairs = [(frame.loc[keys], other.loc[keys]) for frame, other, keys in zip(frames, others, common, strict=True)]
    if not all(len(frame) for frame, _ in pairs):
        return None, None, None, 0
    ours = [frame for frame, _ in pairs]
    right = [(frame["rank"] == 1).astype(float) - (other["rank"] == 1).astype(float) for frame, other in pairs]
    far = [frame["error_km"] - other["error_km"] for frame, other in pairs]
    p = chance_of_none(means_of_resamples(_by_seed(ours, right), num_resamples=num_resamples))
    return _estimate(ours, right, num_resamples), p, _estimate(ours, far, num_resamples), sum(map(len, ours))


def _estimate(frames: Sequence[pd.DataFrame], columns: "Sequence[pd.Series[Any]]", num_resamples: int) -> Estimate:
    """The mean over seeds of one column each, users drawn with replacement."""
    return mean_over_seeds(_by_seed(frames, columns), num_resamples=num_resamples)


def _by_seed(frames: Sequence[pd.DataFrame], columns: "Sequence[pd.Series[Any]]") -> list[SeedValues]:
    return [
        SeedValues(values=column.to_numpy(dtype=np.float64), users=frame["user_key"].tolist())
        for frame, column in zip(frames, columns, strict=True)
    ]


def _mean(frames: Sequence[pd.DataFrame], figure: Any) -> float:
    return float(np.mean([figure(frame) for frame in frames]))


def _mean_of(about: Sequence[Mapping[str, Any]], part: str, name: str) -> float:
    return float(np.mean([each[part][name] for each in about]))


def _macro_f1(frame: pd.DataFrame) -> float:
    from models.evaluation.metrics import macro_f1

    return macro_f1(frame["predicted"].to_numpy(), frame["label"].to_numpy())


def mean_over_seeds(by_seed: Sequence[SeedValues], *, num_resamples: int, seed: int = 0) -> Estimate:
    """The mean over seeds of each seed's mean, with its 95 % interval.

    A seed of which a resample drew no post is left out of that resample's mean.
    """
    assert by_seed and all(len(each.values) for each in by_seed), "a seed without test posts has no mean"
    means = means_of_resamples(by_seed, num_resamples=num_resamples, seed=seed)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(np.mean([each.values.mean() for each in by_seed]))
    return Estimate(value=value, low=float(low), high=float(high))


def means_of_resamples(by_seed: Sequence[SeedValues], *, num_resamples: int, seed: int = 0) -> Floats:
    """The mean over seeds of each resample (R,) of users."""
    number = {user: row for row, user in enumerate(sorted({user for each in by_seed for user in each.users}))}
    sums, counts = np.zeros((len(by_seed), len(number))), np.zeros((len(by_seed), len(number)))
    for row, each in enumerate(by_seed):
        users = np.array([number[user] for user in each.users])
        sums[row] = np.bincount(users, weights=each.values, minlength=len(number))
        counts[row] = np.bincount(users, minlength=len(number))
    rng = np.random.default_rng(seed)
    return np.concatenate([_resampled(sums, counts, size, rng) for size in _pieces(num_resamples, len(number))])


def _resampled(sums: Floats, counts: Floats, num_resamples: int, rng: np.random.Generator) -> Floats:
    """The mean over seeds of each resample: (R,) of sums and counts (S, G)."""
    num_users = sums.shape[1]
    drawn = rng.multinomial(num_users, np.full(num_users, 1 / num_users), num_resamples).astype(np.float64)
    drawn_sums, drawn_counts = drawn @ sums.T, drawn @ counts.T
    is_met = drawn_counts > 0
    means = np.where(is_met, drawn_sums / np.where(is_met, drawn_counts, 1.0), 0.0)
    return np.asarray(means.sum(axis=1)[is_met.any(axis=1)] / is_met.sum(axis=1)[is_met.any(axis=1)])


def _pieces(num_resamples: int, num_users: int) -> list[int]:
    """Numbers of resamples that are drawn at once."""
    size = max(1, MAX_CELLS // num_users)
    return [min(size, num_resamples - start) for start in range(0, num_resamples, size)]

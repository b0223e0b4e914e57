"""The figures of a row, from the stored predictions of its cells.

Law: differences are taken post by post, on the posts that both rows have in the test of the same seed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.report.content import Estimate
from pipeline.study.cells import CellResult
from pipeline.study.content import RowFigures
from pipeline.study.estimates import SeedValues, mean_over_seeds

if TYPE_CHECKING:
    from pipeline.study.planned import TestOn


def predictions_on(result: CellResult, test_on: "TestOn") -> pd.DataFrame:
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
    gain, gain_km, num_common = _gains(frames, others, num_resamples)
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
) -> tuple[Estimate | None, Estimate | None, int]:
    """This row minus the other, in accuracy and in kilometres, on the posts that both have; and their number."""
    if others is None:
        return None, None, 0
    common = [frame.index.intersection(other.index) for frame, other in zip(frames, others, strict=True)]
    pairs = [(frame.loc[keys], other.loc[keys]) for frame, other, keys in zip(frames, others, common, strict=True)]
    if not all(len(frame) for frame, _ in pairs):
        return None, None, 0
    ours = [frame for frame, _ in pairs]
    right = [(frame["rank"] == 1).astype(float) - (other["rank"] == 1).astype(float) for frame, other in pairs]
    far = [frame["error_km"] - other["error_km"] for frame, other in pairs]
    return _estimate(ours, right, num_resamples), _estimate(ours, far, num_resamples), sum(map(len, ours))


def _estimate(frames: Sequence[pd.DataFrame], columns: "Sequence[pd.Series[Any]]", num_resamples: int) -> Estimate:
    """The mean over seeds of one column each, users drawn with replacement."""
    by_seed = [
        SeedValues(values=column.to_numpy(dtype=np.float64), users=frame["user_key"].tolist())
        for frame, column in zip(frames, columns, strict=True)
    ]
    return mean_over_seeds(by_seed, num_resamples=num_resamples)


def _mean(frames: Sequence[pd.DataFrame], figure: Any) -> float:
    return float(np.mean([figure(frame) for frame in frames]))


def _mean_of(about: Sequence[Mapping[str, Any]], part: str, name: str) -> float:
    return float(np.mean([each[part][name] for each in about]))


def _macro_f1(frame: pd.DataFrame) -> float:
    from models.evaluation.metrics import macro_f1

    return macro_f1(frame["predicted"].to_numpy(), frame["label"].to_numpy())

"""Whether the model is as good on later posts as on earlier ones, as far as the test posts can tell.

Law: a span of time with fewer than `MIN_POSTS` test posts gets no interval and is said to have too few.
The split is random among users, so training posts come from every span: this shows whether some time is harder, not
how a model ages. Training on the past alone is the study's split by date.
"""

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from pipeline.report.evaluation import Bootstrap, Floats
from pipeline.report.measures import Drift, Estimate, TimeBin

MIN_POSTS = 20
_NAMES: dict[str, Callable[[str], str]] = {
    "month": lambda day: day[:7],
    "quarter": lambda day: f"{day[:4]} Q{(int(day[5:7]) + 2) // 3}",
    "half-year": lambda day: f"{day[:4]} H{(int(day[5:7]) + 5) // 6}",
    "year": lambda day: day[:4],
}


def measure_drift(days: list[str], right: Floats, bootstrap: Bootstrap) -> Drift:
    """Accuracy by the finest calendar unit that has `MIN_POSTS` test posts per span on average.

    `days`: the day (YYYY-MM-DD) of each test post.
    """
    unit = next((unit for unit in _NAMES if len(days) >= MIN_POSTS * len(set(map(_NAMES[unit], days)))), "year")
    return Drift(
        unit=unit,
        first_day=min(days),
        last_day=max(days),
        min_posts=MIN_POSTS,
        bins=_bins([_NAMES[unit](day) for day in days], right, bootstrap),
        change=_change(days, right, bootstrap),
    )


def _bins(names: list[str], right: Floats, bootstrap: Bootstrap) -> list[TimeBin]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows_of[name].append(row)
    bins = []
    for name, rows in sorted(rows_of.items()):
        chosen = np.zeros(len(names), dtype=bool)
        chosen[rows] = True
        bins.append(
            TimeBin(
                name=name,
                num_posts=len(rows),
                num_right=int(right[rows].sum()),
                accuracy=bootstrap.of_some(right, chosen) if len(rows) >= MIN_POSTS else None,
            )
        )
    return bins


def _change(days: list[str], right: Floats, bootstrap: Bootstrap) -> Estimate | None:
    """None where a half, cut at the middle day, has too few posts."""
    middle = sorted(days)[len(days) // 2]
    is_later = np.array([day >= middle for day in days])
    if min(is_later.sum(), (~is_later).sum()) < MIN_POSTS:
        return None
    return bootstrap.of_change(right, is_later)

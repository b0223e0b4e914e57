"""The figures of a row against loops over its posts, and their intervals against a bootstrap in loops."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.study.cells import CellResult
from pipeline.study.scoring import SeedValues, mean_over_seeds, predictions_on, row_figures

ABOUT = {
    "num_train": 9,
    "num_parameters": None,
    "features": "vgg19",
    "seconds": 2.0,
    "scores": {"calibration_error": 0.1},
}


def result(*, seed: int, num_posts: int = 40, first: int = 0, share_right: float = 0.6) -> CellResult:
    """Predictions of posts `first` and on."""
    rng = np.random.default_rng(seed)
    is_right = rng.random(num_posts) < share_right
    labels = rng.integers(0, 4, num_posts)
    return CellResult(
        about=ABOUT,
        predictions=pa.table(
            {
                "post_key": [f"p{first + row}" for row in range(num_posts)],
                "user_key": [f"u{(first + row) % 7}" for row in range(num_posts)],
                "label": labels,
                "predicted": np.where(is_right, labels, (labels + 1) % 4),
                "rank": np.where(is_right, 1, rng.integers(2, 9, num_posts)),
                "error_km": np.where(is_right, 0.0, rng.choice([0.3, 0.5, 0.7, 1.0, 3.0, 5.0, 8.0], num_posts)),
                "confidence": rng.random(num_posts),
                "is_complete": np.arange(num_posts) % 2 == 0,
            }
        ),
    )


def figures_of(results: list[CellResult], others: list[CellResult] | None = None, test_on: str = "all"):
    frames = [predictions_on(each, test_on) for each in results]
    against = None if others is None else [predictions_on(each, test_on) for each in others]
    return row_figures(results, frames, against, 200)


def test_figures_are_means_over_the_seeds():
    results = [result(seed=1), result(seed=2)]
    figures = figures_of(results)
    rows = [each.predictions.to_pylist() for each in results]
    share = lambda is_so: np.mean([np.mean([is_so(row) for row in seed]) for seed in rows])  # noqa: E731
    assert figures.accuracy.value == pytest.approx(share(lambda row: row["rank"] == 1))
    assert figures.accuracies == pytest.approx([np.mean([row["rank"] == 1 for row in seed]) for seed in rows])
    assert figures.top5 == pytest.approx(share(lambda row: row["rank"] <= 5))
    assert figures.within_500_m == pytest.approx(share(lambda row: row["error_km"] <= 0.5))
    assert figures.within_1_km == pytest.approx(share(lambda row: row["error_km"] <= 1))
    assert figures.within_5_km == pytest.approx(share(lambda row: row["error_km"] <= 5))
    assert figures.mean_km.value == pytest.approx(np.mean([np.mean([r["error_km"] for r in seed]) for seed in rows]))
    assert figures.median_km == pytest.approx(np.mean([np.median([r["error_km"] for r in seed]) for seed in rows]))
    assert figures.gain is None


def test_a_gain_is_taken_post_by_post_on_the_posts_both_have():
    ours, theirs = [result(seed=1)], [result(seed=2, first=10)]
    figures = figures_of(ours, theirs)
    by_key = {row["post_key"]: row for row in theirs[0].predictions.to_pylist()}
    pairs = [(row, by_key[row["post_key"]]) for row in ours[0].predictions.to_pylist() if row["post_key"] in by_key]
    assert figures.num_common == len(pairs) == 30
    assert figures.gain.value == pytest.approx(np.mean([(a["rank"] == 1) - (b["rank"] == 1) for a, b in pairs]))
    assert figures.gain_km.value == pytest.approx(np.mean([a["error_km"] - b["error_km"] for a, b in pairs]))
    assert figures.gain.low <= figures.gain.value <= figures.gain.high


def test_a_row_beside_itself_gains_nothing():
    ours = [result(seed=1), result(seed=2)]
    gain = figures_of(ours, ours).gain
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("test_on", "number"), [("all", 40), ("complete", 20), ("incomplete", 20)])
def test_a_part_of_the_test_posts_is_scored_alone(test_on, number):
    figures = figures_of([result(seed=1)], test_on=test_on)
    assert figures.num_test == number
    assert (figures.calibration_error is None) == (test_on != "all")


def test_rows_without_a_common_post_have_no_gain():
    assert figures_of([result(seed=1)], [result(seed=1, first=100)]).gain is None


def seeds(*, num_seeds: int = 3, num_users: int = 12, seed: int = 0) -> list[SeedValues]:
    """Values of some users, of whom each seed tested others."""
    rng = np.random.default_rng(seed)
    found = []
    for row in range(num_seeds):
        users = [f"u{number}" for number in rng.integers(0, num_users, 20 + 5 * row)]
        found.append(SeedValues(values=rng.normal(row, 1, len(users)), users=users))
    return found


def test_the_value_is_the_mean_of_the_seeds_means():
    by_seed = seeds()
    assert mean_over_seeds(by_seed, num_resamples=100).value == pytest.approx(
        sum(each.values.mean() for each in by_seed) / 3
    )


@pytest.mark.slow
def test_the_interval_is_that_of_a_bootstrap_in_loops():
    by_seed, rng = seeds(), np.random.default_rng(5)
    users = sorted({user for each in by_seed for user in each.users})
    means = []
    for _ in range(4000):
        drawn = rng.choice(users, len(users))
        of_seeds = []
        for each in by_seed:
            values = [v for user in drawn for v, of in zip(each.values, each.users, strict=True) if of == user]
            if values:
                of_seeds.append(sum(values) / len(values))
        means.append(sum(of_seeds) / len(of_seeds))
    estimate = mean_over_seeds(by_seed, num_resamples=4000)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.05)


def test_posts_of_one_user_widen_the_interval():
    values = np.repeat([0.0, 1.0], 50)
    many = SeedValues(values=values, users=[f"u{row}" for row in range(100)])
    few = SeedValues(values=values, users=[f"u{row // 25}" for row in range(100)])
    wide, narrow = (mean_over_seeds([each], num_resamples=500) for each in (few, many))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_seed_that_a_resample_misses_does_not_count_as_zero():
    alone = [
        SeedValues(values=np.array([1.0, 1.0]), users=["a", "b"]),
        SeedValues(values=np.array([1.0]), users=["c"]),
    ]
    estimate = mean_over_seeds(alone, num_resamples=300)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, 1.0, 1.0)


def test_pieces_change_nothing_but_the_draws(monkeypatch):
    whole = mean_over_seeds(seeds(), num_resamples=3000)
    monkeypatch.setattr("pipeline.study.scoring.MAX_CELLS", 100)
    assert mean_over_seeds(seeds(), num_resamples=3000).low == pytest.approx(whole.low, abs=0.05)

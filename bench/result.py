"""The last line of every benchmark, and how runs are interleaved."""

import json
import statistics
from collections.abc import Callable


def print_result(name: str, *, ours: float, peer: float, unit: str, is_more_better: bool) -> None:
    """Print the JSON line; the ratio is above 1 where ours is better."""
    ratio = ours / peer if is_more_better else peer / ours
    line = {"name": name, "ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ratio, 2), "unit": unit}
    print(json.dumps(line))


def interleaved(ours: Callable[[], float], peer: Callable[[], float], num_runs: int) -> tuple[float, float]:
    """The medians of both over `num_runs` runs in turn."""
    pairs = [(ours(), peer()) for _ in range(num_runs)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)

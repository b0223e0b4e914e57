"""A refresh after one per cent of new posts, beside the full crawl before it: requests and seconds of the stage posts.

Peer: the full crawl itself. Places have as many posts as the paper's had (1,582 each, here 1,500 of one photo), new
ones stand on top. All that the stage does counts: requests, pictures, tables, digests, its record; not the start of a
process. `requests to Instagram` leave the pictures out, which come from elsewhere.
"""

import argparse
import time
from dataclasses import dataclass

from bench.live_server import PHOTOS_ONLY, LiveServer, bench_town
from bench.result import print_result
from tests.fakes.live_town import LiveTown

WANTED = 33.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run of the stage cost."""

    num_requests: int
    num_asked: int
    seconds: float
    num_new: int


def collect(town: LiveTown, server: LiveServer) -> Cost:
    """Run the stage posts."""
    server.forget()
    started = time.perf_counter()
    report = town.collect(max_requests=None)
    seconds = time.perf_counter() - started
    seen = server.seen()
    return Cost(
        num_requests=seen.num_pictures + seen.num_others,
        num_asked=seen.num_others,
        seconds=seconds,
        num_new=int(report.record.about["new_posts"]),
    )


def show(title: str, cost: Cost) -> None:
    """One line of the table."""
    print(
        f"{title:12} {cost.num_new:7,} new posts {cost.num_requests:8,} requests, {cost.num_asked:6,} of them to "
        f"Instagram {cost.seconds:8.2f} s"
    )


def main() -> None:
    """A full crawl, then refreshes after one per cent of new posts each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--places", type=int, default=20)
    options.add_argument("--posts", type=int, default=1500)
    options.add_argument("--rounds", type=int, default=3)
    sizes = options.parse_args()
    with (
        LiveServer() as server,
        bench_town(server, num_places=sizes.places, num_posts=sizes.posts, place=PHOTOS_ONLY) as town,
    ):
        town.find()
        full = collect(town, server)
        show("full crawl", full)
        assert full.num_new == sizes.places * sizes.posts, "a full crawl takes everything"
        refreshes = [refresh(town, server, sizes.places, sizes.posts // 100) for _ in range(sizes.rounds)]
    worst = Cost(**{name: max(getattr(cost, name) for cost in refreshes) for name in Cost.__dataclass_fields__})
    ratios = {
        "refresh_requests": (worst.num_requests, full.num_requests, "requests"),
        "refresh_instagram_requests": (worst.num_asked, full.num_asked, "requests"),
        "refresh_seconds": (worst.seconds, full.seconds, "s"),
    }
    for name, (ours, peer, unit) in ratios.items():
        print_result(name, ours=ours, peer=peer, unit=unit, is_more_better=False)
    smallest = min(peer / ours for ours, peer, _ in ratios.values())
    print(f"smallest ratio {smallest:.1f}, wanted {WANTED:.0f}: {'ok' if smallest >= WANTED else 'MISSED'}")


def refresh(town: LiveTown, server: LiveServer, num_places: int, num_new: int) -> Cost:
    """Put new posts on top of every place and collect them, a day later."""
    for number in range(num_places):
        server.add_posts(str(1000 + number), num_new)
    town.clock.sleep(86_400.0)  # the fake clock: it takes no time
    cost = collect(town, server)
    show("refresh", cost)
    assert cost.num_new == num_places * num_new, "a refresh takes what is new"
    return cost


if __name__ == "__main__":
    main()

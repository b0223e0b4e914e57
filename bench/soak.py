"""Two soaks of the live crawl: one under failures, one under kills. Exits with 1 when a law is broken.

failures: one answer of twenty fails, of every kind of request; as many runs as it takes. Law: every post is seen,
none is lost, none stands twice, and memory stays flat.
kills: SIGKILL at random moments of one crawl, a restart after each, one undisturbed run at the end. Law: the tables
are those of an undisturbed crawl, and no more pages were asked again than processes were killed.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.live_server import LiveServer, bench_town
from pipeline.cities import City
from pipeline.collect.instagram.journal import Journal
from pipeline.collect.instagram.live import Tools, open_journal
from pipeline.collect.places import PlacesSettings, build_places
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.collect.web.retries import Retries
from pipeline.store import Store
from tests.fakes.live_town import LiveTown

KINDS = ("/web_info/", "/sections/", "/media/", "/api/v1/media/", "search")
"""Every kind of request; each has its own count, so that one answer of twenty of each fails."""

MOST_RUNS = 40
MAY_GROW = 1.1
"""So much more than after the first tenth of the posts a process may hold at the end."""

RETRIES = Retries(first_s=0.001, longest_s=0.002)
LAST_KILLS = 6
"""So many kills come at any moment of a run that has little left to ask: there the tables are written."""


def main() -> None:
    """Both soaks, or one."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--only", choices=("failures", "kills"))
    told.add_argument("--places", type=int, help="50 for failures, 10 for kills")
    told.add_argument("--posts", type=int, help="of a place: 400 for failures, 150 for kills")
    told.add_argument("--kills", type=int, default=30)
    sizes = told.parse_args()
    laws: dict[str, bool] = {}
    if sizes.only != "kills":
        laws |= soak_in_failures(sizes.places or 50, sizes.posts or 400)
    if sizes.only != "failures":
        laws |= soak_in_kills(sizes.places or 10, sizes.posts or 150, sizes.kills)
    print("\nlaws")
    for law, is_kept in laws.items():
        print(f"  {'kept  ' if is_kept else 'BROKEN'} {law}")
    sys.exit(0 if all(laws.values()) else 1)


# failures


@dataclass
class Memory:
    """The largest this process was, at every `step` new posts."""

    step: int
    num_posts: int = 0
    peaks_mib: dict[int, float] = field(default_factory=dict)

    def note(self, num_new: int) -> None:
        """So many new posts are in the journal."""
        before, self.num_posts = self.num_posts, self.num_posts + num_new
        if self.num_posts // self.step > before // self.step:
            self.peaks_mib[self.num_posts // self.step * self.step] = peak_mib()

    def is_flat(self) -> bool:
        """Whether the last tenths of the posts took hardly more than the first."""
        peaks = list(self.peaks_mib.values())
        return bool(peaks) and peaks[-1] <= MAY_GROW * peaks[len(peaks) // 10]


def peak_mib() -> float:
    """The largest this process was so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def watched_pages(note: Callable[[int], None]) -> Iterator[None]:
    """Call `note` with the number of new posts of each page that is taken."""
    take_page = Journal.take_page

    def watched(*args: Any, **options: Any) -> tuple[int, int, bool]:
        taken = take_page(*args, **options)
        note(taken[0])
        return taken

    Journal.take_page = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        Journal.take_page = take_page  # type: ignore[method-assign]


def soak_in_failures(num_places: int, num_posts: int) -> dict[str, bool]:
    """Collect a world whose server fails often, until nothing waits."""
    memory = Memory(step=max(1, num_places * num_posts // 20))
    with LiveServer() as server, bench_town(server, num_places=num_places, num_posts=num_posts) as town:
        for kind in KINDS:
            server.trouble(path=kind, num_in_a_row=24 if kind == "/media/" else 6)
        print(f"failures: {num_places} places of {num_posts} posts; one answer of twenty fails")
        started = time.perf_counter()
        with watched_pages(memory.note):
            num_runs = run_until_done(town)
        print(f"{num_runs} runs, {time.perf_counter() - started:.0f} s, {server.num_requests():,} requests")
        print("failed answers: " + ", ".join(f"{kind} {count}" for kind, count in server.num_failed().items()))
        show_memory(memory)
        return laws_of_failures(town, {town.key(pk) for pk in server.pks()}) | {
            f"memory stays flat (at most {MAY_GROW:.0%} of the start)": memory.is_flat()
        }


def run_until_done(town: LiveTown) -> int:
    """Run all stages until nothing waits any more; how many runs it took."""
    for number in range(1, MOST_RUNS + 1):
        try:
            town.find(max_requests=None)
            report = town.collect(max_requests=None)
        except ValueError as error:
            print(f"  run {number:2}: {error}")
            continue
        with open_journal(town.store, town.city.key) as journal:
            waiting = Counter(walk.reason or "not_walked" for walk in journal.walks() if not walk.has_all)
            unsearched = {why: count for why, count in journal.search_outcomes().items() if why != "answered"}
        deferred = Counter(town.reasons("deferred").values())
        print(
            f"  run {number:2}: seen {report.counts['seen']:6,}; waiting: places {dict(waiting)}, "
            f"searches {unsearched}, posts {dict(deferred)}"
        )
        if not waiting and not unsearched and not deferred and len(report.record.notes) == 0:
            return number
        town.clock.sleep(86_400.0)  # the fake clock: it takes no time
    return MOST_RUNS


def laws_of_failures(town: LiveTown, wanted: set[str]) -> dict[str, bool]:
    """What must hold at the end."""
    keys = [row["post_key"] for row in town.rows("posts")]
    drops = town.reasons()
    images = [row["digest"] for row in town.rows("images")]
    wanting = {digest for row in town.posts().values() for digest in row["image_digests"]} - set(images)
    print(f"world {len(wanted):,} posts; kept {len(keys):,}, dropped {dict(Counter(drops.values()))}")
    return {
        "every post of the world is in posts or dropped": {*keys, *drops} == wanted,
        "no post stands twice": len(keys) == len(set(keys)) and not set(keys) & set(drops),
        "only videos are dropped": set(drops.values()) <= {"video"},
        "no post waits": not town.reasons("deferred"),
        "every picture stands once, with its file": len(images) == len(set(images)) and not wanting
        and all(town.store.blobs.path("original", digest).is_file() for digest in images),
    }  # fmt: skip


def show_memory(memory: Memory) -> None:
    """The curve, four numbers in a line."""
    print("peak memory of the crawling process, MiB, after so many posts")
    told = [f"{count:8,} {mib:7.1f}" for count, mib in memory.peaks_mib.items()]
    for start in range(0, len(told), 5):
        print("  " + "   ".join(told[start : start + 5]))


# kills


@dataclass(frozen=True)
class Job:
    """What a process needs to collect a town."""

    root: Path
    city: City
    pois: Path

    def run(self) -> None:
        """The stages pois, places and posts, at the machine's clock."""
        store, tools = Store(self.root), Tools(retries=RETRIES)
        build_pois(store, self.city, PoisSettings(file=self.pois))
        build_places(store, self.city, PlacesSettings(), tools)
        build_posts(store, self.city, PostsSettings(max_requests=None), tools)


def collect_job(job: Job, begun: Any) -> None:
    """In a process of its own: tell that the imports are done, then collect."""
    begun.set()
    job.run()


def soak_in_kills(num_places: int, num_posts: int, num_kills: int) -> dict[str, bool]:
    """Collect a world once undisturbed and once under kills."""
    with LiveServer() as server, bench_town(server, num_places=num_places, num_posts=num_posts) as town:
        print(f"\nkills: {num_places} places of {num_posts} posts, {num_kills} SIGKILLs")
        pois = town.folder / "pois.json"
        pois.write_text(json.dumps(town.pois))
        quiet, killed = (Job(town.folder / name, town.city, pois) for name in ("quiet", "killed"))
        seconds = run_to_end(quiet)
        expected, undisturbed = tables_of(town, quiet), server.seen()
        server.forget()
        total = undisturbed.num_pictures + undisturbed.num_others
        print(f"undisturbed: {seconds:.1f} s, {total:,} requests, {undisturbed.pages.total()} pages")
        num_killed, num_looks = kill_often(server, killed, total, num_kills)
        found = tables_of(town, killed)
        pages = server.seen().pages
        again = pages.total() - len(undisturbed.pages)
        print(
            f"under kills: {num_killed} processes were killed, {again} pages asked more than undisturbed, of them "
            f"{num_looks} first pages of places that were done"
        )
        return {f"the table {name} is that of an undisturbed crawl": found[name] == expected[name] for name in expected} | {
            "as many processes were killed as wanted": num_killed == num_kills,
            "the same pages were asked": set(pages) == set(undisturbed.pages),
            "no more pages asked again than processes killed": again - num_looks <= num_killed,
        }

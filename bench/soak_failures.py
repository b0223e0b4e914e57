"""A soak under failures: one answer of twenty fails, of every kind of request, over as many runs as it takes.

Law: every post is seen, none is lost, none stands twice, and memory stays flat.
"""

import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

from bench.live_server import SPOILED, LiveServer, bench_town
from bench.soak_job import RETRIES, Job
from pipeline.collect.instagram.journal import PageOutcome
from pipeline.collect.instagram.journal.walks import Walks
from pipeline.collect.instagram.live import Runtime, open_journal
from tests.fakes.clock import START, FakeClock
from tests.fakes.live_town import LiveTown

KINDS = ("/web_info/", "/sections/", "^/media/", "/api/v1/media/", "search")
"""Every kind of request; each has its own count, so that one answer of twenty of each fails."""

MOST_RUNS = 40
MAY_GROW, MAY_GROW_AT_END = 1.1, 1.5
"""So much more than after the first tenth of the posts a process may hold: while posts come in, and at the end of its
run, when whole tables are written piece by piece."""


@dataclass
class Memory:
    """The largest a process was, at every `step` posts that were new to the journal, and at the end of its run."""

    step: int
    num_posts: int
    peaks_mib: dict[int, float] = field(default_factory=dict)
    end_mib: float = 0.0

    def note(self, num_new: int) -> None:
        """So many new posts are in the journal."""
        before, self.num_posts = self.num_posts, self.num_posts + num_new
        if self.num_posts // self.step > before // self.step:
            self.peaks_mib[self.num_posts // self.step * self.step] = peak_mib()

    def growth(self) -> tuple[float, float]:
        """How much larger than after the first tenth of the posts: while collecting, and while writing tables."""
        peaks = list(self.peaks_mib.values())
        start = peaks[len(peaks) // 10]
        return peaks[-1] / start, self.end_mib / start


@dataclass(frozen=True)
class RunResult:
    """What a run in a process of its own reports; `counts` is empty where it broke off, `notes` say why."""

    counts: dict[str, int]
    notes: list[str]
    memory: Memory


def peak_mib() -> float:
    """The largest this process was so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def watched_pages(note: Callable[[int], None]) -> Iterator[None]:
    """Call `note` with the number of new posts of each page that is taken."""
    take_page = Walks.take_page

    def watched(*args: Any, **options: Any) -> PageOutcome:
        taken = take_page(*args, **options)
        note(taken.num_new)
        return taken

    Walks.take_page = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        Walks.take_page = take_page  # type: ignore[method-assign]


def soak_in_failures(num_places: int, num_posts: int) -> dict[str, bool]:
    """Collect a world whose server fails often, until nothing waits."""
    step = max(1, num_places * num_posts // 20)
    with LiveServer() as server, bench_town(server, num_places=num_places, num_posts=num_posts) as town:
        for kind in KINDS:
            is_picture = kind == "^/media/"
            ways = [*SPOILED, {"status": 403}] if is_picture else [*SPOILED]  # an address that has lapsed
            server.trouble(path=kind, ways=ways, num_in_a_row=24 if is_picture else 6)
        print(f"failures: {num_places} places of {num_posts} posts; one answer of twenty fails")
        started = time.perf_counter()
        memories = run_until_done(town, step)
        print(f"{len(memories)} runs, {time.perf_counter() - started:.0f} s, {server.num_requests():,} requests")
        print("failed answers: " + ", ".join(f"{kind} {count}" for kind, count in server.num_failed().items()))
        show_memory(memories)
        grown, grown_at_end = memories[0].growth()
        return laws_of_failures(town, {town.key(pk) for pk in server.pks()}) | {
            f"memory is flat while posts come in ({grown:.0%}, at most {MAY_GROW:.0%})": grown <= MAY_GROW,
            f"and at the end ({grown_at_end:.0%}, at most {MAY_GROW_AT_END:.0%})": grown_at_end <= MAY_GROW_AT_END,
        }


def run_until_done(town: LiveTown, step: int) -> list[Memory]:
    """Run all stages, a day later each time, until nothing waits any more; the memory of each run."""
    job, memories = Job.of(town, town.store.root.name), list[Memory]()
    for number in range(1, MOST_RUNS + 1):
        result = run_alone(job, number, Memory(step, memories[-1].num_posts if memories else 0))
        memories.append(result.memory)
        waiting = what_waits(town)
        print(f"  run {number:2}: seen {result.counts.get('seen', 0):6,}; waiting: {waiting or 'nothing'}")
        for note in result.notes:
            print(f"          {note}")
        if result.counts and not waiting and not result.notes:
            break
    return memories


def what_waits(town: LiveTown) -> dict[str, int]:
    """Places, searches and posts that wait for another run, by reason."""
    with open_journal(town.store, town.city.key) as journal:
        places = Counter(f"place {walk.reason or 'not_walked'}" for walk in journal.walks.wanted() if not walk.has_all)
        asked = "SELECT outcome, COUNT(*) FROM searches WHERE outcome <> 'answered' GROUP BY outcome"
        searches = {f"search {outcome}": num for outcome, num in journal.disk.execute(asked)}
    posts = Counter(f"post {reason}" for reason in town.reasons("deferred").values())
    return {**places, **searches, **posts}


def run_alone(job: Job, day: int, memory: Memory) -> RunResult:
    """One run in a process of its own, as a person would start it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_and_tell, args=(job, day, memory, theirs))
    process.start()
    result: RunResult = ours.recv()
    process.join()
    return result


def run_and_tell(job: Job, day: int, memory: Memory, pipe: Connection) -> None:
    """Run and send what it came to; the clock is a fake one, so that rests take no time."""
    clock = FakeClock(START + timedelta(days=day))
    counts, notes = dict[str, int](), list[str]()
    with watched_pages(memory.note):
        try:
            report = job.run(Runtime(clock=clock, retries=RETRIES))
        except ValueError as error:
            notes = [str(error)]
        else:
            counts, notes = report.counts, report.record.notes
    memory.end_mib = peak_mib()
    pipe.send(RunResult(counts, notes, memory))


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
        "every picture stands once, with its file": len(images) == len(set(images))
        and not wanting
        and all(town.store.blobs.path("original", digest).is_file() for digest in images),
    }


def show_memory(memories: list[Memory]) -> None:
    """The curves of all runs, five numbers in a line, and what each run held at its end."""
    print("peak memory of the crawling processes, MiB, after so many posts")
    for number, memory in enumerate(memories, start=1):
        result = [f"{count:8,} {mib:7.1f}" for count, mib in memory.peaks_mib.items()] + [
            f"     end {memory.end_mib:7.1f}"
        ]
        for start in range(0, len(result), 5):
            print(f"  run {number:2}: " + "   ".join(result[start : start + 5]))

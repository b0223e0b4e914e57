"""A soak under kills: SIGKILL at random moments of one crawl, a restart after each, one undisturbed run at the end.

Law: the tables are those of an undisturbed crawl, and no more pages were asked again than processes were killed. Not
counted: a run looks at the first page of places that were done, whether there is something new.
"""

import multiprocessing
import multiprocessing.process
import os
import random
import signal
import time
from collections import Counter
from multiprocessing.connection import Connection

from bench.live_server import LiveServer, bench_town
from bench.soak_job import RETRIES, Job
from pipeline.collect.instagram.live import Runtime, open_journal
from pipeline.store import Store
from tests.fakes.live_town import LiveTown

LAST_KILLS = 6
"""So many kills come at any moment of a run that has little left to ask: there the tables are written."""


def collect_job(job: Job, begun: Connection) -> None:
    """In a process of its own: report that the imports are done, then collect."""
    begun.send(True)
    job.run(Runtime(retries=RETRIES))


def soak_in_kills(num_places: int, num_posts: int, num_kills: int) -> dict[str, bool]:
    """Collect a world once undisturbed and once under kills."""
    with LiveServer() as server, bench_town(server, num_places=num_places, num_posts=num_posts) as town:
        print(f"\nkills: {num_places} places of {num_posts} posts, {num_kills} SIGKILLs")
        quiet, killed = Job.of(town, "quiet"), Job.of(town, "killed")
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
        same = {
            f"the table {name} is that of an undisturbed crawl": found[name] == expected[name] for name in expected
        }
        return same | {
            "as many processes were killed as wanted": num_killed == num_kills,
            "the same pages were asked": set(pages) == set(undisturbed.pages),
            "no more pages asked again than processes killed": again - num_looks <= num_killed,
        }


def kill_often(server: LiveServer, job: Job, total: int, num_kills: int) -> tuple[int, int]:
    """Start and kill processes, then let the last one come to its end.

    How many were killed, and how many first pages were asked of places that were done: only to see what is new there.
    """
    rng = random.Random(0)  # noqa: S311
    num_by_time = num_kills // 3
    by_requests = sorted(rng.randrange(total) for _ in range(num_kills - num_by_time))
    moments: list[int | None] = [*by_requests, *[None] * LAST_KILLS]
    for _ in range(num_by_time - LAST_KILLS):
        moments.insert(rng.randrange(len(by_requests)), None)
    num_killed = num_looks = num_whole = 0
    while num_killed < num_kills and num_whole < num_kills:
        done, before = places_done(job), server.seen().pages
        was_killed = run_and_kill(server, job, rng, moments[num_killed])
        num_killed, num_whole = num_killed + was_killed, num_whole + (not was_killed)
        num_looks += first_pages(server.seen().pages - before, done)
    done, before = places_done(job), server.seen().pages
    run_to_end(job)
    return num_killed, num_looks + first_pages(server.seen().pages - before, done)


def run_and_kill(server: LiveServer, job: Job, rng: random.Random, moment: int | None) -> bool:
    """Kill a process when the server has seen `moment` requests, else soon after its start; whether it lived then."""
    process = started(job)
    wait_s = rng.uniform(0, 0.05 if moment is not None else 1.0)
    while moment is not None and process.is_alive() and server.num_requests() < moment:
        time.sleep(0.002)
    process.join(wait_s)
    was_killed = process.is_alive()
    if was_killed:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return was_killed and process.exitcode == -signal.SIGKILL


def run_to_end(job: Job) -> float:
    """Let a process collect to its end; seconds without its start."""
    process = started(job)
    begun = time.perf_counter()
    process.join()
    assert process.exitcode == 0, "an undisturbed run comes to its end"
    return time.perf_counter() - begun


def started(job: Job) -> multiprocessing.process.BaseProcess:
    """A process that collects, its imports done."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=collect_job, args=(job, theirs), daemon=True)
    process.start()
    ours.recv()
    return process


def places_done(job: Job) -> set[str]:
    """The places that were walked to their end."""
    with open_journal(Store(job.root), job.city.key) as journal:
        return {walk.location_id for walk in journal.walks.wanted() if walk.has_all}


def first_pages(pages: Counter[tuple[str, str]], places: set[str]) -> int:
    """How often the first pages of these places were asked."""
    return sum(count for (place, cursor), count in pages.items() if place in places and not cursor)


def tables_of(town: LiveTown, job: Job) -> dict[str, str]:
    """The digests of what a job wrote."""
    town.store = Store(job.root)
    return town.digests()

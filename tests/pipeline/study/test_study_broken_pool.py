"""What a run makes of a pool that broke: which cells are lost, and which begin again."""

import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from pipeline.study.cells import Cell
from pipeline.study.running import KILLED, Job, Run

CELL = Cell(candidate="majority", variant="release", split="user", seed=0)


class Pool:
    """Takes cells as ProcessPoolExecutor does: one of the `deadly` ends a process, and with it all that is at work."""

    def __init__(self, deadly: set[str]) -> None:
        self.deadly, self.at_work, self.most_at_work = deadly, {}, 0

    def submit(self, _work, _cell, digest: str) -> Future:
        if not self.at_work:
            threading.Timer(0.05, self.end_all).start()
        self.at_work[digest] = Future()
        self.most_at_work = max(self.most_at_work, len(self.at_work))
        return self.at_work[digest]

    def end_all(self) -> None:
        ended, self.at_work = self.at_work, {}
        for future in ended.values():
            if self.deadly & ended.keys():
                future.set_exception(BrokenProcessPool("a process ended"))
            else:
                future.set_result(1.0)


def finished(deadly: set[str], digests: str, num_processes: int) -> tuple[dict[str, str], list[int]]:
    """The failed cells of a run, and for each pool that it took how many were at work at a time."""
    jobs = [Job(cell=CELL, digest=digest, seconds=1.0) for digest in digests]
    bar = tqdm(total=len(jobs), disable=True)
    run, widths = Run("demo", jobs, num_processes, bar), []
    while run.waiting:
        pool = Pool(deadly)
        try:
            run.all_in(pool)
        except BrokenProcessPool:
            run.give_up_running()
        widths.append(pool.most_at_work)
        assert len(widths) <= len(jobs), "it never ends"
    return run.failed, widths


def test_a_killed_process_takes_no_other_cell_with_it():
    """Which one was it? The three go on one by one, then the rest side by side."""
    failed, widths = finished({"b"}, "abcdefg", 3)
    assert failed == {"b": KILLED}
    assert widths == [3, 1, 3]


def test_a_cell_that_was_alone_is_lost():
    failed, widths = finished({"b"}, "abc", 1)
    assert failed == {"b": KILLED}
    assert len(widths) == 2


def test_two_deadly_cells_are_both_reported_and_nothing_else():
    failed, _ = finished({"a", "f"}, "abcdef", 3)
    assert failed == {"a": KILLED, "f": KILLED}

"""Progress of a training: a bar on a terminal, and lines in the log, with the time that is left at most.

The time is measured over this process's own steps, so a run that goes on from a checkpoint shows its own.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from models.settings.train_config import Epoch

BETWEEN_LINES_S = 60.0
"""between two lines of the log inside an epoch"""
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, at most {remaining} left{postfix}"

log = logging.getLogger("mrlf")


class Progress:
    """Shows the steps and epochs that are done; `with` closes the bar."""

    def __init__(self, title: str, max_epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.title, self.max_epochs, self._clock = title, max_epochs, clock
        self._last_line = clock()
        self._begun: tuple[float, float] | None = None  # epochs that were over, and when
        self._bar = tqdm(total=float(max_epochs), desc=title, bar_format=BAR, disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def step(self, epoch: int, step: int, num_steps: int) -> None:
        """A step of epoch `epoch` (counted from 1) is done."""
        done = epoch - 1 + step / num_steps
        self._move(done, begun=(done, self._clock()))
        if self._clock() - self._last_line >= BETWEEN_LINES_S and step < num_steps:
            share = f"{step / num_steps:.0%} of it"
            self._log(f"epoch {epoch} of at most {self.max_epochs}, {share}, {self._left(done)}")

    def epoch(self, epoch: "Epoch") -> None:
        """An epoch is done."""
        done = float(epoch.epoch)
        self._move(done, begun=(done - 1, self._clock() - epoch.seconds))
        self._bar.set_postfix(loss=f"{epoch.validation_loss:.3f}", accuracy=f"{epoch.validation_accuracy:.3f}")
        self._log(
            f"epoch {epoch.epoch} of at most {self.max_epochs}, loss {epoch.train_loss:.3f}, validation loss "
            f"{epoch.validation_loss:.3f}, accuracy {epoch.validation_accuracy:.3f}, {epoch.seconds:.1f} s, "
            f"{self._left(done, epoch.seconds)}"
        )

    def _move(self, done: float, *, begun: tuple[float, float]) -> None:
        """Move the bar to `done` epochs; the first call says from where and when time is measured."""
        if self._begun is None:
            self._begun = begun
            self._bar.reset(total=self.max_epochs)
            self._bar.update(begun[0])
            self._bar.initial = begun[0]
        self._bar.update(done - self._bar.n)

    def _left(self, done: float, seconds_an_epoch: float = 0.0) -> str:
        """Words for the time left; `seconds_an_epoch` counts where only one step is done yet."""
        first, started = self._begun or (done, self._clock())
        if done > first:
            seconds_an_epoch = (self._clock() - started) / (done - first)
        return f"{in_words(seconds_an_epoch * (self.max_epochs - done))} left"

    def _log(self, line: str) -> None:
        self._last_line = self._clock()
        log.info("%s: %s", self.title, line)


def in_words(seconds: float) -> str:
    """A duration as a person says it: about 40 s, about 4 min, about 2.5 h."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"

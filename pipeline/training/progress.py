"""Progress of a training: a bar where somebody looks, and lines in the log, with the time that is left at most.

The time is measured over this process's own steps, so a run that goes on from a checkpoint tells its own.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from models.train_config import Epoch

BETWEEN_LINES_S = 60.0
"""between two lines of the log inside an epoch"""
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, at most {remaining} left{postfix}"

log = logging.getLogger("mrlf")


class Progress:
    """Told each step and epoch; `with` closes the bar."""

    def __init__(self, title: str, max_epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.title, self.max_epochs, self._clock = title, max_epochs, clock
        self._started = self._last_line = clock()
        self._first: float | None = None
        self._bar = tqdm(total=float(max_epochs), desc=title, bar_format=BAR, disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def step(self, epoch: int, step: int, num_steps: int) -> None:
        """A step of epoch `epoch` (counted from 1) is done."""
        left = self._left(epoch - 1 + step / num_steps, length=1 / num_steps)
        if self._clock() - self._last_line >= BETWEEN_LINES_S and step < num_steps:
            self._tell(f"epoch {epoch} of at most {self.max_epochs}, {step / num_steps:.0%} of it, {left}")

    def epoch(self, epoch: "Epoch") -> None:
        """An epoch is done."""
        left = self._left(float(epoch.epoch), length=1.0)
        self._bar.set_postfix(loss=f"{epoch.validation_loss:.3f}", accuracy=f"{epoch.validation_accuracy:.3f}")
        self._tell(
            f"epoch {epoch.epoch} of at most {self.max_epochs}, loss {epoch.train_loss:.3f}, validation loss "
            f"{epoch.validation_loss:.3f}, accuracy {epoch.validation_accuracy:.3f}, {epoch.seconds:.1f} s, {left}"
        )

    def _left(self, done: float, *, length: float) -> str:
        """Words for the time left, in epochs of which `done` are over and the last `length` was just told of."""
        if self._first is None:
            self._first = done - length
            self._bar.reset(total=self.max_epochs)
            self._bar.update(self._first)
            self._bar.initial = self._first
        self._bar.update(done - self._bar.n)
        seconds = (self._clock() - self._started) * (self.max_epochs - done) / (done - self._first)
        return f"{in_words(seconds)} left"

    def _tell(self, line: str) -> None:
        self._last_line = self._clock()
        log.info("%s: %s", self.title, line)


def in_words(seconds: float) -> str:
    """A duration as a person says it: about 40 s, about 4 min, about 2.5 h."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"

"""Asking again after a passing trouble: a few tries, with pauses that grow and are spread at random (full jitter)."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import RetryError

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, kw_only=True)
class Retries:
    """At most `max_tries` questions; after the n-th a pause of up to min(longest_s, first_s * 2^(n-1)) s."""

    max_tries: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0

    def pause_s(self, num_tries: int) -> float:
        """How long to wait after so many tries."""
        return random.uniform(0, min(self.longest_s, self.first_s * 2 ** (num_tries - 1)))  # noqa: S311


def with_retries(ask: Callable[[], AnswerT], clock: Clock, retries: Retries) -> AnswerT:
    """The answer of `ask`, which is called again after a RetryError.

    Raises:
        RetryError: the last try failed too.
    """
    for num_tries in range(1, retries.max_tries):
        try:
            return ask()
        except RetryError:
            clock.sleep(retries.pause_s(num_tries))
    return ask()

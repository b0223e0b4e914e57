"""The clock that live sources go by. Waiting goes by the monotonic clock: a jump of the wall clock moves no wait."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is and lets it pass."""

    def now(self) -> datetime:
        """The wall clock, UTC; it can jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; nothing for 0 and less."""
        ...


def now_s(clock: Clock) -> float:
    """The wall clock, UTC seconds since 1970."""
    return clock.now().timestamp()


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep; Ctrl-C ends it."""
        if seconds > 0:
            time.sleep(seconds)

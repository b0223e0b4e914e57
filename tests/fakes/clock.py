"""A clock that a test moves: sleeping takes no time, and the wall clock can jump."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """Time passes by sleeping only; `slept` lists every sleep."""

    def __init__(self, start: datetime = START) -> None:
        self._now, self._monotonic = start, 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; the monotonic clock does not move."""
        self._now += timedelta(seconds=seconds)

"""The pace of requests to Instagram: sliding windows and rests that outlive the process.

Reads and writes crawl/instagram.sqlite: one window for the one account, whatever the city.
Law: never more than the limits in any minute or hour, also over a restart; a rest that was begun is kept, and a later
one never shortens it. Waits go by the monotonic clock, and what the disk says is clamped, so a jump of the wall clock
makes no endless or negative wait.
"""

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.collect.instagram.pressure import Pressure, no_future
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.words import span, until
from pipeline.store.sqlite_files import open_file

if TYPE_CHECKING:
    from instaloader import InstaloaderContext, RateController

MINUTE_S, HOUR_S = 60.0, 3600.0
NO_PAUSE_S = 0.001
LONGEST_REST_S = 86_400.0

log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class PaceLimits:
    """Requests in any minute and in any hour."""

    per_minute: int = 8
    per_hour: int = 200

    def hours(self, num_requests: int) -> float:
        """How long so many requests take."""
        return num_requests / min(self.per_hour, 60 * self.per_minute)


class Pace:
    """Lets requests pass one by one. Used by one process at a time, which holds the lock of the session."""

    def __init__(self, path: Path, clock: Clock, limits: PaceLimits) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clock, self._limits = clock, limits
        self._disk = open_file(path, check_same_thread=False)
        self._disk.execute("PRAGMA journal_mode = WAL")
        self._disk.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing; a power cut, one window
        self._disk.execute("CREATE TABLE IF NOT EXISTS requests (at_utc REAL NOT NULL)")
        self.pressure = Pressure(self._disk, clock)
        self._disk.execute("CREATE TABLE IF NOT EXISTS rest (begun_utc REAL NOT NULL, seconds REAL NOT NULL)")
        self._times = deque(self._loaded_times())
        self._rested_at = self._loaded_rest()

    def close(self) -> None:
        """Close the file."""
        self._disk.close()

    def wait_turn(self) -> None:
        """Wait until a request may be sent, and note that it was."""
        wait_s = self.wait_s()
        if wait_s > MINUTE_S:
            self._tell(wait_s)
        if wait_s > NO_PAUSE_S:
            self._clock.sleep(wait_s)
        self._note()

    def wait_s(self) -> float:
        """Seconds until a request may be sent: after a rest, inside both windows, and not close upon the last one."""
        now = self._clock.monotonic()
        self._forget(now - HOUR_S)
        gap_s = MINUTE_S / self._limits.per_minute * random.uniform(0.6, 1.4)  # noqa: S311
        after_last = self._times[-1] + gap_s if self._times else now
        due = [
            self._rested_at,
            after_last,
            self._window(HOUR_S, self._limits.per_hour),
            self._window(MINUTE_S, self._limits.per_minute),
        ]
        return max(0.0, max(due) - now)

    def rest(self, seconds: float) -> None:
        """Begin a rest of everybody, kept over restarts. One that takes longer already stays as it is."""
        seconds = max(min(seconds, LONGEST_REST_S), self.rest_left_s())
        self._rested_at = self._clock.monotonic() + seconds
        self._disk.execute("DELETE FROM rest")
        self._disk.execute("INSERT INTO rest VALUES (?, ?)", (self._clock.now().timestamp(), seconds))

    def rest_left_s(self) -> float:
        """Seconds that the current rest still takes, 0 where there is none."""
        return max(0.0, self._rested_at - self._clock.monotonic())

    def rest_end(self) -> str:
        """When the current rest ends, in words."""
        return self._moment_in(self.rest_left_s())

    def _moment_in(self, seconds: float) -> str:
        now = self._clock.now()
        return until(now + timedelta(seconds=seconds), now)

    def _tell(self, wait_s: float) -> None:
        """Why nothing is asked for a while."""
        is_rest = self.rest_left_s() >= wait_s
        pace = f"the pace of {self._limits.per_hour} requests an hour is reached"
        why = "the rest after throttling is not over" if is_rest else pace
        log.info("%s: going on in %s, at %s", why, span(wait_s), self._moment_in(wait_s))

    def _window(self, window_s: float, limit: int) -> float:
        """When the window has room again: `window_s` after the request that is `limit` back."""
        return self._times[-limit] + window_s if len(self._times) >= limit else 0.0

    def _note(self) -> None:
        self._times.append(self._clock.monotonic())
        self._disk.execute("INSERT INTO requests VALUES (?)", (self._clock.now().timestamp(),))

    def _forget(self, before: float) -> None:
        while self._times and self._times[0] <= before:
            self._times.popleft()

    def _loaded_times(self) -> list[float]:
        """The requests of the last hour on the monotonic clock; one from the future counts as just now."""
        now, wall = self._clock.monotonic(), self._clock.now().timestamp()
        no_future(self._disk, "requests", "at_utc", wall)
        self._disk.execute("DELETE FROM requests WHERE at_utc < ?", (wall - HOUR_S,))
        ages = [max(0.0, wall - at) for (at,) in self._disk.execute("SELECT at_utc FROM requests")]
        return [now - age for age in sorted(ages, reverse=True)]

    def _loaded_rest(self) -> float:
        wall = self._clock.now().timestamp()
        no_future(self._disk, "rest", "begun_utc", wall)
        row = self._disk.execute("SELECT begun_utc, seconds FROM rest").fetchone()
        if row is None:
            return 0.0
        begun, seconds = float(row[0]), float(row[1])
        passed = wall - begun
        return self._clock.monotonic() + seconds - min(max(passed, 0.0), seconds)


def rate_controller(pace: Pace) -> "Callable[[InstaloaderContext], RateController]":
    """Instaloader's rate controller that goes by this pace, for what it asks by itself too."""
    from instaloader import RateController

    class PacedController(RateController):
        """Waits for its turn in the stored window."""

        def wait_before_query(self, query_type: str) -> None:
            pace.wait_turn()

        def handle_429(self, query_type: str) -> None:
            pace.rest(300)

    return PacedController

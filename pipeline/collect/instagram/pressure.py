"""What pressure of Instagram's is remembered: the throttlings of the last hours, and how each session last answered.

Reads and writes crawl/instagram.sqlite, through the connection of the pace
Law: which rest comes next goes by the throttlings within a window, whatever good answers came between and however
often the process was started anew; time spent resting does not count, it proves nothing. A redirect to the login page
is taken for throttling once after a good answer of that very session within the last hours; the next good answer makes
that once new. A session is known by a digest of its cookie.
Covered: jumps of the clock: what the disk says of the future counts as now.
"""

import hashlib
import sqlite3

from pipeline.collect.web.clock import Clock

LONGEST_WINDOW_S = 7 * 86_400.0
WORKED_LATELY_S = 12 * 3600.0
"""Only a session that answered since may be throttled by a redirect to the login page; any other one is over."""

NOTED_EVERY_S = 60.0


class Pressure:
    """One per open file of the pace; times are kept on the monotonic clock, and on the wall clock on the disk."""

    def __init__(self, disk: sqlite3.Connection, clock: Clock) -> None:
        self._disk, self._clock = disk, clock
        disk.execute("CREATE TABLE IF NOT EXISTS throttled (at_utc REAL NOT NULL, rest_s REAL NOT NULL)")
        disk.execute(
            "CREATE TABLE IF NOT EXISTS sessions "
            "(session TEXT PRIMARY KEY, at_utc REAL NOT NULL, is_rested INTEGER NOT NULL)"
        )
        wall = clock.now().timestamp()
        for table, kept_s in (("throttled", 2 * LONGEST_WINDOW_S), ("sessions", WORKED_LATELY_S)):
            no_future(disk, table, "at_utc", wall)
            disk.execute(f"DELETE FROM {table} WHERE at_utc < ?", (wall - kept_s,))  # noqa: S608 (names of ours)
        ago = clock.monotonic() - wall
        throttled = disk.execute("SELECT at_utc, rest_s FROM throttled ORDER BY at_utc, rowid").fetchall()
        self._throttled = [(at + ago, rest_s) for at, rest_s in throttled]
        rows = disk.execute("SELECT session, at_utc, is_rested FROM sessions").fetchall()
        self._answered = {session: at + ago for session, at, _ in rows}
        self._rested = {session for session, _, is_rested in rows if is_rested}
        self._noted: dict[str, float] = {}

    def num_throttled(self, within_s: float) -> int:
        """How often Instagram has throttled within the last `within_s` seconds in which nobody rested."""
        later, awake_s = self._clock.monotonic(), 0.0
        for number, (at, rest_s) in enumerate(reversed(self._throttled)):
            awake_s += max(0.0, later - at - rest_s)
            if awake_s >= within_s:
                return number
            later = at
        return len(self._throttled)

    def note_throttled(self, rest_s: float) -> None:
        """Note that Instagram throttles now, and how long is rested because of it."""
        self._throttled.append((self._clock.monotonic(), rest_s))
        self._disk.execute("INSERT INTO throttled VALUES (?, ?)", (self._clock.now().timestamp(), rest_s))

    def note_answer(self, session: str) -> None:
        """Note that a session got a good answer; on the disk once a minute."""
        now = self._clock.monotonic()
        self._answered[session] = now
        if session in self._rested or now - self._noted.get(session, -NOTED_EVERY_S) >= NOTED_EVERY_S:
            self._rested.discard(session)
            self._noted[session] = now
            self._write(session, self._clock.now().timestamp())

    def may_rest(self, session: str) -> bool:
        """Whether the login page can be throttling: the session answered lately, and did so since the last time."""
        answered = self._answered.get(session)
        is_lately = answered is not None and self._clock.monotonic() - answered <= WORKED_LATELY_S
        return is_lately and session not in self._rested

    def note_login_rest(self, session: str) -> None:
        """Note that a rest begins because the session was sent to the login page."""
        self._rested.add(session)
        ago_s = self._clock.monotonic() - self._answered[session]
        self._write(session, self._clock.now().timestamp() - ago_s)

    def _write(self, session: str, at_utc: float) -> None:
        row = (session, at_utc, session in self._rested)
        self._disk.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", row)


def session_digest(cookie: str) -> str:
    """What stands on the disk for a session; nobody gets the cookie back from it."""
    return hashlib.sha256(f"mrlf session {cookie}".encode()).hexdigest()[:32]


def no_future(disk: sqlite3.Connection, table: str, column: str, now_utc: float) -> None:
    """Moments of the future, which a clock that was set back has left behind, count as now and grow old from now."""
    disk.execute(f"UPDATE {table} SET {column} = ? WHERE {column} > ?", (now_utc, now_utc))  # noqa: S608

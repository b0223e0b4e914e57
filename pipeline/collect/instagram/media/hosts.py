"""The hosts of media: each is left alone when it asks for it or is ill, by all connections and over restarts.

Reads and writes crawl/media_hosts.sqlite
Law: a host that says when to come back is not asked before; one that did not give most of the last pictures is ill and
rests, for longer each time within a day. Rests go by the monotonic clock, what the disk says is clamped, so a jump of
the wall clock makes no endless rest. Covered: several threads of one process; one process at a time, which holds the
session. Not covered: a host that answers whole pictures of something else.
"""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.collect.instagram.journal.records import DAY_S
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import WaitError
from pipeline.store.sqlite_files import open_file

MOST_OF = 30
"""So many pictures of a host are looked at, the last ones; fewer than `ENOUGH` mean nothing."""

ENOUGH = 10
FIRST_THROTTLED_S, FIRST_ILL_S, GROWTH, LONGEST_S = 60.0, 3_600.0, 4.0, 6 * 3_600.0
RESTS, ILL = "media_host_rests", "media_host_ill"

log = logging.getLogger("mrlf")


@dataclass(kw_only=True)
class _Host:
    """What this process knows of a host: its last pictures (address -> whether it came), and until when it rests on
    the monotonic clock.
    """

    pictures: dict[str, bool] = field(default_factory=dict)
    until: float = 0.0


class MediaHosts:
    """One breaker for each host, shared by all connections."""

    def __init__(self, path: Path, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clock, self._lock, self._hosts = clock, threading.Lock(), dict[str, _Host]()
        self._disk = open_file(path, check_same_thread=False)
        self._disk.execute("PRAGMA journal_mode = WAL")
        self._disk.execute(
            "CREATE TABLE IF NOT EXISTS rests (host TEXT NOT NULL, begun_utc REAL NOT NULL, seconds REAL NOT NULL)"
        )
        long_ago, to_come = self._wall() - 2 * DAY_S, self._wall() + 60.0  # of a clock that was set back
        self._disk.execute("DELETE FROM rests WHERE begun_utc NOT BETWEEN ? AND ?", (long_ago, to_come))
        for host, begun, seconds in self._disk.execute("SELECT host, begun_utc, seconds FROM rests"):
            passed = max(0.0, self._wall() - begun)
            known = self._hosts.setdefault(host, _Host())
            known.until = max(known.until, self._clock.monotonic() + max(0.0, seconds - passed))

    def close(self) -> None:
        """Close the file."""
        self._disk.close()

    def check(self, url: str) -> None:
        """Nothing where the host of an address may be asked.

        Raises:
            WaitError: `media_host_rests`, with the seconds that are left.
        """
        if left_s := self.rest_left_s(url):
            raise WaitError(RESTS, retry_after_s=left_s)

    def rest_left_s(self, url: str) -> float:
        """How long the host of an address still rests."""
        with self._lock:
            known = self._hosts.get(_host(url))
            return max(0.0, known.until - self._clock.monotonic()) if known else 0.0

    def note(self, url: str, *, is_good: bool) -> None:
        """What a host answered: a picture, or something else in its place; a later answer for the same one counts."""
        with self._lock:
            pictures = self._hosts.setdefault(_host(url), _Host()).pictures
            pictures[url] = is_good
            if len(pictures) > MOST_OF:
                del pictures[next(iter(pictures))]
            num_bad = len(pictures) - sum(pictures.values())
            if len(pictures) >= ENOUGH and 2 * num_bad > len(pictures):
                why = f"{num_bad} of the last {len(pictures)} pictures did not come"
                self._rest(_host(url), FIRST_ILL_S, None, why)

    def throttled(self, url: str, retry_after_s: float | None) -> None:
        """A host wants to be left alone, for so long as it says."""
        with self._lock:
            self._rest(_host(url), FIRST_THROTTLED_S, retry_after_s, "it asks for fewer requests")

    def _rest(self, host: str, first_s: float, retry_after_s: float | None, why: str) -> None:
        """Begin a rest, unless a longer one is under way; longer than the ones before within a day."""
        known, now = self._hosts.setdefault(host, _Host()), self._clock.monotonic()
        asked = "SELECT COUNT(*) FROM rests WHERE host = ? AND ABS(begun_utc - ?) < ?"
        (num_before,) = self._disk.execute(asked, (host, self._wall(), DAY_S)).fetchone()
        if known.until > now and (retry_after_s is None or now + retry_after_s <= known.until):
            return
        grown = min(LONGEST_S, first_s * GROWTH ** min(num_before, 9))
        seconds = grown if retry_after_s is None else min(DAY_S, max(retry_after_s, 1.0))
        known.until = now + seconds
        known.pictures.clear()
        self._disk.execute("INSERT INTO rests VALUES (?, ?, ?)", (host, self._wall(), seconds))
        log.warning("%s rests for %.0f minutes: %s", _name(host), seconds / 60, why)

    def _wall(self) -> float:
        return self._clock.now().timestamp()


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """A host as it is named: no port, nothing of an address that is none."""
    return f"the host of pictures {host.partition(':')[0]}" if host else "a host of pictures"

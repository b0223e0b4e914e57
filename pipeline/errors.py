"""Errors whose message is for the user: what happened, why, what to do; and words that such sentences share."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches

Y_AFTER_CONSONANT = re.compile("[^aeiou]y$")
HISSES = re.compile("(?:s|x|sh|(?<!epo)ch)$")


class StageError(ValueError):
    """A stage cannot do its work; the message says what happened, why, and what to do."""


class IncompleteError(StageError):
    """A stage stopped before its end, and another run is to go on; what it has so far is kept.

    reason: a word that can be counted. not_before_utc: when the source said to come back, None where it did not.
    """

    def __init__(self, why: str, *, reason: str, not_before_utc: datetime | None = None) -> None:
        when = "" if not_before_utc is None else f" after {not_before_utc.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        super().__init__(f"{why}: what is there is kept; run it again{when}")
        self.reason, self.not_before_utc = reason, not_before_utc


class StageBusyError(RuntimeError):
    """Another process is at work on the same stage of the same city."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What follows an unknown name in a sentence: the nearest of those known, nothing where none is near."""
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]}?)" if near else ""


def plural(number: int, noun: str) -> str:
    """`1 post`, `1,500 posts`, `2 entries`, `2 hashes`, `2 epochs`."""
    if number != 1:
        noun = f"{noun[:-1]}ie" if Y_AFTER_CONSONANT.search(noun) else noun
        noun += "es" if HISSES.search(noun) else "s"
    return f"{number:,} {noun}"

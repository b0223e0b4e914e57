"""The verdict on a post after its pictures were requested: kept, dropped, deferred, or gone.

Law: final is only what the source says of the post itself, twice and at least a day apart, and what a setting decides
over a picture that came whole; the setting's value is remembered, so that another one asks again. All else is deferred
with a time, for longer each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.collect.instagram.journal import State, StoredPost, is_said_again
from pipeline.collect.instagram.journal.records import DAY_S, LONGEST_WAIT_S
from pipeline.collect.instagram.journal.revising import OPTED_OUT
from pipeline.collect.post_rules import OK, CheckedPicture, PictureLimits

Picture: TypeAlias = CheckedPicture | str
"""A picture that came, or the reason why it did not."""

GONE, PRIVATE, MISSING = "media_gone", "private", "image_missing"
EXPIRED, NOT_FOUND, UNREACHABLE = "media_expired", "media_not_found", "media_unreachable"
PLACEHOLDER = "placeholder"
AT_ONCE = (OPTED_OUT, PRIVATE)
"""What a person has decided counts at once."""

TWICE = frozenset({GONE, "robots", "unsupported_format", "bad_header", "too_narrow", "too_many_scans"})
"""Said of the post itself, or of a picture that came whole: final the second time, a day or more after the first."""

OF_A_SETTING = {
    "too_many_bytes": "max_image_bytes",
    "too_many_pixels": "max_image_pixels",
    "too_small": "min_image_side_px",
}
"""Outcomes that a setting decides."""

FIRST_WAIT_S = {EXPIRED: DAY_S}
WAIT_S, GROWTH = 3_600.0, 4.0


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """The outcome of a post; the fields are those of `Journal.settle`."""

    state: State
    reason: str = ""
    not_before: float = 0.0
    cause: str = ""
    said: str = ""
    said_at: float = 0.0
    num_tries: int = 0


def settlement(post: StoredPost, got: Sequence[Picture], limits: PictureLimits, now: float) -> Settlement:
    """What a post comes to; `got` are its pictures in order, none where the source gives no address."""
    reasons = [one if isinstance(one, str) else one.outcome for one in got] or [MISSING]
    for reason in reasons:
        if reason in AT_ONCE:
            return Settlement(state="dropped" if reason == OPTED_OUT else "gone", reason=reason)
    passing = [reason for reason in reasons if is_passing(reason)]
    if passing:
        return _deferred(post, passing[0], now)
    said = [reason for reason in reasons if reason in TWICE]
    if said and not (post.said == said[0] and is_said_again(post.said_at, now)):
        said_at = post.said_at if post.said == said[0] and 0 < post.said_at <= now else now
        return Settlement(state="deferred", reason=said[0], not_before=said_at + DAY_S, said=said[0], said_at=said_at)
    if OK in reasons:
        refused = next((reason for reason in reasons if reason in OF_A_SETTING), "")
        return Settlement(state="kept", cause=cause_of(refused, limits))
    if GONE in reasons:
        return Settlement(state="gone", reason=GONE)
    return Settlement(state="dropped", reason=reasons[0], cause=cause_of(reasons[0], limits))


def is_passing(reason: str) -> bool:
    """Whether an outcome may be another one tomorrow."""
    return reason != OK and reason not in TWICE and reason not in OF_A_SETTING and reason not in AT_ONCE


def is_failure(reason: str) -> bool:
    """Whether an outcome is no picture, so that many of them mean an ill host and not of the posts."""
    return (is_passing(reason) and reason != MISSING) or reason in TWICE - {"robots"}


def cause_of(reason: str, limits: PictureLimits) -> str:
    """The setting that decides an outcome, with its value; "" where none does."""
    name = OF_A_SETTING.get(reason)
    return f"{name}={getattr(limits, name)}" if name else ""


def has_gone(cause: str, limits: PictureLimits) -> bool:
    """Whether a setting that was the cause of a refusal has another value now."""
    name, _, value = cause.partition("=")
    return name in OF_A_SETTING.values() and str(getattr(limits, name)) != value


def _deferred(post: StoredPost, reason: str, now: float) -> Settlement:
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S.get(reason, WAIT_S) * GROWTH ** min(post.num_tries, 5))
    return Settlement(state="deferred", reason=reason, not_before=now + wait_s, num_tries=post.num_tries + 1)

"""The ledger: why a stage dropped or deferred a post, written to the tables `drops` and `deferred`.

Law: a stage writes each post it loses once, with its first failing reason, and in place of what it wrote before;
`seen = kept + dropped + deferred`. Dropped is for ever, deferred is to be tried again.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pipeline.store import Store


def reason_counts(reasons: Mapping[str, str], outcome: Literal["dropped", "deferred"] = "dropped") -> dict[str, int]:
    """Posts by reason as `dropped/<reason>`, the most frequent first; `reasons` maps post_key to reason."""
    return by_reason(outcome, Counter(reasons.values()))


def by_reason(outcome: str, counted: Mapping[str, int]) -> dict[str, int]:
    """Counts of reasons as `<outcome>/<reason>`, the most frequent first."""
    return {f"{outcome}/{reason}": count for reason, count in sorted(counted.items(), key=lambda of: (-of[1], of[0]))}


def counted(counts: Mapping[str, int]) -> str:
    """Names and numbers in one line."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def write_ledger(
    store: Store, city: str, stage: str, drops: Mapping[str, str], deferred: Mapping[str, str] | None = None
) -> None:
    """Put the posts that `stage` loses now in place of those it lost before: post_key -> reason each."""
    waiting = deferred or {}
    assert not drops.keys() & waiting.keys(), "a post is dropped or deferred, never both"
    where = f"stage = '{stage}'"
    dropped_rows = [ledger_row(stage, key, reason) for key, reason in drops.items()]
    deferred_rows = [deferred_row(stage, key, reason) for key, reason in waiting.items()]
    store.tables.replace(city, "drops", dropped_rows, where=where)
    store.tables.replace(city, "deferred", deferred_rows, where=where)


def ledger_row(stage: str, post_key: str, reason: str) -> dict[str, object]:
    """The row of a post in `drops`."""
    return {"post_key": post_key, "stage": stage, "reason": reason}


def deferred_row(stage: str, post_key: str, reason: str, not_before_utc: datetime | None = None) -> dict[str, object]:
    """The row of a post in `deferred`; `not_before_utc`: when it can be tried again, None for at once."""
    return {**ledger_row(stage, post_key, reason), "not_before_utc": not_before_utc}

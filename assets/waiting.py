"""Waiting for a place in a pool: without a busy core, and so that Ctrl-C is heard. Mends two faults of Dagster 1.13.

Its in-process executor asks for the place again and again: the pause between two questions is `min(0, ...)`, which is
never above zero (measured: three quarters of a core for as long as another run holds the place). And it looks for
interrupts inside steps only, so that a waiting run could not be stopped.
"""

import time

from dagster._core.errors import raise_execution_interrupts
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

LONGEST_PAUSE_S = 1.0


def wait_patiently() -> None:
    """Put the mended pause in place of Dagster's, for this process."""
    InstanceConcurrencyContext.interval_to_next_pending_claim_check = _pause  # type: ignore[method-assign]


def _pause(context: InstanceConcurrencyContext) -> float:
    """Sleep until the next question is due, a second at most; the caller has nothing left to sleep."""
    due = min(context._pending_timeouts.values(), default=0.0) - time.time()
    with raise_execution_interrupts():
        time.sleep(min(max(due, 0.0), LONGEST_PAUSE_S))
    return 0.0

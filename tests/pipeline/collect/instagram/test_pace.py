"""The pace: never more than the limits in any window, over restarts and jumps of the clock."""

import contextlib
from itertools import pairwise

import pytest

from pipeline.collect.instagram.pace import LONGEST_REST_S, Pace, PaceLimits
from tests.fakes.clock import FakeClock

LIMITS = PaceLimits(per_minute=8, per_hour=400)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that sleeping moves."""
    return FakeClock()


@pytest.fixture
def opened(tmp_path, clock):
    """Opens the pace of one account, as often as a test likes."""
    with contextlib.ExitStack() as stack:

        def again(limits: PaceLimits = LIMITS) -> Pace:
            return stack.enter_context(contextlib.closing(Pace(tmp_path / "crawl/instagram.sqlite", clock, limits)))

        yield again


def moments(pace: Pace, clock: FakeClock, number: int) -> list[float]:
    """When so many requests were let through."""
    passed = []
    for _ in range(number):
        pace.wait_turn()
        passed.append(clock.monotonic())
    return passed


def most_in(passed: list[float], window_s: float) -> int:
    """The most requests in any window."""
    return max(sum(start <= moment < start + window_s for moment in passed) for start in passed)


def test_no_minute_and_no_hour_holds_more_than_its_limit(opened, clock):
    passed = moments(opened(), clock, 900)
    assert most_in(passed, 59.99) <= 8
    assert most_in(passed, 3599.99) <= 400
    assert passed[-1] - passed[0] < 900 / 400 * 3600 * 1.2, "and not much slower than that"


def test_pauses_are_never_alike(opened, clock):
    passed = moments(opened(), clock, 30)
    gaps = [after - before for before, after in pairwise(passed)]
    assert len({round(gap, 3) for gap in gaps}) > 20
    assert min(gaps) > 4


@pytest.mark.fault("I6")
def test_a_restart_inside_the_window_makes_no_burst(opened, clock):
    limits = PaceLimits(per_minute=1000, per_hour=10)
    moments(opened(limits), clock, 10)
    before = clock.monotonic()
    opened(limits).wait_turn()
    assert clock.monotonic() - before == pytest.approx(3600, abs=2)


def test_a_rest_is_kept_over_a_restart(opened, clock):
    opened().rest(900)
    clock.pass_by(300)
    assert opened().rest_left_s() == pytest.approx(600)


@pytest.mark.fault("I20")
@pytest.mark.parametrize("jump", [-86_400, -3_600, 3_600, 86_400 * 365])
def test_a_jump_of_the_clock_in_a_run_moves_no_wait(opened, clock, jump):
    pace = opened()
    moments(pace, clock, 8)
    clock.jump(jump)
    passed = moments(pace, clock, 20)
    assert most_in(passed, 59.99) <= 8
    assert max(clock.slept) < 61


@pytest.mark.fault("I20")
def test_a_clock_set_back_between_runs_makes_no_endless_wait(opened, clock):
    limits = PaceLimits(per_minute=1000, per_hour=10)
    moments(opened(limits), clock, 10)
    opened(limits).rest(900)
    clock.jump(-86_400 * 30)
    pace = opened(limits)
    assert 0 < pace.wait_s() <= 3601
    assert pace.rest_left_s() == pytest.approx(900)


@pytest.mark.fault("I20")
def test_a_clock_set_forward_between_runs_makes_no_negative_wait(opened, clock):
    moments(opened(), clock, 8)
    clock.jump(86_400 * 30)
    assert opened().wait_s() == 0


def test_no_rest_is_longer_than_a_day(opened, clock):
    pace = opened()
    pace.rest(10**9)
    assert pace.rest_left_s() == LONGEST_REST_S


def test_hours_follow_the_narrower_limit():
    assert LIMITS.hours(4000) == 10
    assert PaceLimits(per_minute=1, per_hour=400).hours(60) == 1


def test_instaloader_waits_its_turn_too(opened, clock):
    from instaloader import InstaloaderContext

    from pipeline.collect.instagram.pace import rate_controller

    pace = opened(PaceLimits(per_minute=1000, per_hour=2))
    context = InstaloaderContext(rate_controller=rate_controller(pace), quiet=True)
    for _ in range(3):
        context._rate_controller.wait_before_query("other")
    assert sum(clock.slept) >= 3590

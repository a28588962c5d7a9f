"""From the monotonic clock to the time of day."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.session.clock import SessionClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_moment_by_known_answer() -> None:
    clock = SessionClock(NOON, 5_000_000_000)
    assert clock.at(5_000_000_000) == NOON
    assert clock.at(6_500_000_000) == NOON + timedelta(seconds=1.5)
    assert clock.at(5_000_001_000) == NOON + timedelta(microseconds=1)
    assert clock.at(0) == NOON - timedelta(seconds=5)


def test_a_recordings_clock_starts_with_its_first_frame() -> None:
    assert SessionClock(NOON, 0).at(40_000_000) == NOON + timedelta(milliseconds=40)


def test_now_ties_the_two_clocks_of_this_moment() -> None:
    before = datetime.now(UTC)
    clock = SessionClock.now()
    moment = clock.at(time.monotonic_ns())
    slack = timedelta(milliseconds=50)
    assert before - slack <= moment <= datetime.now(UTC) + slack
    assert moment.utcoffset() == timedelta(0)


@given(st.integers(0, 2**62), st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_order_and_distances_are_kept_to_the_microsecond(
    tie_ns: int, one_ns: int, other_ns: int
) -> None:
    clock = SessionClock(NOON, tie_ns)
    one, other = clock.at(tie_ns + one_ns), clock.at(tie_ns + other_ns)
    assert (one <= other) == (one_ns <= other_ns) or one == other
    assert abs((other - one) / timedelta(microseconds=1) - (other_ns - one_ns) / 1000) <= 1.01

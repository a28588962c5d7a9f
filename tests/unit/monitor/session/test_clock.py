"""From the monotonic clock to the time of day."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.session.clock import Clocks, ClockWatch, SessionClock

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
    slack = timedelta(seconds=5)  # a busy machine may rest between two looks at its clocks
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


class Machine:
    """A machine whose clocks a test sets, in seconds."""

    def __init__(self, wall: datetime) -> None:
        self.wall, self.up, self.asleep = wall, 100.0, 0.0

    def run(self, seconds: float) -> None:
        self.up += seconds
        self.wall += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.asleep += seconds
        self.wall += timedelta(seconds=seconds)

    def clocks(self) -> Clocks:
        up_ns = round(self.up * 1e9)
        return Clocks(round(self.wall.timestamp() * 1e9), up_ns, up_ns + round(self.asleep * 1e9))

    def watched(self) -> tuple[SessionClock, ClockWatch]:
        clock = SessionClock(self.wall, round(self.up * 1e9))
        return clock, ClockWatch(clock, self.clocks)


@pytest.mark.parametrize(
    "step", [timedelta(days=20_000), timedelta(hours=-1), timedelta(days=120), timedelta(seconds=3)]
)
def test_when_the_clock_is_set_the_whole_session_moves(step: timedelta) -> None:
    machine = Machine(NOON)
    clock, watch = machine.watched()
    early_ns = round(machine.up * 1e9)
    machine.run(60)
    assert watch.poll() is None
    machine.wall += step
    found = watch.poll()
    assert found == step
    assert watch.poll() == step, "until the session was moved"
    clock.move(found)
    assert watch.poll() is None
    assert clock.utc == NOON + step
    assert clock.at(early_ns + 60_000_000_000) == machine.wall


def test_a_sleep_is_no_set_clock_and_moves_only_what_comes_after() -> None:
    machine = Machine(NOON)
    clock, watch = machine.watched()
    machine.run(60)
    before_ns = round(machine.up * 1e9)
    machine.sleep(8 * 3600)
    machine.run(1)
    assert watch.poll() is None
    assert clock.at(before_ns) == NOON + timedelta(seconds=60)
    assert clock.at(round(machine.up * 1e9)) == machine.wall
    machine.run(3600)
    assert watch.poll() is None
    machine.wall += timedelta(days=1)
    assert watch.poll() == timedelta(days=1)


@given(st.lists(st.sampled_from(["run", "sleep", "ahead", "back"]), max_size=12))
def test_after_anything_the_session_agrees_with_the_wall_clock(events: list[str]) -> None:
    machine = Machine(NOON)
    clock, watch = machine.watched()
    moments = [round(machine.up * 1e9)]
    for event in events:
        machine.run(5)
        if event == "sleep":
            machine.sleep(900)
        elif event != "run":
            machine.wall += timedelta(hours=3 if event == "ahead" else -2)
        machine.run(0.2)
        step = watch.poll()
        if step is not None:
            clock.move(step)
        moments.append(round(machine.up * 1e9))
        assert abs(clock.at(moments[-1]) - machine.wall) < timedelta(milliseconds=1)
    times = [clock.at(ns) for ns in moments]
    assert times == sorted(times), "an hour back turns no order round"

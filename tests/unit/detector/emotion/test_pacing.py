"""When viewers are classified, and how the work follows the load."""

from __future__ import annotations

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotion.pacing import ClassificationSchedule, LoadGovernor, limit_threads

FRAME_NS = 33_333_333


def turns_taken(
    schedule: ClassificationSchedule, viewer: int, seconds: float, share: float = 1.0
) -> int:
    slots = [
        schedule.slot(viewer, n * FRAME_NS, share) for n in range(round(seconds * 1e9 / FRAME_NS))
    ]
    assert slots == sorted(slots)
    return len(set(slots))


@pytest.mark.parametrize("share", [1.0, 0.4])
@given(viewer=st.integers(1, 10_000))
def test_every_viewer_gets_its_turns(viewer: int, share: float) -> None:
    assert turns_taken(ClassificationSchedule(15), viewer, 10, share) == pytest.approx(
        150 * share, abs=2
    )


def test_more_turns_than_frames_means_every_frame() -> None:
    assert turns_taken(ClassificationSchedule(100), 3, 2) == 60


@given(st.integers(2, 40))
def test_the_viewers_of_a_frame_do_not_all_have_their_turn_at_once(viewers: int) -> None:
    schedule = ClassificationSchedule(15)
    due = [
        sum(
            schedule.slot(v, n * FRAME_NS) != schedule.slot(v, (n - 1) * FRAME_NS)
            for v in range(1, viewers + 1)
        )
        for n in range(1, 60)
    ]
    assert max(due) <= viewers / 2 + 2


@pytest.mark.parametrize("rate", [0, -1.0])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(
        ValueError, match=f"Invalid per_second: expected a number above 0, received {rate}"
    ):
        ClassificationSchedule(rate)


def drive(governor: LoadGovernor, seconds: float, cost: float, start_ns: int = 0) -> int:
    """Frames that cost this share of their time at full work; returns the moment after them."""
    now_ns = start_ns
    while now_ns - start_ns < seconds * 1e9:
        now_ns += FRAME_NS
        governor.observe(now_ns, round(cost * governor.share * FRAME_NS))
    return now_ns


def test_a_machine_that_keeps_up_does_all_the_work() -> None:
    governor = LoadGovernor()
    drive(governor, 20, 0.8)
    assert governor.share == 1.0


def test_a_machine_that_does_not_does_less_at_once_and_more_again_later() -> None:
    governor = LoadGovernor()
    now = drive(governor, 3, 1.6)
    assert governor.share * 1.6 <= 0.85
    now = drive(governor, 4, 0.3, now)
    assert governor.share < 1.0
    drive(governor, 20, 0.3, now)
    assert governor.share == 1.0


def test_one_slow_frame_changes_nothing() -> None:
    governor = LoadGovernor()
    now = drive(governor, 2, 0.3)
    governor.observe(now + FRAME_NS, 10 * FRAME_NS // 4)
    assert governor.level == 0


@given(st.floats(0.1, 10))
def test_a_steady_load_finds_a_level_and_stays_there(cost: float) -> None:
    governor = LoadGovernor()
    now, levels = 0, []
    for _ in range(40):
        now = drive(governor, 1, cost, now)
        levels.append(governor.level)
    assert len(set(levels[10:])) == 1
    assert levels[-1] in range(len(LoadGovernor.LEVELS))


def test_opencv_is_held_to_one_thread() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        limit_threads()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)

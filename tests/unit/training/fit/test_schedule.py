"""How far a run has come, by epochs and by the clock, and the learning rate that follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.fit.schedule import RunProgress, Stage, learning_rate

STAGES = (Stage(32, 2), Stage(48, 3))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_by_epochs() -> None:
    progress = RunProgress(STAGES, 10)
    assert (progress.epochs, progress.share, progress.finished, progress.timed) == (
        5,
        0,
        False,
        False,
    )
    sides = []
    for _ in range(50):
        sides.append(progress.stage.side_px)
        progress.steps += 1
    assert sides == [32] * 20 + [48] * 30
    assert progress.finished
    assert progress.share == 1
    assert progress.stage == STAGES[-1]


def test_by_the_clock_the_stages_share_the_time() -> None:
    clock = Clock()
    progress = RunProgress(STAGES, 10, limit_s=100, now=clock)
    assert progress.timed
    for spent, side in ((0, 32), (39, 32), (41, 48), (99, 48)):
        clock.now = 100 + spent
        assert progress.stage.side_px == side
        assert progress.share == pytest.approx(spent / 100)
        assert not progress.finished
    clock.now = 205
    assert progress.finished
    assert progress.share == 1


def test_a_resumed_run_goes_on_where_it_was() -> None:
    clock = Clock()
    assert RunProgress(STAGES, 10, epochs_done=3, now=clock).share == pytest.approx(0.6)
    timed = RunProgress(STAGES, 10, limit_s=100, epochs_done=3, spent_s=25, now=clock)
    clock.now += 5
    assert timed.share == pytest.approx(0.3)
    assert timed.steps == 30


def test_the_time_left() -> None:
    clock = Clock()
    progress = RunProgress(STAGES, 10, now=clock)
    assert progress.left_s is None, "there is nothing to go by yet"
    clock.now += 8
    for _ in range(10):
        progress.steps += 1
    assert progress.left_s == pytest.approx(32)
    timed = RunProgress(STAGES, 10, limit_s=60, now=clock)
    clock.now += 20
    assert timed.left_s == pytest.approx(40)


@given(
    share=st.floats(0, 1),
    other=st.floats(0, 1),
    warmup=st.floats(0.01, 0.5),
    peak=st.floats(1e-5, 1),
)
def test_the_rate_rises_then_falls_and_stays_within_its_peak(
    share: float, other: float, warmup: float, peak: float
) -> None:
    low, high = sorted((share, other))
    first, second = (learning_rate(value, peak, warmup) for value in (low, high))
    assert 0 <= first <= peak * 1.000001
    if high < warmup:
        assert first <= second
    elif low >= warmup:
        assert first >= second - 1e-12


def test_known_rates() -> None:
    assert learning_rate(0, 0.1, 0.1) == pytest.approx(0.001)
    assert learning_rate(0.05, 0.1, 0.1) == pytest.approx(0.05)
    assert learning_rate(0.1, 0.1, 0.1) == pytest.approx(0.1)
    assert learning_rate(0.55, 0.1, 0.1) == pytest.approx(0.05)
    assert learning_rate(1, 0.1, 0.1) == pytest.approx(0, abs=1e-12)

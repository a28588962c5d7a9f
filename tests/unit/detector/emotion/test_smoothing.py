"""The low-pass: its delay, its sums, and that it counts time instead of frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detector.emotion.smoothing import CLEAR_CHANGE, DELAY_S, MAX_DELAYS, ExponentialSmoother

NEUTRAL, HAPPY = np.eye(7)[6], np.eye(7)[3]
DISTRIBUTIONS = hnp.arrays(np.float64, (7,), elements=st.floats(1e-6, 1.0)).map(
    lambda p: p / p.sum()
)


def happiness_after(seconds: float, rate: float, delay_s: float) -> float:
    """A viewer who was neutral and is happy from the first instant on, seen at a frame rate."""
    smoother = ExponentialSmoother(delay_s)
    value = smoother.update(NEUTRAL, 0)
    for frame in range(1, round(seconds * rate) + 1):
        value = smoother.update(HAPPY, round(frame / rate * 1e9))
    return float(value[3])


@pytest.mark.parametrize("delay_s", [0.05, DELAY_S, 1.0])
def test_a_step_is_followed_to_63_percent_after_the_delay(delay_s: float) -> None:
    assert happiness_after(delay_s, 40 / delay_s, delay_s) == pytest.approx(
        1 - 1 / math.e, abs=1e-3
    )


@pytest.mark.parametrize("rate", [5, 10, 30, 120])
def test_the_frame_rate_hardly_matters(rate: float) -> None:
    assert happiness_after(0.6, rate, 0.6) == pytest.approx(1 - math.exp(-1), abs=0.01)
    assert happiness_after(0.6, rate, 0.3) == pytest.approx(0.78, abs=0.04)


def test_a_small_difference_is_smoothed_for_longer() -> None:
    smoother = ExponentialSmoother(0.2)
    smoother.update(NEUTRAL, 0)
    value = smoother.update(0.9 * NEUTRAL + 0.1 * HAPPY, 200_000_000)
    longer = 1 + (MAX_DELAYS - 1) * (1 - 0.1 / CLEAR_CHANGE)
    assert value[3] == pytest.approx(0.1 * (1 - math.exp(-1 / longer)))


def test_a_slow_change_is_delayed_by_up_to_four_times_the_delay() -> None:
    smoother = ExponentialSmoother(0.2)
    seen = [
        (t, smoother.update(HAPPY * (t / 10) + NEUTRAL * (1 - t / 10), round(t * 1e9))[3])
        for t in np.arange(0, 5, 0.01)
    ]
    time_s, smooth = seen[-1]
    # A delay of d leaves a difference of a tenth of d, at which d is 0.2 * (4 - 3 * d / 3.6).
    assert time_s - smooth * 10 == pytest.approx(0.8 / (1 + 0.6 / 3.6), abs=0.03)


def test_only_a_clear_change_counts_as_one() -> None:
    smoother = ExponentialSmoother()
    seen = []
    for number, happy in enumerate((0.0, 0.3, 1.0, 1.0, 1.0, 1.0)):
        smoother.update(happy * HAPPY + (1 - happy) * NEUTRAL, number * 100_000_000)
        seen.append(smoother.changing)
    assert seen == [False, False, True, True, False, False]


def test_the_first_value_is_taken_as_it_is_and_not_shared() -> None:
    smoother, first = ExponentialSmoother(), NEUTRAL.copy()
    assert smoother.update(first, 5).tolist() == NEUTRAL.tolist()
    first[:] = 0.0
    assert smoother.update(NEUTRAL, 6).sum() == pytest.approx(1)


def test_no_delay_smooths_nothing() -> None:
    smoother = ExponentialSmoother(0)
    smoother.update(NEUTRAL, 0)
    assert smoother.update(HAPPY, 1).tolist() == HAPPY.tolist()


def test_a_repeated_or_earlier_time_changes_nothing() -> None:
    smoother = ExponentialSmoother()
    before = smoother.update(NEUTRAL, 1_000_000_000).copy()
    assert smoother.update(HAPPY, 1_000_000_000).tolist() == before.tolist()
    assert smoother.update(HAPPY, 500_000_000).tolist() == before.tolist()


def test_a_negative_delay_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Invalid delay_s: expected at least 0, received -0\.1\."):
        ExponentialSmoother(-0.1)


@given(
    st.lists(st.tuples(DISTRIBUTIONS, st.integers(0, 10**10)), min_size=1, max_size=20),
    st.floats(0, 5),
)
def test_what_comes_out_is_a_distribution_between_what_went_in(
    steps: list[tuple[np.ndarray, int]], delay_s: float
) -> None:
    smoother, now_ns = ExponentialSmoother(delay_s), 0
    taken = np.array([probabilities for probabilities, _ in steps])
    for probabilities, pause_ns in steps:
        now_ns += pause_ns
        value = smoother.update(probabilities, now_ns)
        assert value.sum() == pytest.approx(1)
        assert (value >= taken.min(axis=0) - 1e-9).all()
        assert (value <= taken.max(axis=0) + 1e-9).all()

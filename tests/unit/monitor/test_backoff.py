"""Pauses that grow, differ, and never pass their limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.backoff import Backoff, RestartBackoff

JITTER = 0.2


def test_pauses_double_up_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(0.5, 2.0, draws=random.Random(1))  # noqa: S311 (no secret)
    full = [0.5, 1.0, 2.0, 2.0, 2.0]
    for _ in range(2):
        pauses = [backoff.pause_s() for _ in full]
        assert all(
            (1 - JITTER) * limit <= pause <= limit
            for pause, limit in zip(pauses, full, strict=True)
        )
        backoff.reset()


def test_two_screens_do_not_keep_step() -> None:
    one, other = Backoff(1.0, 60.0), Backoff(1.0, 60.0)
    assert [one.pause_s() for _ in range(5)] != [other.pause_s() for _ in range(5)]


@given(st.floats(1e-3, 10), st.floats(1, 100), st.integers(1, 40))
def test_no_pause_passes_the_limit(first_s: float, factor: float, count: int) -> None:
    backoff = Backoff(first_s, first_s * factor)
    pauses = [backoff.pause_s() for _ in range(count)]
    assert all((1 - JITTER) * first_s <= pause <= first_s * factor for pause in pauses)


@pytest.mark.parametrize(("first_s", "longest_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_limits_in_the_wrong_order_are_refused(first_s: float, longest_s: float) -> None:
    with pytest.raises(ValueError, match="Invalid pauses"):
        Backoff(first_s, longest_s)


def test_a_process_that_dies_too_often_is_restarted_rarely() -> None:
    restarts = RestartBackoff(4, 60.0, first_s=0.2, longest_s=0.5, exhausted_s=30.0)
    assert [restarts.pause_s(at) for at in range(3)] == [0.2, 0.4, 0.5]
    assert not restarts.exhausted
    assert [restarts.pause_s(at) for at in (3, 4)] == [30.0, 30.0]
    assert restarts.exhausted
    assert restarts.deaths == 4
    assert restarts.pause_s(100) == 0.2, "deaths of long ago are forgotten"
    assert not restarts.exhausted
    restarts.reset()
    assert (restarts.deaths, restarts.pause_s(101)) == (0, 0.2)

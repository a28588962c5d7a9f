"""Pauses that grow, differ, and never pass their limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sensor.backoff import JITTER, Backoff


def test_pauses_double_up_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(0.5, 2.0, random.Random(1))  # noqa: S311 (no secret)
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

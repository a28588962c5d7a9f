"""Curves and intervals as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.reports.terminal.charts import BLOCKS, PLAIN, interval_bar, sparkline, squeezed

numbers = st.floats(-1e6, 1e6)
curves = st.lists(st.none() | numbers, max_size=50)


def test_a_sparkline_by_hand():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 0, 8) == "▁▂▃▄▅▆▇██"
    assert sparkline([None, -5, 99, None], 0, 1) == "·▁█·"
    assert sparkline([0.0, None, 1.0], -1, 1, PLAIN) == "= #"
    assert sparkline([3, 3], 3, 3) == "▁▁"
    assert sparkline([], 0, 1) == ""


@given(curves, numbers, numbers)
def test_a_sparkline_has_a_sign_for_each_value(values, low, high):
    line = sparkline(values, low, high)
    assert len(line) == len(values)
    assert {place for place, sign in enumerate(line) if sign == BLOCKS.unknown} == {
        place for place, value in enumerate(values) if value is None
    }


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_a_higher_value_never_gets_a_lower_sign(values):
    line = sparkline(sorted(values), 0, 1)
    assert list(line) == sorted(line, key=BLOCKS.levels.index)


def test_squeezed_by_hand():
    assert squeezed([1, 2, 3], 3) == [1, 2, 3]
    assert squeezed([1, 3, None, 5, None, None], 3) == [2, 5, None]


@given(st.lists(st.none() | st.floats(-1, 1), min_size=1, max_size=200), st.integers(1, 40))
def test_squeezed_keeps_within_the_width_and_the_values(values, width):
    found = squeezed(values, width)
    assert len(found) == min(width, len(values))
    known = [value for value in values if value is not None]
    assert all(
        min(known) - 1e-9 <= value <= max(known) + 1e-9 for value in found if value is not None
    )


@pytest.mark.parametrize(
    ("interval", "band", "signs", "line"),
    [
        ((-0.5, 0.0, 0.5), 0.0, BLOCKS, "     ├────●────┤     "),
        ((0.2, 0.5, 1.0), 0.1, BLOCKS, "         ·│·├──●────┤"),
        ((-0.5, -0.2, 0.5), 0.0, BLOCKS, "     ├──●─┼────┤     "),
        ((-0.5, -0.2, 0.5), 0.2, PLAIN, "     [--o-+----]     "),
        ((-1.0, -0.6, -0.3), 0.0, PLAIN, "[---o--]  |          "),
        ((0.3, 0.3, 0.3), 0.0, BLOCKS, "          │  ●       "),
    ],
)
def test_intervals_by_hand(interval, band, signs, line):
    assert interval_bar(interval, (-1.0, 1.0), 21, band=band, signs=signs) == line


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.integers(2, 60), st.floats(0, 2))
def test_an_interval_fills_its_width_and_shows_its_estimate(limits, width, band):
    low, value, high = sorted(limits)
    line = interval_bar((low, value, high), (-1.0, 1.0), width, band=band)
    assert len(line) == width
    assert line.count(BLOCKS.mark) == 1

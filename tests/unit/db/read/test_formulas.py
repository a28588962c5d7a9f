"""The formulas of the roll-ups, each against numbers calculated by hand; sums are also tested in
`test_metrics`.
"""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.read import formulas

FAR = np.iinfo(np.int64).max


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def spans(play, viewer, at_us, *, end=FAR) -> list[float]:
    at_us = ints(*at_us)
    return formulas.reading_spans_us(
        ints(*play), ints(*viewer), at_us, np.full(at_us.size, end)
    ).tolist()


class TestSpans:
    def test_a_reading_stands_until_the_next_and_the_last_for_the_median(self):
        # Intervals 100, 200 and 300 ms: the last reading stands for 200 ms.
        assert spans([1] * 4, [1] * 4, [0, 100_000, 300_000, 600_000]) == [
            100_000,
            200_000,
            300_000,
            200_000,
        ]

    def test_even_number_of_intervals_has_the_mean_of_the_middle_two(self):
        assert spans([1] * 3, [1] * 3, [0, 100_000, 200_001]) == [100_000, 100_001, 100_000.5]

    def test_half_a_second_at_most(self):
        assert spans([1] * 3, [1] * 3, [0, 3_000_000, 3_100_000]) == [500_000, 100_000, 500_000]

    def test_lone_reading_stands_for_a_tenth_of_a_second(self):
        assert spans([1, 2], [1, 1], [0, 10_000]) == [100_000, 100_000]

    def test_no_span_reaches_beyond_the_play(self):
        assert spans([1] * 3, [1] * 3, [0, 100_000, 200_000], end=230_000) == [
            100_000,
            100_000,
            30_000,
        ]

    def test_reading_after_the_end_of_its_play_stands_for_nothing(self):
        assert spans([1] * 2, [1] * 2, [100_000, 300_000], end=200_000) == [100_000, 0]

    def test_plays_and_viewers_do_not_mix(self):
        assert spans([1, 1, 1, 2], [1, 1, 2, 1], [0, 50_000, 60_000, 70_000]) == [
            50_000,
            50_000,
            100_000,
            100_000,
        ]

    def test_nothing_in_nothing_out(self):
        assert spans([], [], []) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1)), max_size=40))
def test_grouped_median_is_the_median_of_each_group(rows):
    groups, values = np.array([r[0] for r in rows], dtype=np.int64), np.array([r[1] for r in rows])
    found, medians = formulas.grouped_median(groups, values)
    assert found.tolist() == sorted({r[0] for r in rows})
    for group, median in zip(found, medians, strict=True):
        assert median == pytest.approx(
            statistics.median(v for g, v in rows if g == group), abs=1e-15
        )


class TestBins:
    @pytest.mark.parametrize(
        ("duration_s", "expected"),
        [(8.0, 8), (8.04, 8), (8.1, 8), (8.2, 9), (0.3, 1), (0.05, 1), (60.0, 60)],
    )
    def test_count(self, duration_s, expected):
        assert formulas.count_bins(duration_s) == expected

    def test_half_open_seconds(self):
        assert formulas.position_bins(np.array([0.0, 999.999, 1000.0, 3999.0]), 4.0).tolist() == [
            0,
            0,
            1,
            3,
        ]

    def test_late_frames_belong_to_the_last_second(self):
        assert formulas.position_bins(np.array([4000.0, 4016.0, 4499.0]), 4.0).tolist() == [3, 3, 3]

    def test_far_beyond_the_length_gets_its_own_second(self):
        assert formulas.position_bins(np.array([4500.0, 6200.0]), 4.0).tolist() == [4, 6]

    def test_unknown_positions_are_left_out(self):
        assert formulas.position_bins(np.array([np.nan, -5.0, np.inf]), 2.0).tolist() == [
            -1,
            -1,
            -1,
        ]


class TestBaseline:
    def corrected(self, **changes):
        given = {
            "play": ints(1, 1, 1, 1),
            "viewer": ints(1, 1, 1, 2),
            "position_ms": np.array([0.0, 999.0, 2000.0, 2000.0]),
            "valence": np.array([-0.2, 0.0, 0.5, 0.5]),
            "between_play": ints(),
            "between_viewer": ints(),
            "between_valence": np.empty(0),
        }
        given |= changes
        return given["valence"] - formulas.valence_baselines(**given)

    def test_median_of_the_first_second(self):
        found = self.corrected()
        assert found[:3].tolist() == pytest.approx([-0.1, 0.1, 0.6])
        assert np.isnan(found[3])  # came later: no baseline

    def test_time_between_ads_counts_too(self):
        found = self.corrected(
            between_play=ints(1, 1, 2),
            between_viewer=ints(1, 2, 1),
            between_valence=np.array([0.1, -0.3, 0.9]),
        )
        # Viewer 1: median of -0.2, 0.0 and 0.1; viewer 2: only -0.3; the reading before play 2 is
        # not for play 1.
        assert found.tolist() == pytest.approx([-0.2, 0.0, 0.5, 0.8])

    def test_withheld_valence_is_in_no_baseline_and_stays_unknown(self):
        found = self.corrected(
            valence=np.array([np.nan, 0.0, np.nan, 0.5]),
            between_play=ints(1, 1),
            between_viewer=ints(1, 2),
            between_valence=np.array([0.4, np.nan]),
        )
        # Viewer 1: median of 0.0 and 0.4; viewer 2 has no valence before.
        assert found[1] == pytest.approx(-0.2)
        assert np.isnan(found[[0, 2, 3]]).all()

    def test_no_baseline_at_all(self):
        assert np.isnan(self.corrected(position_ms=np.full(4, np.nan))).all()

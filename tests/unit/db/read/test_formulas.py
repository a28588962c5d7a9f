"""The formulas of the roll-ups, each against numbers calculated by hand; sums are also tested in
`test_metrics`.
"""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.read import formulas
from db.read.sessions import ReadingArrays

FAR = np.iinfo(np.int64).max


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def spans(play, viewer, at_us, *, end=FAR, interval=100_000.0) -> list[float]:
    at_us = ints(*at_us)
    return formulas.reading_spans_us(
        ints(*play),
        ints(*viewer),
        at_us,
        np.full(at_us.size, end),
        np.full(at_us.size, interval),
    ).tolist()


def intervals(play, viewer, at_us, nominal=100_000.0) -> list[float]:
    at_us = ints(*at_us)
    return formulas.reading_intervals_us(
        ints(*play), ints(*viewer), at_us, np.full(at_us.size, nominal)
    ).tolist()


class TestSpans:
    def test_a_reading_stands_until_the_next_and_the_last_for_the_median(self):
        # Intervals 100, 200 and 300 ms: the last reading stands for 200 ms.
        assert spans([1] * 4, [1] * 4, [0, 100_000, 300_000, 600_000], interval=200_000.0) == [
            100_000,
            200_000,
            300_000,
            200_000,
        ]

    def test_even_number_of_intervals_has_the_mean_of_the_middle_two(self):
        assert spans([1] * 3, [1] * 3, [0, 100_000, 200_001]) == [100_000, 100_001, 100_000.5]

    def test_exact_for_rates_that_do_not_divide_a_second(self):
        times = [0, 1_000_000, 2_000_000]
        (interval, *_) = intervals([1] * 3, [1] * 3, times, nominal=1e6 / 3)
        assert interval == 333_333
        assert spans([1] * 3, [1] * 3, times, interval=interval) == [499_999.5] * 3

    def test_one_and_a_half_intervals_at_most(self):
        times = [0, 3_000_000, 3_100_000]
        assert spans([1] * 3, [1] * 3, times) == [150_000, 100_000, 150_000]
        assert spans([1] * 3, [1] * 3, times, interval=200_000.0) == [300_000, 100_000, 300_000]

    def test_lone_reading_stands_for_one_interval(self):
        assert spans([1, 2], [1, 1], [0, 10_000]) == [100_000, 100_000]
        assert spans([1, 2], [1, 1], [0, 10_000], interval=250_000.0) == [250_000, 250_000]

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


class TestIntervals:
    def test_nominal_where_readings_come_as_often(self):
        assert intervals([1] * 7, [1] * 7, range(0, 700_000, 100_000)) == [100_000] * 7
        assert intervals([1] * 7, [1] * 7, range(0, 350_000, 50_000)) == [100_000] * 7

    def test_a_slow_camera_reads_less_often_than_asked_for(self):
        assert intervals([1] * 7, [1] * 7, range(0, 1_750_000, 250_000)) == [250_000] * 7

    def test_few_intervals_say_nothing(self):
        assert intervals([1] * 5, [1] * 5, range(0, 1_250_000, 250_000)) == [100_000] * 5

    def test_half_a_second_at_most_and_each_play_for_itself(self):
        play = [1] * 7 + [2] * 7
        times = [*range(0, 7_000_000, 1_000_000), *range(8_000_000, 8_700_000, 100_000)]
        assert intervals(play, [1] * 14, times) == [500_000] * 7 + [100_000] * 7

    def test_viewers_are_pooled_and_not_mixed(self):
        # Two viewers a microsecond apart, each read every 200 ms.
        times = [k * 200_000 for k in range(4)] + [k * 200_000 + 1 for k in range(4)]
        assert intervals([1] * 8, [1] * 4 + [2] * 4, times) == [200_000] * 8

    def test_nothing_in_nothing_out(self):
        assert intervals([], [], []) == []


def visits(seed: int, count: int = 400) -> list[tuple[float, float, list[tuple[float, float]]]]:
    """When viewers came and left, in seconds, and the stretches in which they looked."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        came = float(rng.uniform(0, 1000))
        stays = 2 + float(rng.exponential(6))
        looks = []
        time = came + float(rng.exponential(1.0))
        while time < came + stays:
            end = min(came + stays, time + 0.3 + float(rng.exponential(1.5)))
            looks.append((time, end))
            time = end + 0.3 + float(rng.exponential(2.0))
        found.append((came, came + stays, looks))
    return found


def rolled_at(rate: float, seed: int, *, missed: float = 0.0) -> formulas.ExposureArrays:
    """One play of many visits, read so often; a share of the readings is missed."""
    rng = np.random.default_rng(seed + 1)
    viewer, at, looking = [], [], []
    for number, (came, left, looks) in enumerate(visits(seed)):
        times = np.arange(np.ceil(came * rate), np.ceil(left * rate)) / rate
        times = times[rng.random(times.size) >= missed]
        at += (times * 1e6).round().astype(int).tolist()
        viewer += [number] * times.size
        looking += [any(start <= time < end for start, end in looks) for time in times]
    size = len(at)
    readings = ReadingArrays(
        play_id=np.ones(size, np.int64),
        viewer=ints(*viewer),
        at_us=ints(*at),
        position_ms=np.full(size, np.nan),
        probabilities=np.full((size, 7), np.nan),
        valence=np.full(size, np.nan),
        expressiveness=np.full(size, np.nan),
        uncertain=np.zeros(size, bool),
        attentive=np.array(looking),
        withheld=np.zeros(size, np.int8),
    )
    play = formulas.RolledPlay(1, 1, -1, 0, 2_000_000_000, 2_000_000_000, 1e6 / rate)
    return formulas.roll_up([play], readings)[0]


@pytest.mark.parametrize("missed", [0.0, 0.1])
def test_dwell_attention_and_watchers_do_not_depend_on_the_rate(missed):
    """From 2 to 30 readings a second; watchers are only counted from 5 on."""
    truth = math.fsum(left - came for came, left, _ in visits(3))
    looked = math.fsum(end - start for *_, looks in visits(3) for start, end in looks)
    long = sum(any(end - start >= 0.5 for start, end in looks) for *_, looks in visits(3))
    # A missed reading costs half an interval: it stands for 1.5 of them instead of 2.
    kept = 1 - missed / 2
    for rate in (2.0, 3.0, 5.0, 10.0, 30.0):
        found = rolled_at(rate, 3, missed=missed)
        assert found.dwell_s.sum() == pytest.approx(truth * kept, rel=0.03)
        assert found.attention_s.sum() == pytest.approx(looked * kept, rel=0.04)
        if rate >= 5:
            watchers = (found.longest_attention_s >= 0.5).sum()
            assert watchers == pytest.approx(long, rel=0.05 if missed == 0 else 0.12)


def test_a_pause_is_no_baseline_of_the_next_ad():
    """What people do while an ad is paused is no time between ads."""
    plays = [
        formulas.RolledPlay(1, 1, -(1 << 62), 0, 8_000_000, 4000),
        formulas.RolledPlay(2, 1, 8_000_000, 9_000_000, 13_000_000, 4000),
    ]
    # Before the first ad, during it, in its pause from 3 to 7 s, between the ads, in the second.
    seconds = [-1.0, 2.0, 4.0, 5.0, 6.0, 8.5, 9.5, 11.0]
    play = [-1, 1, -1, -1, -1, -1, 2, 2]
    valence = [0.4, 0.0, 0.9, 0.9, 0.9, 0.1, 0.3, 0.0]
    size = len(seconds)
    readings = ReadingArrays(
        play_id=ints(*play),
        viewer=np.ones(size, np.int64),
        at_us=(np.array(seconds) * 1e6).astype(np.int64),
        position_ms=np.array([np.nan, 2000, *[np.nan] * 4, 500, 2000]),
        probabilities=np.full((size, 7), 1 / 7),
        valence=np.array(valence),
        expressiveness=np.zeros(size),
        uncertain=np.zeros(size, bool),
        attentive=np.ones(size, bool),
        withheld=np.full(size, -1, np.int8),
    )
    exposures, _ = formulas.roll_up(plays, readings)
    assert exposures.baseline.tolist() == pytest.approx([0.4, (0.1 + 0.3) / 2])


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

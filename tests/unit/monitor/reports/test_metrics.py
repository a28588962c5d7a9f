"""The formulas, each against numbers calculated by hand, and the laws that hold for all data."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.emotions import EMOTIONS
from monitor.reports import metrics

FAR = np.iinfo(np.int64).max


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def spans(play, viewer, at_us, *, end=FAR, nominal=100_000.0) -> list[float]:
    at_us = ints(*at_us)
    return metrics.reading_spans_us(ints(*play), ints(*viewer), at_us, np.full(at_us.size, end), nominal).tolist()


def test_emotions_are_those_of_the_detector_and_of_the_database():
    from db.schema import EMOTION_COLUMNS

    assert metrics.EMOTIONS == EMOTIONS
    assert tuple(f"p_{emotion}" for emotion in metrics.EMOTIONS) == EMOTION_COLUMNS


class TestSpans:
    def test_a_reading_stands_until_the_next_and_the_last_for_the_median(self):
        # Intervals 100, 200 and 300 ms: the last reading stands for 200 ms.
        assert spans([1] * 4, [1] * 4, [0, 100_000, 300_000, 600_000]) == [100_000, 200_000, 300_000, 200_000]

    def test_even_number_of_intervals_has_the_mean_of_the_middle_two(self):
        assert spans([1] * 3, [1] * 3, [0, 100_000, 200_001]) == [100_000, 100_001, 100_000.5]

    def test_half_a_second_at_most(self):
        assert spans([1] * 3, [1] * 3, [0, 3_000_000, 3_100_000]) == [500_000, 100_000, 500_000]

    def test_lone_reading_stands_for_the_nominal_interval(self):
        assert spans([1, 2], [1, 1], [0, 10_000], nominal=40_000.0) == [40_000, 40_000]

    def test_slow_session_does_not_stretch_a_lone_reading(self):
        assert spans([1], [1], [0], nominal=2_000_000.0) == [500_000]

    def test_no_span_reaches_beyond_the_play(self):
        assert spans([1] * 3, [1] * 3, [0, 100_000, 200_000], end=230_000) == [100_000, 100_000, 30_000]

    def test_reading_after_the_end_of_its_play_stands_for_nothing(self):
        assert spans([1] * 2, [1] * 2, [100_000, 300_000], end=200_000) == [100_000, 0]

    def test_plays_and_viewers_do_not_mix(self):
        assert spans([1, 1, 1, 2], [1, 1, 2, 1], [0, 50_000, 60_000, 70_000]) == [50_000, 50_000, 100_000, 100_000]

    def test_nothing_in_nothing_out(self):
        assert spans([], [], []) == []


def exposures(attentive, at_us, *, end=FAR):
    at_us = ints(*at_us)
    one = np.ones(at_us.size, dtype=np.int64)
    span_us = metrics.reading_spans_us(one, one, at_us, np.full(at_us.size, end), 100_000.0)
    return metrics.exposures(one, one, at_us, span_us, np.array(attentive, dtype=bool))


class TestExposures:
    def test_dwell_and_attention(self):
        found = exposures([1, 1, 0, 1], [0, 200_000, 400_000, 600_000])
        assert found.dwell_s.tolist() == [0.8]
        assert found.attention_s.tolist() == [0.6]
        assert found.longest_attention_s.tolist() == [0.4]
        assert found.watched.tolist() == [False]

    def test_exactly_half_a_second_makes_a_watcher(self):
        # Ten times 0.05 s, which as a sum of floats in seconds would fall short of 0.5.
        found = exposures([1] * 10, range(0, 500_000, 50_000))
        assert found.longest_attention_s.tolist() == [0.5]
        assert found.watched.tolist() == [True]

    def test_one_microsecond_less_does_not(self):
        found = exposures([1] * 10, range(0, 500_000, 50_000), end=499_999)
        assert found.watched.tolist() == [False]

    def test_looking_away_interrupts(self):
        found = exposures([1, 1, 1, 0, 1, 1, 1], range(0, 700_000, 100_000))
        assert found.longest_attention_s.tolist() == [0.3]

    def test_a_hole_without_readings_interrupts(self):
        found = exposures([1, 1, 1], [0, 100_000, 900_000])
        # 0.1 + 0.5 (at most) before the hole; the median of 0.1 and 0.8 after it.
        assert found.longest_attention_s.tolist() == [0.6]
        assert found.dwell_s.tolist() == pytest.approx([1.05])

    def test_audience_counts_viewers_not_plays(self):
        play, viewer = ints(1, 1, 2), ints(5, 6, 5)
        entries = metrics.Exposures(
            play, viewer, np.array([4.0, 1.0, 2.0]), np.array([3.0, 0.2, 0.4]), np.array([0.4, 0.2, 0.5])
        )
        found = metrics.audience(entries)
        assert (found.opportunities, found.exposures, found.watchers) == (2, 3, 1)
        assert found.conversion == 0.5
        assert found.dwell_s == 7.0
        assert found.attention_s == pytest.approx(3.6)
        assert found.attraction_ratio == pytest.approx(3.6 / 7)
        assert found.mean_dwell_s == 2.0  # (mean of 4 and 2, and 1) / 2

    def test_nobody(self):
        found = metrics.audience(exposures([], []))
        assert (found.opportunities, found.watchers) == (0, 0)
        assert math.isnan(found.conversion)
        assert math.isnan(found.mean_dwell_s)
        assert math.isnan(found.attraction_ratio)


@st.composite
def viewings(draw):
    rows = draw(
        st.lists(
            st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 5_000_000), st.booleans()),
            min_size=1,
            max_size=60,
            unique_by=lambda row: row[:3],
        )
    )
    return rows, draw(st.integers(0, 6_000_000))


@settings(max_examples=150, deadline=None)
@given(viewings(), st.randoms(use_true_random=False))
def test_attention_never_exceeds_dwell_and_order_does_not_matter(case, random):
    rows, end = case

    def compute(rows):
        play, viewer, at_us, attentive = (np.array(column) for column in zip(*rows, strict=True))
        order = metrics.sort_readings(play, viewer, at_us)
        play, viewer, at_us, attentive = play[order], viewer[order], at_us[order], attentive[order]
        span_us = metrics.reading_spans_us(play, viewer, at_us, np.full(at_us.size, end), 33_333.3)
        return span_us, metrics.exposures(play, viewer, at_us, span_us, attentive)

    span_us, found = compute(rows)
    assert (span_us >= 0).all()
    assert (span_us <= 500_000).all()
    assert (found.attention_s <= found.dwell_s).all()
    assert (found.longest_attention_s <= found.attention_s).all()
    people = metrics.audience(found)
    assert people.attention_s <= people.dwell_s
    assert people.watchers <= people.opportunities <= people.exposures
    shuffled = list(rows)
    random.shuffle(shuffled)
    again_us, again = compute(shuffled)
    assert again_us.tolist() == span_us.tolist()
    assert again.longest_attention_s.tolist() == found.longest_attention_s.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1)), max_size=40))
def test_grouped_median_is_the_median_of_each_group(rows):
    groups, values = np.array([r[0] for r in rows], dtype=np.int64), np.array([r[1] for r in rows])
    found, medians = metrics.grouped_median(groups, values)
    assert found.tolist() == sorted({r[0] for r in rows})
    for group, median in zip(found, medians, strict=True):
        assert median == pytest.approx(statistics.median(v for g, v in rows if g == group), abs=1e-15)


class TestBins:
    @pytest.mark.parametrize(
        ("duration_s", "expected"), [(8.0, 8), (8.04, 8), (8.1, 8), (8.2, 9), (0.3, 1), (0.05, 1), (60.0, 60)]
    )
    def test_count(self, duration_s, expected):
        assert metrics.count_bins(duration_s) == expected

    def test_half_open_seconds(self):
        bins, length = metrics.position_bins(np.array([0.0, 999.999, 1000.0, 3999.0]), 4.0)
        assert bins.tolist() == [0, 0, 1, 3]
        assert length == 4

    def test_late_frames_belong_to_the_last_second(self):
        bins, length = metrics.position_bins(np.array([4000.0, 4016.0, 4499.0]), 4.0)
        assert bins.tolist() == [3, 3, 3]
        assert length == 4

    def test_far_beyond_the_length_gets_its_own_second(self):
        bins, length = metrics.position_bins(np.array([4500.0, 6200.0]), 4.0)
        assert bins.tolist() == [4, 6]
        assert length == 7

    def test_unknown_positions_are_left_out(self):
        bins, length = metrics.position_bins(np.array([np.nan, -5.0, np.inf]), 2.0)
        assert bins.tolist() == [-1, -1, -1]
        assert length == 2

    def test_viewer_means_do_not_weigh_by_readings(self):
        viewer = ints(1, 1, 1, 2)
        values = np.array([[0.0], [0.3], [0.6], [1.0]])
        found = metrics.viewer_bins(viewer, ints(0, 0, 0, 0), 2, values)
        means = found.means()[:, :, 0]
        assert means[:, 0].tolist() == pytest.approx([0.3, 1.0])
        assert np.isnan(means[:, 1]).all()
        assert metrics.nan_mean(means)[0] == pytest.approx(0.65)

    def test_sums_and_counts_add_up_piece_by_piece(self):
        rng = np.random.default_rng(1)
        viewer, bins, values = rng.integers(0, 4, 50), rng.integers(0, 3, 50), rng.random((50, 2))
        viewer[:4] = viewer[25:29] = range(4)
        whole = metrics.viewer_bins(viewer, bins, 3, values)
        halves = [metrics.viewer_bins(viewer[s], bins[s], 3, values[s]) for s in (slice(0, 25), slice(25, 50))]
        assert (halves[0].counts + halves[1].counts).tolist() == whole.counts.tolist()
        np.testing.assert_allclose(halves[0].sums + halves[1].sums, whole.sums, atol=1e-12)


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
        return metrics.baseline_corrected_valence(**(given | changes))

    def test_median_of_the_first_second(self):
        found = self.corrected()
        assert found[:3].tolist() == pytest.approx([-0.1, 0.1, 0.6])
        assert np.isnan(found[3])  # came later: no baseline

    def test_time_between_ads_counts_too(self):
        found = self.corrected(
            between_play=ints(1, 1, 2), between_viewer=ints(1, 2, 1), between_valence=np.array([0.1, -0.3, 0.9])
        )
        # Viewer 1: median of -0.2, 0.0 and 0.1; viewer 2: only -0.3; the reading before play 2 is not for play 1.
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


class TestBootstrap:
    def test_same_seed_same_interval(self):
        values = np.random.default_rng(0).random((20, 3))
        assert np.array_equal(
            metrics.bootstrap_mean_interval(values, seed=5), metrics.bootstrap_mean_interval(values, seed=5)
        )
        assert not np.array_equal(
            metrics.bootstrap_mean_interval(values, seed=5), metrics.bootstrap_mean_interval(values, seed=6)
        )

    def test_one_viewer_gives_no_interval(self):
        values = np.array([[0.1, 0.3], [np.nan, 0.5], [np.nan, 0.4]])
        low, high = metrics.bootstrap_mean_interval(values, seed=1)
        assert np.isnan([low[0], high[0]]).all()
        assert 0.3 <= low[1] <= 0.4 <= high[1] <= 0.5

    def test_two_viewers_give_their_range(self):
        low, high = metrics.bootstrap_mean_interval(np.array([[0.2], [0.6]]), seed=1)
        assert (low[0], high[0]) == pytest.approx((0.2, 0.6))

    def test_viewers_who_agree_give_no_width(self):
        low, high = metrics.bootstrap_mean_interval(np.full((6, 1), 0.25), seed=1)
        assert (low[0], high[0]) == pytest.approx((0.25, 0.25))

    def test_many_viewers_agree_with_theory(self):
        values = np.random.default_rng(2).normal(0.1, 0.3, size=(400, 1))
        low, high = metrics.bootstrap_mean_interval(values, seed=1)
        error = values.std(ddof=1) / 20
        assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
        assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)

    def test_covers_the_truth_as_often_as_it_says(self):
        rng = np.random.default_rng(3)
        covered = 0
        for k in range(400):
            low, high = metrics.bootstrap_mean_interval(rng.normal(0.1, 0.3, size=(12, 1)), seed=k, draws=1000)
            covered += low[0] <= 0.1 <= high[0]
        assert 0.93 <= covered / 400 <= 0.97

    def test_nobody(self):
        low, high = metrics.bootstrap_mean_interval(np.empty((0, 2)), seed=1)
        assert np.isnan([*low, *high]).all()


class TestMoments:
    def test_peak_trough_and_rise(self):
        found = metrics.valence_moments(np.array([0.0, -0.1, 0.3, 0.4, 0.2]))
        assert [(m.kind, m.second) for m in found] == [("peak", 3), ("trough", 1), ("steepest_rise", 2)]
        assert [m.value for m in found] == pytest.approx([0.4, -0.1, 0.4])

    def test_a_rise_needs_neighbouring_seconds(self):
        found = metrics.valence_moments(np.array([0.0, np.nan, 0.9, 0.8, 0.85]))
        assert [(m.kind, m.second) for m in found] == [("peak", 2), ("trough", 0), ("steepest_rise", 4)]

    def test_falling_curve_has_no_rise(self):
        assert [m.kind for m in metrics.valence_moments(np.array([0.3, 0.2, 0.1]))] == ["peak", "trough"]

    @pytest.mark.parametrize("curve", [[0.1, 0.2], [np.nan] * 5, [0.2, 0.2, 0.2], [0.1, np.nan, 0.3, np.nan]])
    def test_too_little_to_say(self, curve):
        assert metrics.valence_moments(np.array(curve)) == []

    def test_attraction_looks_at_eight_seconds(self):
        curve = np.zeros((10, 7))
        curve[:, EMOTIONS.index("surprise")] = [0, 0.1, np.nan, 0.3, 0, 0, 0, 0.2, 0.9, 0.9]
        found = metrics.attraction_moment(curve)
        assert (found.second, found.value) == (3, 0.3)
        assert metrics.attraction_moment(np.full((3, 7), np.nan)) is None

    def test_impact_is_the_mean_of_peak_and_end(self):
        curve = np.zeros((3, 7))
        curve[:, EMOTIONS.index("happy")] = [0.2, 0.8, 0.4]
        found = metrics.impact(curve, 0.4)
        assert (found.second, found.value) == (1, pytest.approx(0.6))
        assert metrics.impact(curve, math.nan) is None

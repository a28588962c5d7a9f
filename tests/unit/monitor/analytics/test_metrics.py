"""The formulas, each against numbers calculated by hand, and the laws that hold for all data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.read.formulas import RolledPlay, roll_up
from db.read.sessions import ReadingArrays
from detector.emotion.labels import EMOTIONS
from monitor.analytics import metrics


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_emotions_are_those_of_the_database():
    from db.schema import EMOTION_COLUMNS

    assert tuple(f"p_{emotion}" for emotion in EMOTIONS) == EMOTION_COLUMNS


def rolled(rows, *, end=None, duration_s=8.0):
    """Roll-ups of `(play, viewer, at_us, attentive)`, all plays from 0 on; positions are times."""
    n = len(rows)
    play, viewer, at_us, attentive = (
        np.array([row[k] for row in rows], dtype=np.int64) for k in range(4)
    )
    plays = [
        RolledPlay(int(number), 1, -1, 0, end, round(duration_s * 1000))
        for number in np.unique(play)
    ]
    none = np.full(n, np.nan)
    readings = ReadingArrays(
        play_id=play,
        viewer=viewer,
        at_us=at_us,
        position_ms=at_us / 1000.0,
        probabilities=np.full((n, 7), np.nan),
        valence=none,
        expressiveness=none,
        uncertain=np.ones(n, dtype=bool),
        attentive=attentive.astype(bool),
        withheld=np.zeros(n, dtype=np.int8),
    )
    return roll_up(plays, readings)


def exposures(attentive, at_us, *, end=None):
    found, _ = rolled(
        [(1, 1, at, look) for at, look in zip(at_us, attentive, strict=True)], end=end
    )
    return found


def watchers(found) -> int:
    return metrics.audience(found).watchers


class TestExposures:
    def test_dwell_and_attention(self):
        found = exposures([1, 1, 0, 1], [0, 200_000, 400_000, 600_000])
        # Ten readings a second: each stands for 0.15 s at most.
        assert found.dwell_s.tolist() == [0.6]
        assert found.attention_s.tolist() == pytest.approx([0.45])
        assert found.longest_attention_s.tolist() == [0.3]
        assert watchers(found) == 0

    def test_a_slow_camera_has_longer_intervals(self):
        found = exposures([1] * 8, range(0, 2_000_000, 250_000), end=2_000_000)
        assert found.dwell_s.tolist() == [2.0]
        # A hole of two seconds: 0.25 and 1.5 times as much, before and after it the same.
        times = [*range(0, 1_000_000, 250_000), *range(2_750_000, 3_750_000, 250_000)]
        assert exposures([1] * 8, times).dwell_s.tolist() == [0.75 + 0.375 + 1.0]

    def test_exactly_half_a_second_makes_a_watcher(self):
        # Ten times 0.05 s, which as a sum of floats in seconds would fall short of 0.5.
        found = exposures([1] * 10, range(0, 500_000, 50_000))
        assert found.longest_attention_s.tolist() == [0.5]
        assert watchers(found) == 1

    def test_one_microsecond_less_does_not(self):
        found = exposures([1] * 10, range(0, 500_000, 50_000), end=499_999)
        assert watchers(found) == 0

    def test_looking_away_interrupts(self):
        found = exposures([1, 1, 1, 0, 1, 1, 1], range(0, 700_000, 100_000))
        assert found.longest_attention_s.tolist() == [0.3]

    def test_a_hole_without_readings_interrupts(self):
        found = exposures([1, 1, 1], [0, 100_000, 900_000])
        # 0.1 + 0.15 (at most) before the hole; the median of 0.1 and 0.8, 0.15 at most, after it.
        assert found.longest_attention_s.tolist() == [0.25]
        assert found.dwell_s.tolist() == pytest.approx([0.4])

    def test_audience_counts_viewers_not_plays(self):
        tenth = 100_000
        rows = [(1, 5, k * tenth, k < 4 or k > 5) for k in range(40)] + [
            (1, 6, k * tenth, k < 2) for k in range(10)
        ]
        found, _ = rolled([*rows, *((2, 5, k * tenth, k < 5) for k in range(20))])
        people = metrics.audience(found, 7.0)
        assert (people.opportunities, people.exposures, people.watchers, people.held) == (
            2,
            3,
            1,
            1,
        )
        assert people.conversion == 0.5
        assert people.dwell_s == 7.0
        assert people.attention_s == pytest.approx(3.8 + 0.2 + 0.5)
        assert people.attraction_ratio == pytest.approx(4.5 / 7)
        assert people.mean_dwell_s == 2.0  # (mean of 4 and 2, and 1) / 2
        assert (
            metrics.audience(found, 8.0).held == 0
        )  # less than half of eight seconds in one showing

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
            st.tuples(
                st.integers(1, 3), st.integers(1, 4), st.integers(0, 5_000_000), st.booleans()
            ),
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

    found, _ = rolled(rows, end=end)
    assert (found.dwell_s >= 0).all()
    assert (found.dwell_s <= 0.75 * found.readings).all()
    assert (found.attention_s <= found.dwell_s).all()
    assert (found.longest_attention_s <= found.attention_s).all()
    people = metrics.audience(found)
    assert people.attention_s <= people.dwell_s
    assert people.watchers <= people.opportunities <= people.exposures
    shuffled = list(rows)
    random.shuffle(shuffled)
    again, _ = rolled(shuffled, end=end)
    assert again.dwell_s.tolist() == found.dwell_s.tolist()
    assert again.longest_attention_s.tolist() == found.longest_attention_s.tolist()


class TestCurves:
    def test_viewer_means_do_not_weigh_by_readings(self):
        sums = np.array([[0.3], [0.6], [1.0], [0.0]])
        assert metrics.viewer_means(ints(1, 1, 2, 3), sums, ints(1, 2, 1, 0))[
            :, 0
        ].tolist() == pytest.approx([0.3, 1.0])

    def test_curves_know_who_was_there_in_which_second(self):
        second = ints(0, 0, 2)
        assert metrics.mean_by_second(
            np.array([0.3, 1.0, 0.5]), second, 3
        ).tolist() == pytest.approx([0.65, math.nan, 0.5], nan_ok=True)
        assert metrics.median_by_second(
            np.array([0.3, 1.0, 0.5]), second, 3
        ).tolist() == pytest.approx([0.65, math.nan, 0.5], nan_ok=True)


class TestMoments:
    def test_peak_trough_and_rise(self):
        found = metrics.valence_moments(np.array([0.0, -0.1, 0.3, 0.4, 0.2]))
        assert [(m.kind, m.second) for m in found] == [
            ("peak", 3),
            ("trough", 1),
            ("steepest_rise", 2),
        ]
        assert [m.value for m in found] == pytest.approx([0.4, -0.1, 0.4])

    def test_a_rise_needs_neighbouring_seconds(self):
        found = metrics.valence_moments(np.array([0.0, np.nan, 0.9, 0.8, 0.85]))
        assert [(m.kind, m.second) for m in found] == [
            ("peak", 2),
            ("trough", 0),
            ("steepest_rise", 4),
        ]

    def test_falling_curve_has_no_rise(self):
        assert [m.kind for m in metrics.valence_moments(np.array([0.3, 0.2, 0.1]))] == [
            "peak",
            "trough",
        ]

    @pytest.mark.parametrize(
        "curve", [[0.1, 0.2], [np.nan] * 5, [0.2, 0.2, 0.2], [0.1, np.nan, 0.3, np.nan]]
    )
    def test_too_little_to_say(self, curve):
        assert metrics.valence_moments(np.array(curve)) == []

    def test_attention_drop_is_the_largest_fall(self):
        found = metrics.attention_drop(np.array([1.0, 0.9, np.nan, 0.5, 0.1, 0.2]))
        assert (found.kind, found.second, found.value) == ("attention_drop", 4, pytest.approx(0.4))

    @pytest.mark.parametrize(
        "curve", [[0.9, 0.1], [0.1, 0.2, 0.3], [0.9, np.nan, 0.1, np.nan, 0.0], [np.nan] * 4]
    )
    def test_no_attention_drop(self, curve):
        assert metrics.attention_drop(np.array(curve)) is None

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


@pytest.mark.parametrize(
    ("smiling", "plays", "viewers"), [(0.03, 10, 6), (0.1, 20, 3), (0.1, 40, 8)]
)
def test_intervals_of_shares_cover_what_they_promise(smiling, plays, viewers):
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(plays), viewers)
    covered = 0
    for _ in range(300):
        # Scores as of real faces: a smile is mostly seen, and seen in hardly any other face.
        smiles = rng.random(group.size) < smiling
        scores = np.where(
            smiles, rng.normal(1.0, 0.35, group.size), rng.normal(0, 0.06, group.size)
        )
        found = metrics.audience_mean(scores, group, share=True)
        covered += found.low <= smiling <= found.high
        assert 0 <= found.low <= found.value <= found.high <= 1
    assert covered / 300 >= 0.92


def test_the_mean_of_nobody_and_of_one_group():
    assert math.isnan(metrics.audience_mean(np.empty(0), np.empty(0, np.int64)).value)
    alone = metrics.audience_mean(np.array([0.25, 0.75]), np.zeros(2, np.int64), share=True)
    assert alone.value == 0.5
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)


def test_neutral_viewers_leave_room_for_a_smile_in_the_interval():
    found = metrics.audience_mean(np.zeros(60), np.arange(60), share=True)
    assert (found.value, found.low) == (0, 0)
    assert 0.03 < found.high < 0.06

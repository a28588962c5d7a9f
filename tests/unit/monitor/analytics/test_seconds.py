"""Shrunk curves and the test of the largest of all means, against simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.analytics.seconds import Means, curve_of, falls, first_plays, largest_p, shrink


def flat(seed, viewers=60, clusters=30, k=10, *, effect=0.0, spread=0.2, memory=0.5):
    """A curve of viewers who differ from each other and wander; `effect` in second 4."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(viewers, k))
    for place in range(1, k):
        values[:, place] = memory * values[:, place - 1] + np.sqrt(1 - memory**2) * values[:, place]
    values = 0.1 + rng.normal(0, 0.3, (viewers, 1)) + spread * values
    values[:, 4] += effect
    there = rng.random((viewers, k)) < 0.9
    viewer, second = np.nonzero(there)
    return curve_of(viewer, second, values[there], rng.integers(0, clusters, viewers))


# --- the curve ------------------------------------------------------------------------------------


def test_a_curve_by_hand():
    viewer, second = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 1, 2, 0, 1, 2, 1])
    values = np.array([0.0, 0.3, 0.0, 0.5, 0.5, 0.8, 9.0])
    curve = curve_of(viewer, second, values, np.array([7, 8, 8]))
    # The third viewer was there for one second, which differs from nothing.
    assert curve.level == pytest.approx((0.1 + 0.6) / 2)
    assert curve.deviation == pytest.approx([-0.1, 0.05, 0.05])
    assert curve.viewers.tolist() == [2, 2, 2]
    assert curve.sums == pytest.approx(np.array([[-0.05, 0.1, -0.05], [-0.05, -0.05, 0.1]]))
    assert curve.level_error == pytest.approx(0.25)


def test_people_who_come_and_go_make_no_peak():
    """The friendliest viewer is there in second 1 only."""
    viewer, second = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 1, 2])
    curve = curve_of(viewer, second, np.array([0.1, 0.1, 0.1, 0.9, 0.9]), np.array([0, 1]))
    assert curve.deviation == pytest.approx([0, 0, 0])


def test_too_little_gives_no_curve():
    three = np.array([0, 1, 2])
    assert curve_of(np.zeros(3, int), three, np.ones(3), np.array([5])) is None
    assert curve_of(np.array([0, 0, 1, 1]), np.array([0, 1] * 2), np.ones(4), np.arange(2)) is None
    viewer, second = np.repeat([0, 1], 3), np.tile(three, 2)
    assert curve_of(viewer, second, np.ones(6), np.arange(2)) is not None
    assert curve_of(viewer, second, np.ones(6), np.arange(2), min_viewers=3) is None
    assert curve_of(viewer, second, np.full(6, np.nan), np.arange(2)) is None


def test_viewers_belong_to_the_first_play():
    viewers, plays = first_plays(np.array([3, 2, 3, 2]), np.array([9, 8, 4, 11]))
    assert (viewers.tolist(), plays.tolist()) == ([2, 3], [8, 4])


def test_the_covariance_is_that_of_repeated_sessions():
    curves = [flat(seed) for seed in range(300)]
    expected = np.cov(np.array([curve.deviation for curve in curves]).T)
    mean = np.mean([curve.covariance() for curve in curves], axis=0)
    assert np.diag(mean) == pytest.approx(np.diag(expected), rel=0.3)
    assert np.diagonal(mean, 1).mean() == pytest.approx(np.diagonal(expected, 1).mean(), rel=0.5)


# --- shrunk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewers", [20, 60, 300])
def test_the_best_of_a_flat_curve_is_shrunk_and_covered(viewers):
    raw, shrunk, covered = [], [], []
    for seed in range(100):
        curve = flat(seed, viewers, clusters=max(10, viewers // 3))
        best = int(curve.deviation.argmax())
        found = shrink(curve).at(int(curve.seconds[best]))
        raw.append(curve.deviation[best])
        shrunk.append(found.value - curve.level)
        covered.append(found.low <= 0.1 <= found.high)
    assert np.mean(shrunk) < 0.45 * np.mean(raw)
    assert np.mean(covered) >= 0.89


def test_a_real_peak_stays():
    values, covered = [], []
    for seed in range(100):
        curve = flat(seed, 300, clusters=100, effect=0.2)
        found = shrink(curve).at(4)
        values.append(found.value)
        covered.append(found.low <= 0.3 <= found.high)
    assert np.mean(values) == pytest.approx(0.3, abs=0.02)
    assert np.mean(covered) >= 0.88


def test_a_change_is_the_difference_of_two_seconds():
    shrunk = shrink(flat(1, effect=0.3))
    rise = shrunk.change(4)
    assert rise.value == pytest.approx(shrunk.at(4).value - shrunk.at(3).value)
    assert rise.low < rise.value < rise.high
    assert shrunk.change(0) is None
    assert shrunk.at(99) is None
    assert ((-rise).low, (-rise).high) == (-rise.high, -rise.low)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 40), st.floats(0, 1))
def test_a_shrunk_curve_lies_in_its_intervals(seed, viewers, spread):
    curve = flat(seed, viewers, clusters=8, spread=spread)
    if curve is None:
        return
    shrunk = shrink(curve)
    assert np.isfinite(shrunk.mean).all()
    precision = np.linalg.inv(curve.covariance())
    size = [values @ precision @ values for values in (shrunk.mean, curve.deviation)]
    assert size[0] <= size[1] * (1 + 1e-6)
    for second in curve.seconds.tolist():
        found = shrunk.at(second)
        assert found.low <= found.value <= found.high


# --- tests ----------------------------------------------------------------------------------------


def test_falls_compare_up_to_four_seconds_on_either_side():
    curve = flat(3, k=10)
    seconds, weights = falls(curve)
    assert seconds.tolist() == list(range(1, 10))
    assert weights[0].tolist() == [1, -0.25, -0.25, -0.25, -0.25, 0, 0, 0, 0, 0]
    assert weights[4].tolist() == [0] + 4 * [0.25] + 4 * [-0.25] + [0]
    assert weights.sum(axis=1) == pytest.approx(np.zeros(9))


def test_nothing_is_found_in_one_of_twenty_reports():
    false = 0
    for seed in range(120):
        curves = [flat(1000 * seed + ad, clusters=20) for ad in range(3)]
        kinds = [[Means.seconds(c) for c in curves], [Means.falls(c) for c in curves]]
        false += min(p.min() for p in largest_p(kinds, seed=seed)) < 0.05
    assert 1 <= false <= 13


def test_a_quiet_second_of_a_few_strong_faces_is_not_certain():
    """One viewer in five smiles once; a second without a smile has no spread of its own."""
    false = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        begin = rng.integers(-1, 10, 60)
        smiles = (rng.random(60) < 0.2)[:, None] & (np.abs(np.arange(10) - begin[:, None]) < 2)
        viewer, second = np.divmod(np.arange(600), 10)
        curve = curve_of(viewer, second, 0.8 * smiles.ravel(), np.arange(60))
        false += largest_p([[Means.seconds(curve)]], seed=seed)[0].min() < 0.05
    assert false <= 12


def test_a_peak_and_a_fall_are_found():
    peak, quiet = flat(5, effect=0.25), flat(6)
    found, other = largest_p([[Means.seconds(peak), Means.seconds(quiet)]], seed=1)
    assert (int(found.argmin()), found.min() < 0.01, other.min() > 0.05) == (4, True, True)
    rng = np.random.default_rng(2)
    looks = rng.random((80, 10)) < np.where(np.arange(10) < 5, 0.8, 0.4)
    viewer, second = np.divmod(np.arange(800), 10)
    fall = curve_of(viewer, second, looks.ravel().astype(float), np.arange(80) // 2)
    (p,) = largest_p([[Means.falls(fall)]], seed=1)
    seconds, weights = falls(fall)
    assert seconds[(weights @ fall.deviation).argmax()] == 5
    assert p[4] < 0.01
    # A rise is no fall.
    back = curve_of(viewer, 9 - second, looks.ravel().astype(float), np.arange(80) // 2)
    assert largest_p([[Means.falls(back)]], seed=1)[0].min() > 0.1


def test_few_plays_and_still_curves_claim_nothing():
    few = flat(5, clusters=5, effect=0.5)
    assert (largest_p([[Means.seconds(few)]], seed=1)[0] == 1).all()
    still = curve_of(*np.divmod(np.arange(300), 10), np.full(300, 0.4), np.arange(30))
    assert (largest_p([[Means.seconds(still)], [Means.falls(still)]], seed=1)[0] == 1).all()
    assert largest_p([[], []], seed=1) == []


def test_many_plays_are_added_up_without_losing_a_peak():
    curve = flat(7, viewers=2000, clusters=1500, effect=0.1)
    tested = Means.seconds(curve)
    assert tested.sums.shape[0] == 200
    assert tested.sums.sum(axis=0) == pytest.approx(curve.deviation)
    (p,) = largest_p([[tested]], seed=1)
    assert (int(p.argmin()), p.min() < 0.01) == (4, True)

"""The bootstrap: its intervals, and parts that add up however the units are cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.analytics import resampling as module
from monitor.analytics.resampling import bootstrap_mean_interval, poisson_weights, weighted_sums

KEY = (17, 2**64 - 1)


def interval(values, **options):
    """Limits for a table of viewers and seconds, NaN where a viewer was not there."""
    values = np.asarray(values, dtype=np.float64)
    viewer, second = np.nonzero(np.isfinite(values))
    return bootstrap_mean_interval(
        viewer, second, values[viewer, second], values.shape[1], **options
    )


class TestBootstrap:
    def test_same_seed_same_interval(self):
        values = np.random.default_rng(0).random((20, 3))
        assert np.array_equal(interval(values, seed=5), interval(values, seed=5))
        assert not np.array_equal(interval(values, seed=5), interval(values, seed=6))

    def test_one_viewer_gives_no_interval(self):
        low, high = interval([[0.1, 0.3], [np.nan, 0.5], [np.nan, 0.4]], seed=1)
        assert np.isnan([low[0], high[0]]).all()
        assert 0.3 <= low[1] <= 0.4 <= high[1] <= 0.5

    def test_two_viewers_give_their_range(self):
        low, high = interval([[0.2], [0.6]], seed=1)
        assert (low[0], high[0]) == pytest.approx((0.2, 0.6))

    def test_viewers_who_agree_give_no_width(self):
        low, high = interval(np.full((6, 1), 0.25), seed=1)
        assert (low[0], high[0]) == pytest.approx((0.25, 0.25))

    def test_many_viewers_agree_with_theory(self):
        values = np.random.default_rng(2).normal(0.1, 0.3, size=(400, 1))
        low, high = interval(values, seed=1)
        error = values.std(ddof=1) / 20
        assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
        assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)

    def test_groups_are_drawn_with_all_their_viewers(self):
        values = np.random.default_rng(3).normal(0, 0.3, 20)
        four = np.repeat(np.arange(20), 4)
        limits = [
            bootstrap_mean_interval(unit, np.zeros_like(unit), each, 1, seed=1)
            for unit, each in ((four, values[four]), (np.arange(20), values))
        ]
        assert np.allclose(*limits)

    def test_the_interval_covers_the_truth_before_groups(self):
        covered = {"group": 0, "viewer": 0}
        for run in range(100):
            rng = np.random.default_rng(run)
            group = np.repeat(np.arange(12), 5)
            values = rng.normal(0, 0.2, 12)[group] + rng.normal(0, 0.2, 60)
            for name, unit in (("group", group), ("viewer", np.arange(60))):
                low, high = bootstrap_mean_interval(
                    unit, np.zeros_like(unit), values, 1, seed=run, draws=500
                )
                covered[name] += low[0] <= 0 <= high[0]
        assert covered["group"] >= 90
        assert covered["viewer"] <= 80

    def test_nobody(self):
        low, high = interval(np.empty((0, 2)), seed=1)
        assert np.isnan([*low, *high]).all()


class TestManyUnits:
    @pytest.fixture(autouse=True)
    def split(self, monkeypatch):
        monkeypatch.setattr(module, "SPLIT_UNITS", 2)

    @staticmethod
    def crowd(units=300, seconds=8, seed=4):
        values = np.random.default_rng(seed).normal(0.1, 0.3, size=(units, seconds))
        values[np.random.default_rng(seed + 1).random(values.shape) < 0.5] = np.nan
        return values

    @pytest.mark.parametrize("cells", [1, 7, 100, 10**9])
    def test_parts_of_any_size_in_any_order_give_the_same_bits(self, monkeypatch, cells):
        values = self.crowd()
        seen = np.isfinite(values).any(axis=1).sum()
        whole = interval(values, seed=[3, 1])
        monkeypatch.setattr(module, "PART_CELLS", cells)
        counts = []

        def backwards(function, parts):
            parts = list(parts)
            counts.append(len(parts))
            assert sum(part.above.shape[1] for part in parts) == seen
            return map(function, reversed(parts))

        assert np.array_equal(whole, interval(values, seed=[3, 1], workers=backwards))
        assert (counts[0] > 1) == (cells < 1000)

    def test_another_seed_or_stream_gives_other_draws(self):
        values = self.crowd()
        assert not np.array_equal(interval(values, seed=[3, 1]), interval(values, seed=[3, 2]))
        assert not np.array_equal(interval(values, seed=[3, 1]), interval(values, seed=[4, 1]))

    def test_means_are_those_of_the_weights(self):
        values = self.crowd(units=50)
        parts = []

        def kept(function, given):
            parts.extend(given)
            return map(function, parts)

        low, high = interval(values, seed=1, draws=500, workers=kept)
        weights = np.vstack(
            [poisson_weights(part.key, part.first, part.above.shape[1], 500) for part in parts]
        )
        there = np.isfinite(values)
        means = (np.nan_to_num(values).T @ weights) / (there.T @ weights)
        n = there.sum(axis=0)
        for k in range(values.shape[1]):
            level = module.expanded_level(n[k] - 1, math.sqrt(n[k] / (n[k] - 1)))
            expected = np.quantile(means[k], [level, 1 - level])
            assert (low[k], high[k]) == pytest.approx(tuple(expected), abs=1e-9)

    @pytest.mark.parametrize("size", [1e-300, 1e-6, 1.0, 1e300])
    def test_values_of_any_size_keep_their_digits(self, size):
        values = self.crowd()
        low, high = interval(values, seed=1)
        scaled = interval(values * size, seed=1)
        assert np.allclose(np.divide(scaled, size), (low, high), rtol=0, atol=1e-9)
        assert not np.any(interval(np.zeros((5, 1)), seed=1))

    def test_many_viewers_agree_with_theory(self):
        values = np.random.default_rng(2).normal(0.1, 0.3, size=(400, 1))
        low, high = interval(values, seed=1)
        error = values.std(ddof=1) / 20
        assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
        assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)

    def test_the_interval_covers_the_truth(self):
        covered = 0
        for run in range(100):
            values = np.random.default_rng(run).normal(0, 0.2, size=(100, 1))
            low, high = interval(values, seed=run, draws=500)
            covered += low[0] <= 0 <= high[0]
        assert 90 <= covered <= 99


@given(st.integers(0, 2**40), st.integers(1, 20), st.integers(0, 19), st.integers(1, 70))
def test_a_weight_depends_on_its_unit_and_draw_alone(first, units, skipped, draws):
    skipped %= units
    weights = poisson_weights(KEY, first, units, draws)
    later = poisson_weights(KEY, first + skipped, units - skipped, draws)
    assert weights.shape == (units, draws)
    assert np.array_equal(weights[skipped:], later)


def test_weights_are_poisson():
    weights = poisson_weights(KEY, 0, 500, 2000)
    share = np.bincount(weights.ravel(), minlength=9) / weights.size
    expected = [math.exp(-1) / math.factorial(k) for k in range(9)]
    assert share == pytest.approx(expected, abs=0.002)
    # Neither units nor draws go together.
    assert np.abs(np.corrcoef(weights[:20]) - np.eye(20)).max() < 0.12
    assert np.abs(np.corrcoef(weights[:, :20].T) - np.eye(20)).max() < 0.25


def test_no_unit_adds_nothing():
    from scipy.sparse import csc_array

    empty = csc_array((3, 0), dtype=np.int64)
    assert not weighted_sums(module.Part(empty, empty, 5, KEY, 20)).any()

"""The statistics, against SciPy's and against what is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from monitor.analytics.metrics import bootstrap_mean_interval
from monitor.analytics.statistics import (
    MANY_VIEWERS,
    difference_intervals,
    difference_of_means,
    draw_counts,
    expanded_level,
    holm,
    permutation_p,
    viewers_lacking,
)


def apart(first, second):
    """Viewers of one ad each."""
    values = np.full((len(first) + len(second), 2), np.nan)
    values[: len(first), 0], values[len(first) :, 1] = first, second
    return values


@pytest.fixture
def groups():
    rng = np.random.default_rng(3)
    return rng.normal(0.0, 0.2, 14), rng.normal(0.3, 0.5, 19)


def test_without_common_viewers_it_is_welchs_test(groups):
    found, welch = difference_of_means(apart(*groups)), stats.ttest_ind(*groups, equal_var=False)
    assert found.value == pytest.approx(groups[0].mean() - groups[1].mean())
    assert found.value / found.error == pytest.approx(welch.statistic)
    assert found.degrees == pytest.approx(welch.df)
    assert (found.first_viewers, found.second_viewers, found.common_viewers) == (14, 19, 0)
    assert found.first_spread == pytest.approx(groups[0].std(ddof=1))


def test_with_only_common_viewers_it_is_the_paired_test(groups):
    first = groups[0]
    pairs = np.column_stack([first, first + np.random.default_rng(1).normal(0.1, 0.1, first.size)])
    found, paired = difference_of_means(pairs), stats.ttest_rel(pairs[:, 0], pairs[:, 1])
    assert found.value / found.error == pytest.approx(paired.statistic)
    assert found.degrees == paired.df
    assert found.inflation == pytest.approx(math.sqrt(14 / 13))
    assert found.common_viewers == 14


def test_an_overlap_lies_between(groups):
    first = groups[0]
    pairs = np.column_stack([first, first + np.random.default_rng(1).normal(0.1, 0.1, first.size)])
    some = pairs.copy()
    some[:5, 0], some[5:9, 1] = np.nan, np.nan
    found = difference_of_means(some)
    welch = stats.ttest_ind(first[5:], some[np.isfinite(some[:, 1]), 1], equal_var=False)
    assert found.common_viewers == 5
    assert 4 < found.degrees < welch.df
    # What the values of one viewer have in common takes from the error, and less than with all in
    # common.
    apart_error = difference_of_means(apart(first[5:], some[np.isfinite(some[:, 1]), 1])).error
    assert difference_of_means(pairs).error < found.error < apart_error


def test_the_p_value_is_that_of_scipys_permutation_test(groups):
    def welch(x, y, axis):
        return np.abs(stats.ttest_ind(x, y, equal_var=False, axis=axis).statistic)

    known = stats.permutation_test(
        groups,
        welch,
        alternative="greater",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    found = permutation_p(apart(*groups), seed=1, permutations=20_000)
    # Two draws of 20,000: three standard errors of their difference.
    assert found == pytest.approx(known.pvalue, abs=3 * math.sqrt(2 * known.pvalue / 20_000))
    assert found == pytest.approx(stats.ttest_ind(*groups, equal_var=False).pvalue, rel=0.4)


def test_the_p_value_of_pairs_counts_all_swaps():
    pairs = np.column_stack(
        [[0.5, 0.4, 0.7, 0.3, 0.6, 0.2, 0.5], [0.1, 0.3, 0.2, 0.1, 0.1, 0.1, 0.2]]
    )
    # Every viewer prefers the first ad, so of the 2^7 ways to swap only two differ as much.
    found = permutation_p(pairs, seed=1, permutations=20_000)
    assert found == pytest.approx(2 / 2**7, rel=0.15)


def test_the_p_value_of_few_viewers_cannot_be_small():
    # Of the six ways to give two of four viewers the first ad, the real one and its mirror image
    # differ most.
    found = permutation_p(apart([0.9, 0.9], [-0.9, -0.9]), seed=1)
    assert found == pytest.approx(1 / 3, rel=0.15)


def test_constant_values_differ_never():
    assert permutation_p(apart([0.3] * 5, [0.3] * 7), seed=1) == 1.0
    assert permutation_p(apart([0.1 + 0.2] * 3000, [0.3] * 3000), seed=1) == 1.0


def test_rounding_errors_are_no_difference():
    # Equal values, of which some permutations differ by less in their last bits than the real order
    # does.
    values = apart([0.0, 0.1, 0.7], [0.0, 0.1, 0.7])
    assert permutation_p(values, seed=1) == 1.0


def test_values_without_spread_that_differ():
    values = apart([1.0] * 10, [0.0] * 10)
    assert permutation_p(values, seed=1) == pytest.approx(1 / 2001)
    assert difference_intervals(values, seed=1) == [(1.0, 1.0)]
    assert permutation_p(
        apart([1.0] * MANY_VIEWERS, [0.0] * MANY_VIEWERS), seed=1
    ) == pytest.approx(1 / 2001)


def test_many_viewers_are_where_both_ways_agree():
    rng = np.random.default_rng(5)
    half = MANY_VIEWERS // 2
    first, second = rng.normal(0.0, 0.3, half + 1), rng.normal(0.03, 0.4, half)
    by_t = apart(first, second)
    by_draws = by_t[1:]
    p, drawn_p = permutation_p(by_t, seed=1), permutation_p(by_draws, seed=1, permutations=4000)
    assert p == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue)
    assert drawn_p == pytest.approx(p, abs=0.02)
    (limits,), (drawn,) = difference_intervals(by_t, seed=1), difference_intervals(by_draws, seed=1)
    assert drawn == pytest.approx(limits, abs=0.003)
    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert limits == pytest.approx((interval.low, interval.high))


def test_intervals_are_close_to_welchs_and_nested(groups):
    wide, narrow = difference_intervals(apart(*groups), seed=1, confidences=(0.95, 0.9))
    welch = stats.ttest_ind(*groups, equal_var=False)
    for found, confidence in ((wide, 0.95), (narrow, 0.9)):
        interval = welch.confidence_interval(confidence)
        assert found == pytest.approx(
            (interval.low, interval.high), abs=0.06 * (interval.high - interval.low)
        )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_level_of_a_mean_is_the_one_of_the_metrics():
    values = np.random.default_rng(2).normal(0.0, 1.0, (9, 1))
    nine = np.arange(9)
    low, high = bootstrap_mean_interval(nine, np.zeros_like(nine), values[:, 0], 1, seed=4)
    rng = np.random.default_rng(4)
    means = np.concatenate([times @ values[:, 0] / 9 for times in draw_counts(9, 2000, rng)])
    level = expanded_level(8, math.sqrt(9 / 8))
    assert tuple(np.quantile(means, [level, 1 - level])) == pytest.approx((low[0], high[0]))
    assert expanded_level(1e9, 1.0) == pytest.approx(0.025, abs=1e-6)
    assert expanded_level(8, math.sqrt(9 / 8)) < 0.01


def test_draws_come_in_pieces_and_keep_the_number_of_viewers():
    pieces = list(draw_counts(3_000, 1500, np.random.default_rng(0)))
    assert len(pieces) > 1
    assert sum(len(piece) for piece in pieces) == 1500
    assert all((piece.sum(axis=1) == 3_000).all() for piece in pieces)


def test_the_same_seed_gives_the_same_figures(groups):
    values = apart(*groups)
    assert permutation_p(values, seed=[7, 1]) == permutation_p(values, seed=[7, 1])
    assert difference_intervals(values, seed=7) == difference_intervals(values, seed=7)
    assert difference_intervals(values, seed=7) != difference_intervals(values, seed=8)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
    ],
)
def test_holm_by_hand(raw, adjusted):
    assert holm(raw) == pytest.approx(adjusted)


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0.0, 1.0)))
def test_holm_never_makes_a_p_value_smaller_and_keeps_their_order(raw):
    adjusted = np.array(holm(raw.tolist()))
    assert (adjusted >= raw).all()
    assert (adjusted <= 1.0).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()
    # Never beyond Bonferroni's correction.
    assert (adjusted <= np.minimum(1.0, raw * raw.size) + 1e-12).all()


def test_viewers_lacking_is_the_textbooks_formula():
    first, second = np.array([-0.3, 0.3] * 5), np.array([-0.6, 0.6] * 5)
    found = difference_of_means(apart(first, second))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    textbook = math.ceil(z**2 * (found.first_spread**2 + found.second_spread**2) / 0.2**2)
    assert viewers_lacking(found, 0.2, power=0.8, level=0.05) == textbook - 10
    assert viewers_lacking(found, 5.0, power=0.8, level=0.05) == 0
    stricter = viewers_lacking(found, 0.2, power=0.8, level=0.005)
    assert stricter > textbook - 10
    assert viewers_lacking(found, 0.2, power=0.95, level=0.05) > textbook - 10


def test_viewers_lacking_of_unequal_groups_reaches_the_error_that_is_needed():
    rng = np.random.default_rng(0)
    found = difference_of_means(apart(rng.normal(0, 0.3, 12), rng.normal(0, 0.8, 50)))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)

    def error(more):
        return math.sqrt(found.first_spread**2 / (12 + more) + found.second_spread**2 / (50 + more))

    lacking = viewers_lacking(found, 0.15, power=0.8, level=0.05)
    assert z * error(lacking) <= 0.15 < z * error(lacking - 1)

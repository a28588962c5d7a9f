"""The statistics, against SciPy's and against what is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from monitor.analytics.resampling import bootstrap_mean_interval
from monitor.analytics.statistics import (
    Estimate,
    Interval,
    clustered_difference,
    clustered_mean,
    draw_counts,
    expanded_level,
    holm,
    holm_counts,
    looking_drift,
    looking_interval,
    looking_p_value,
    numbered,
    viewers_lacking,
)


@pytest.fixture
def groups():
    rng = np.random.default_rng(3)
    return rng.normal(0.0, 0.2, 14), rng.normal(0.3, 0.5, 19)


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


# --- groups of viewers ----------------------------------------------------------------------------


def contrast(first, second, groups=None, strata=None):
    """The first ad's viewers, then the second's, with equal weights."""
    values = np.concatenate([first, second])
    groups = np.arange(values.size) if groups is None else groups
    return clustered_difference(
        values, np.ones(values.size), np.arange(values.size) < len(first), groups, strata
    )


def same_as(found, known):
    interval = known.confidence_interval()
    assert found.value / found.error == pytest.approx(known.statistic)
    assert found.degrees == pytest.approx(known.df)
    assert found.p_value() == pytest.approx(known.pvalue)
    assert (found.interval().low, found.interval().high) == pytest.approx(
        (interval.low, interval.high)
    )


def test_groups_of_one_viewer_give_welchs_test(groups):
    found = contrast(*groups)
    same_as(found, stats.ttest_ind(*groups, equal_var=False))
    assert (found.first_groups, found.second_groups, found.groups) == (14, 19, 33)
    assert (found.first_effective, found.second_effective) == pytest.approx((14, 19))
    assert (found.first_mean, found.second_mean) == pytest.approx([g.mean() for g in groups])
    assert found.first_spread == pytest.approx(groups[0].std(ddof=1))


@pytest.mark.parametrize("how", ["groups", "strata", "both"])
def test_pairs_give_the_paired_test(groups, how):
    first = groups[0]
    second = first + np.random.default_rng(1).normal(0.1, 0.1, first.size)
    pair = np.tile(np.arange(first.size), 2)
    found = contrast(
        first,
        second,
        pair if how != "strata" else None,
        pair if how != "groups" else None,
    )
    same_as(found, stats.ttest_rel(first, second))


def test_groups_of_equal_size_give_the_test_of_their_means():
    rng = np.random.default_rng(4)
    values = rng.normal(0, 0.3, (12, 5)) + rng.normal(0, 0.3, (12, 1))
    found = contrast(values[:5].ravel(), values[5:].ravel(), np.repeat(np.arange(12), 5))
    means = stats.ttest_ind(values[:5].mean(axis=1), values[5:].mean(axis=1), equal_var=False)
    assert found.value / found.error == pytest.approx(means.statistic)
    assert found.group_size == 5
    assert 0.2 < found.icc < 0.8
    assert found.design_effect == pytest.approx(1 + 4 * found.icc)


def test_a_mean_is_students(groups):
    values = groups[1]
    found = clustered_mean(values, np.ones(values.size), np.arange(values.size))
    same_as(found, stats.ttest_1samp(values, 0.0))


def test_the_error_is_that_of_the_jackknife_and_of_its_influence():
    """Checked group by group, with weights and strata, by leaving each group out."""
    rng = np.random.default_rng(5)
    groups = np.sort(rng.integers(0, 24, 120))
    strata = groups % 4
    values, weights = rng.normal(0, 1, 120), rng.uniform(0.2, 3, 120)
    first = rng.random(120) < 0.4
    found = clustered_difference(values, weights, first, groups, strata)
    design = np.column_stack([first, *(strata == each for each in range(4))]).astype(float)

    def fitted(kept):
        root = np.sqrt(weights[kept])
        return np.linalg.lstsq(design[kept] * root[:, None], values[kept] * root, rcond=None)[0]

    whole = fitted(np.ones(120, bool))
    assert found.value == pytest.approx(whole[0])
    residual = values - design @ whole
    scores = design * (weights * residual)[:, None]
    bread = np.linalg.inv((design * weights[:, None]).T @ design)
    variance = sum(
        (bread @ scores[groups == g].sum(axis=0))[0] * (whole[0] - fitted(groups != g)[0])
        for g in np.unique(groups)
    )
    assert found.error == pytest.approx(math.sqrt(variance))
    assert found.first_effective < first.sum()


def test_strata_take_out_what_hours_bring():
    rng = np.random.default_rng(6)
    evening = rng.random(400) < 0.5
    first = rng.random(400) < np.where(evening, 0.9, 0.1)
    values = rng.normal(0, 0.1, 400) + 0.5 * evening
    plain, within = (
        clustered_difference(values, np.ones(400), first, np.arange(400), strata)
        for strata in (None, evening.astype(int))
    )
    assert plain.value > 0.3
    assert abs(within.value) < 0.05
    assert within.first_effective < 0.5 * first.sum()


@pytest.mark.parametrize(
    ("first", "second", "strata"), [([1.0, 2.0], [1.0], None), ([1.0, 2.0], [3.0], [0, 0, 1])]
)
def test_too_few_groups_have_no_error(first, second, strata):
    found = contrast(first, second, strata=None if strata is None else np.array(strata))
    assert math.isnan(found.error)
    assert math.isnan(found.p_value())
    assert math.isnan(found.interval().low)


def test_values_without_spread():
    assert contrast([0.1 + 0.2] * 30, [0.3] * 30).p_value() == 1.0
    found = contrast([0.5] * 6, [0.3] * 6)
    assert found.interval() == Interval(found.value, found.value, found.value)
    assert 0 < found.p_value(effect=0.1) < 1e-9


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0.0, 1.0)))
def test_holms_counts_decide_as_the_corrected_values_do(raw):
    counts = holm_counts(raw, 0.05)
    for p, adjusted, count in zip(raw, holm(raw), counts, strict=True):
        assert 1 <= count <= raw.size
        assert (p * count < 0.05) == (adjusted < 0.05)


@given(
    st.floats(-3, 3),
    st.floats(1e-3, 10),
    st.floats(1, 500),
    st.one_of(st.none(), st.floats(0.01, 2)),
    st.floats(0.5, 0.999),
)
def test_interval_and_p_value_never_contradict(value, error, degrees, effect, confidence):
    found = Estimate(value, error, degrees, 10)
    interval, p_value = found.interval(confidence, effect=effect), found.p_value(effect=effect)
    assert 0 < p_value <= 1
    assert interval.low <= value <= interval.high
    if abs(p_value - (1 - confidence)) > 1e-9:
        assert (p_value < 1 - confidence) == (interval.low > 0 or interval.high < 0)
    if effect is not None:
        fixed = found.interval(confidence)
        assert interval.low <= fixed.low
        assert fixed.high <= interval.high


def test_the_always_valid_interval_is_robbins():
    found = Estimate(0.2, 0.05, 1e9, 1000).interval(effect=0.1)
    n, rho = 400.0, 4.0
    # Robbins' mixture for a mean of n observations of unit variance, prior variance 1 / (100).
    reach = math.sqrt((rho * n / 400 + 1) / (rho * n / 400) * math.log((rho + 1) / 0.05**2)) * 0.05
    assert found.high - found.value == pytest.approx(reach)


@pytest.mark.parametrize("plays", [10, 40])
def test_equal_ads_before_viewers_in_groups(plays):
    """Intervals hold for viewers of one play who react alike: 1,000 simulated audiences each."""
    fixed, always = [], []
    for run in range(1000):
        rng = np.random.default_rng([plays, run])
        size = np.maximum(1, rng.poisson(3, 2 * plays))
        play = np.repeat(np.arange(2 * plays), size)
        values = rng.normal(0, 0.16, 2 * plays)[play] + rng.normal(0, 0.25, play.size)
        found = clustered_difference(values, np.ones(play.size), play % 2 == 0, play)
        fixed.append(found.p_value() < 0.05)
        always.append(found.p_value(effect=0.1) < 0.05)
    assert 0.03 <= np.mean(fixed) <= 0.07
    assert np.mean(always) < 0.02


# --- looking until a planned end ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "constant"),
    [(1, 1.960), (2, 1.977), (3, 2.004), (5, 2.040), (10, 2.087), (20, 2.126)],
)
def test_the_boundary_is_that_of_the_table(looks, constant):
    found = looking_interval(Estimate(0.0, 1.0, 1e9, 9), 1.0, looks)
    assert found.high == pytest.approx(constant, abs=0.004)


def test_interval_and_p_value_agree_at_every_look():
    for fraction in (0.1, 0.4, 1.0):
        for degrees in (20.0, 150.0):
            edge = looking_interval(Estimate(0.0, 2.0, degrees, 9), fraction, 28).high
            p = looking_p_value(Estimate(edge, 2.0, degrees, 9), fraction, 28)
            assert p == pytest.approx(0.05, abs=1e-4)
    assert looking_p_value(Estimate(0.01, 2.0, 20.0, 9), 1.0, 28) == 1.0


def test_daily_looks_at_nothing_find_something_in_one_of_twenty():
    steps = np.random.default_rng(0).standard_normal((4000, 28)).cumsum(axis=1)
    ratios = np.abs(steps) / np.sqrt(np.arange(1, 29))
    edges = [
        looking_interval(Estimate(0.0, 1.0, 1e9, 9), look / 28, 28).high for look in range(1, 29)
    ]
    assert (ratios > edges).any(axis=1).mean() == pytest.approx(0.05, abs=0.01)
    # With the drift of a power of 80 %.
    drifted = np.abs(steps + looking_drift(0.8) / np.sqrt(28) * np.arange(1, 29))
    found = (drifted / np.sqrt(np.arange(1, 29)) > edges).any(axis=1).mean()
    assert found == pytest.approx(0.8, abs=0.02)


def test_viewers_lacking_is_the_textbooks_formula():
    found = contrast(np.array([-0.3, 0.3] * 5), np.array([-0.6, 0.6] * 5))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    textbook = math.ceil(z**2 * (found.first_spread**2 + found.second_spread**2) / 0.2**2)

    def lacking(difference, power=0.8, level=0.05, **more):
        return viewers_lacking(found, (10, 10), difference, power=power, level=level, **more)

    assert lacking(0.2) == textbook - 10
    assert lacking(5.0) == 0
    assert lacking(0.2, level=0.005) > textbook - 10
    assert lacking(0.2, power=0.95) > textbook - 10
    assert 1.5 * textbook < lacking(0.2, effect=0.2) < 4 * textbook


def test_viewers_lacking_of_unequal_groups_reaches_the_error_that_is_needed():
    rng = np.random.default_rng(0)
    found = contrast(rng.normal(0, 0.3, 12), rng.normal(0, 0.8, 50))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)

    def error(more):
        return math.sqrt(found.first_spread**2 / (12 + more) + found.second_spread**2 / (50 + more))

    lacking = viewers_lacking(found, (12, 50), 0.15, power=0.8, level=0.05)
    assert z * error(lacking) <= 0.15 < z * error(lacking - 1)


def test_viewers_in_groups_lack_more_by_the_design_effect():
    rng = np.random.default_rng(7)
    values = rng.normal(0, 0.3, (40, 5)) + rng.normal(0, 0.2, (40, 1))
    found = contrast(values[:20].ravel(), values[20:].ravel(), np.repeat(np.arange(40), 5))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    lacking = viewers_lacking(found, (100, 100), 0.05, power=0.8, level=0.05)
    spread = found.first_spread**2 + found.second_spread**2
    assert found.design_effect > 1.5
    assert 100 + lacking == pytest.approx(z**2 * spread * found.design_effect / 0.05**2, rel=0.01)


def test_keys_are_numbered_in_their_order():
    assert numbered(np.array([7, 3, 7, 9])).tolist() == [1, 0, 1, 2]
    assert numbered(np.array([], dtype=np.int64)).size == 0

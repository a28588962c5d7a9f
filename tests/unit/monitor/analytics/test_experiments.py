"""Experiments: the draw of their blocks, the effect, what it takes, and the verdict."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.playlists.playlist import DAYS
from db.read.experiments import Opening
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiments import (
    Spread,
    blocks_for,
    detectable,
    draw_blocks,
    estimate,
    judge,
    slots_of,
    spread_of,
)
from tests.helpers.experiments import MONDAY, make_plan, run_experiments, sales_of, values_of

HOUR = timedelta(hours=1)


# --- design ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    minutes=st.sampled_from([30, 45, 60, 240, 360]),
    days=st.integers(1, 30),
    sites=st.integers(1, 3),
    close=st.integers(14, 24),
    open_days=st.sets(st.sampled_from(DAYS), min_size=1),
)
def test_the_draw(seed, minutes, days, sites, close, open_days):
    plan = make_plan(
        seed=seed,
        block_s=minutes * 60,
        sites=tuple("ABC"[:sites]),
        opening=Opening(f"08:00-{close}:00", tuple(open_days), "Europe/Berlin"),
        ends_at=MONDAY + timedelta(days=days),
    )
    slots = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.ends_at)
    if len(slots) < 2:
        with pytest.raises(ExperimentError, match="at least 2 whole blocks"):
            draw_blocks(plan)
        return
    blocks = draw_blocks(plan)
    assert draw_blocks(plan) == blocks
    for site in plan.sites:
        mine = [block for block in blocks if block.site == site]
        assert [block.number for block in mine] == list(range(1, len(slots) + 1))
        assert [(block.starts_at, block.ends_at) for block in mine] == [
            (slot.starts_at, slot.ends_at) for slot in slots
        ]
        # A pair has one block of each arm.
        arms = Counter((block.pair, block.arm) for block in mine)
        assert max(arms.values()) == 1
        # An arm is ahead by one block at most within a day, and at a place by one for each kind of
        # day.
        by_day: Counter = Counter()
        by_place: Counter = Counter()
        for block, slot in zip(mine, slots, strict=True):
            step = 1 if block.arm == "treatment" else -1
            by_day[slot.day] += step
            by_place[slot.number, slot.day.weekday() >= 5] += step
        assert all(abs(lead) <= 1 for lead in by_day.values())
        assert all(abs(lead) <= 1 for lead in by_place.values())


def test_sites_and_seeds_have_draws_of_their_own():
    plan = make_plan(sites=("A", "B"))
    blocks = draw_blocks(plan)
    arms = {site: [block.arm for block in blocks if block.site == site] for site in "AB"}
    other = [block.arm for block in draw_blocks(replace(plan, seed=2)) if block.site == "A"]
    same = np.mean([one == two for one, two in zip(arms["A"], arms["B"], strict=True)])
    assert 0.3 < same < 0.7
    assert other != arms["A"]


def test_over_many_draws_every_block_is_as_often_of_either_arm():
    plan = make_plan(ends_at=MONDAY + timedelta(days=4))
    share = np.mean(
        [
            [block.arm == "treatment" for block in draw_blocks(replace(plan, seed=seed))]
            for seed in range(400)
        ],
        axis=0,
    )
    assert np.abs(share - 0.5).max() < 4 * 0.5 / 20


def test_blocks_are_whole_and_within_hours_and_days():
    opening = Opening("09:30-12:45", ("mon", "wed"), "UTC")
    slots = slots_of(opening, 3600, MONDAY + 10 * HOUR, MONDAY + timedelta(days=3))
    assert [(slot.starts_at - MONDAY) / HOUR for slot in slots] == [10.5, 11.5, 57.5, 58.5, 59.5]
    assert {slot.day.weekday() for slot in slots} == {0, 2}


def test_hours_past_midnight_belong_to_the_day_they_begin_on():
    slots = slots_of(Opening("22:00-02:00", ("mon",), "UTC"), 3600, MONDAY, MONDAY + 30 * HOUR)
    assert [(slot.starts_at - MONDAY) / HOUR for slot in slots] == [22, 23, 24, 25]
    assert {slot.day for slot in slots} == {MONDAY.date()}


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (6, 1, 24)])
def test_blocks_keep_their_length_when_clocks_change(month, day, hours):
    since = datetime(2026, month, day, tzinfo=UTC) - 12 * HOUR
    opening = Opening("00:00-24:00", tuple(DAYS), "Europe/Berlin")
    found = [
        slot
        for slot in slots_of(opening, 3600, since, since + timedelta(days=3))
        if (slot.day.month, slot.day.day) == (month, day)
    ]
    assert len(found) == hours
    assert {slot.ends_at - slot.starts_at for slot in found} == {HOUR}


# --- the effect -----------------------------------------------------------------------------------


def test_without_noise_the_effect_is_exact():
    blocks = draw_blocks(make_plan())
    rng = np.random.default_rng(0)
    values = sales_of(blocks, rng, lift=0.1, noise=0.01, day_noise=0.5)
    found = estimate(values_of(blocks, values), relative=True)
    assert math.expm1(found.found.value) == pytest.approx(0.1, abs=0.005)
    assert found.treatment / found.control == pytest.approx(1.1, abs=0.005)
    assert found.blocks == 336


def test_a_difference_does_not_depend_on_the_level():
    blocks = draw_blocks(make_plan())
    treated = np.array([block.arm == "treatment" for block in blocks])
    hour = np.array([block.starts_at.hour for block in blocks])
    noise = 0.001 * np.random.default_rng(0).standard_normal(len(blocks))
    values = values_of(blocks, 0.3 + hour / 100 + 0.05 * treated + noise)
    found = estimate(values, relative=False)
    assert found.found.value == pytest.approx(0.05, abs=0.001)
    assert found.control == pytest.approx(values.value.mean() - 0.025, abs=0.001)


def test_the_error_is_the_spread_of_the_estimates():
    for sales in ({}, {"neighbours": 0.5, "day_noise": 0.2}):
        found = []
        for run in range(60):
            blocks = draw_blocks(make_plan(seed=run))
            values = sales_of(blocks, np.random.default_rng(run), lift=0.1, **sales)
            found.append(estimate(values_of(blocks, values), relative=True).found)
        spread = np.std([each.value for each in found])
        assert np.sqrt(np.mean([each.error**2 for each in found])) == pytest.approx(spread, rel=0.2)
        assert np.mean([each.value for each in found]) == pytest.approx(math.log(1.1), abs=0.015)


def test_days_are_clusters_when_the_effect_changes_from_day_to_day():
    by_day = []
    for effect_noise in (0.0, 0.4):
        blocks = draw_blocks(make_plan())
        values = sales_of(blocks, np.random.default_rng(3), noise=0.1, effect_noise=effect_noise)
        by_day.append(estimate(values_of(blocks, values), relative=True))
    assert [each.by_day for each in by_day] == [False, True]
    assert by_day[1].found.degrees <= 28


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_too_little_says_nothing(kept):
    blocks = draw_blocks(make_plan())
    values = values_of(blocks, sales_of(blocks, np.random.default_rng(0)))
    few = values.take(np.arange(len(blocks)) < kept)
    assert estimate(few, relative=True) is None
    missing = replace(values, value=np.full(len(blocks), np.nan))
    assert estimate(missing, relative=True) is None


def test_hours_without_sales_are_left_out():
    blocks = draw_blocks(make_plan())
    values = sales_of(blocks, np.random.default_rng(0), lift=0.1)
    hour = np.array([block.starts_at.hour for block in blocks])
    values[hour == 8] = 0.0
    found = estimate(values_of(blocks, values), relative=True)
    assert found.blocks == 336 - 2 * 28  # and the neighbours that they were paired with
    assert np.isfinite(found.found.error)


def test_missing_blocks_take_their_neighbours_with_them():
    blocks = draw_blocks(make_plan())
    values = sales_of(blocks, np.random.default_rng(0), lift=0.1)
    values[[5, 40]] = np.nan
    assert estimate(values_of(blocks, values), relative=True).blocks == 332


# --- what it takes --------------------------------------------------------------------------------


def test_the_formula_of_the_fixed_size():
    spread = Spread(0.3, 1.5)
    per_arm = 2 * (1.959964 + 0.841621) ** 2 * 0.3**2 / math.log(1.1) ** 2 * 1.5
    assert blocks_for(spread, 0.1, "fixed", relative=True) == 2 * math.ceil(per_arm)
    blocks = blocks_for(spread, 0.1, "always_valid", relative=True)
    assert blocks / (2 * per_arm) == pytest.approx(1.057, abs=0.01)
    assert detectable(spread, blocks, "always_valid", relative=True) == pytest.approx(
        0.1, abs=0.001
    )


@pytest.mark.parametrize(("neighbours", "design_effect"), [(0.0, 1.0), (0.5, 0.65)])
def test_the_spread_is_that_of_the_blocks(neighbours, design_effect):
    found = []
    for run in range(20):
        blocks = draw_blocks(make_plan(seed=run))
        rng = np.random.default_rng(run)
        values = sales_of(blocks, rng, neighbours=neighbours, day_noise=0.1)
        found.append(spread_of(values_of(blocks, values), relative=True))
    variance = np.mean([each.deviation**2 * each.design_effect for each in found])
    # Neighbours differ by 2 sigma^2 (1 - r), whatever whole days do.
    assert variance == pytest.approx(0.3**2 * (1 - neighbours), rel=0.12)
    assert np.mean([each.design_effect for each in found]) == pytest.approx(design_effect, abs=0.12)


def test_the_plan_of_an_audience_counts_how_unequal_the_blocks_are():
    found, effects = [], []
    for run in range(40):
        blocks = draw_blocks(make_plan(seed=run))
        rng = np.random.default_rng(run)
        viewers = rng.negative_binomial(2, 0.2, len(blocks)).astype(np.float64)
        noise = rng.standard_normal(len(blocks)) / np.sqrt(np.maximum(viewers, 1))
        values = values_of(blocks, 0.4 + 0.3 * noise, weight=viewers)
        found.append(spread_of(values, relative=False))
        effects.append(estimate(values, relative=False).found.value)
    least = np.mean([detectable(each, 336, "fixed", relative=False) for each in found])
    assert least == pytest.approx(2.8016 * np.std(effects), rel=0.25)


def test_a_short_past_has_no_spread():
    blocks = draw_blocks(make_plan())
    values = values_of(blocks, sales_of(blocks, np.random.default_rng(0)))
    assert spread_of(values.take(np.arange(336) < 12), relative=True) is None
    assert spread_of(values.take(np.arange(336) < 0), relative=True) is None


# --- the verdict ----------------------------------------------------------------------------------


def judged(lift=0.1, days=28, seed=0, **more):
    blocks = draw_blocks(make_plan(seed=seed))
    values = values_of(blocks, sales_of(blocks, np.random.default_rng(seed), lift=lift, noise=0.2))
    values = values.take(values.day < MONDAY.toordinal() + days)
    options = {"days": 28, "relative": True, "relevant": 0.1} | more
    return judge(values, len(blocks), **options)


def test_the_verdicts():
    works, harm, nothing = judged(0.15), judged(-0.15), judged(0.0)
    assert [each.verdict for each in (works, harm, nothing)] == ["works", "does_not", "does_not"]
    assert works.effect.low > 0 > harm.effect.high
    assert nothing.effect.high < 0.1
    assert works.p < 0.05
    assert (works.needed, works.blocks, works.planned) == (0, 336, 336)


def test_not_yet_says_how_many_blocks_are_needed():
    early = [judged(0.03, days=5, seed=seed) for seed in range(9)]
    assert {(each.verdict, each.decided) for each in early} == {("not_yet", None)}
    in_all = blocks_for(Spread(0.2), 0.1, "always_valid", relative=True)
    assert np.median([each.needed for each in early]) == pytest.approx(in_all - 60, rel=0.4)
    assert judged(days=0).needed is None


def test_a_decision_stays_and_does_not_depend_on_who_looked():
    whole = judged(0.15)
    first = whole.decided - MONDAY.toordinal() + 1
    at_that_look = judged(0.15, days=first)
    assert at_that_look.decided == whole.decided
    assert judged(0.15, days=first - 1).verdict == "not_yet"
    # Intervals get no wider.
    assert whole.effect.low >= at_that_look.effect.low
    assert whole.p <= at_that_look.p


def test_a_fixed_experiment_is_judged_at_its_end_only():
    early = judged(0.15, days=20, stopping="fixed")
    assert early.verdict == "not_yet"
    assert math.isnan(early.effect.low)
    assert math.isnan(early.p)
    assert early.effect.value == pytest.approx(0.15, abs=0.06)
    assert judged(0.15, stopping="fixed", is_over=True).verdict == "works"


def rates(results, lift):
    verdicts = Counter(result.verdict for result in results)
    covered = np.mean([each.effect.low <= lift <= each.effect.high for each in results])
    return verdicts["works"] / len(results), verdicts["does_not"] / len(results), covered


def test_an_effect_is_found_and_none_is_not():
    works, does_not, covered = rates(run_experiments(25, 1, lift=0.1), 0.1)
    assert works >= 0.7
    assert does_not <= 0.08
    assert covered >= 0.88
    works, _, covered = rates(run_experiments(25, 2, lift=0.0), 0.0)
    assert works <= 0.08
    assert covered >= 0.88


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "sales",
    [{}, {"day_noise": 0.2}, {"neighbours": 0.4}, {"neighbours": 0.4, "day_noise": 0.2}],
    ids=lambda sales: ", ".join(sales) or "plain",
)
def test_28_days_of_a_shop(sales):
    works, does_not, covered = rates(run_experiments(1000, 3, lift=0.1, **sales), 0.1)
    assert works >= 0.80
    assert does_not <= 0.05
    assert covered >= 0.93
    works, _, covered = rates(run_experiments(1000, 4, lift=0.0, **sales), 0.0)
    assert works <= 0.05
    assert covered >= 0.93

"""What adaptation brings, against the hold-out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.analytics import resampling
from monitor.analytics.lift import lift
from monitor.analytics.statistics import clustered_interval, hours_of, to_document

TOOK_PART = {"holdout": 0.1}


@pytest.fixture
def day(play_of):
    """Make plays of some hours, rewards from a function of (hour, held out, random numbers)."""

    def make(hours, per_hour, held_per_hour, reward, seed=0, **more):
        rng = np.random.default_rng(seed)
        plays = []
        for hour in range(hours):
            held = rng.permutation(per_hour) < held_per_hour
            plays += [
                play_of(
                    hour,
                    place,
                    "tea",
                    held_out=bool(held[place]),
                    context=TOOK_PART,
                    reward=float(np.clip(reward(hour, bool(held[place]), rng), -1, 1)),
                    viewer_s=10.0,
                    **more,
                )
                for place in range(per_hour)
            ]
        return plays

    return make


def test_rewards_of_another_definition_are_left_out_and_counted(day):
    plays = day(8, 20, 5, lambda hour, held_out, _rng: 0.5 if held_out else 0.6)
    old = [
        replace(play, reward=-1.0, context={**play.context, "reward": "older"})
        for play in day(8, 20, 5, lambda *_: 0.0, seed=1)
    ]
    found = lift(plays)
    assert found.other_reward_plays == 0
    assert lift([*plays, *old]) == replace(found, other_reward_plays=160)
    assert "Still needed:" in lift(old).withheld


def test_differences_within_hours_are_averaged(day):
    """Each hour has its own level, which must not count: hold-outs are rarer in the good hours."""

    def reward(hour, held_out, _rng):
        return 0.05 * hour + (0.0 if held_out else 0.1)

    plays = day(8, 20, 5, reward) + [
        replace(play, session=2) for play in day(8, 20, 2, lambda h, o, r: 0.4 + reward(h, o, r))
    ]
    found = lift(plays)
    assert found.withheld is None
    assert found.difference.value == pytest.approx(0.1)
    assert found.difference.low == pytest.approx(0.1)
    assert found.difference.high == pytest.approx(0.1)
    assert found.adaptive - found.held_out == pytest.approx(0.1)
    assert (found.adaptive_plays, found.held_out_plays, found.hours) == (
        8 * 15 + 8 * 18,
        8 * 5 + 8 * 2,
        16,
    )
    # By hand: the weights are 15 * 5 / 20 and 18 * 2 / 20 in every hour.
    weights = np.repeat([15 * 5 / 20, 18 * 2 / 20], 8)
    levels = np.array([0.05 * hour for hour in range(8)] + [0.4 + 0.05 * hour for hour in range(8)])
    assert found.held_out == pytest.approx(weights @ levels / weights.sum())
    assert found.p_value == pytest.approx(1 / 2001)
    assert found.sentence().startswith(
        "Adapting to the audience pays: +0.100 reward a play (95% interval +0.100 to"
    )


def test_only_plays_that_could_adapt_and_have_a_reward_count(day, play_of):
    plays = day(10, 20, 4, lambda _h, out, rng: rng.normal(0.0 if out else 0.2, 0.1))
    noise = [
        play_of(0, 50, "tea", context={"holdout": None}, reward=-1.0, viewer_s=1.0),
        play_of(0, 51, "tea", context={}, reward=-1.0, viewer_s=1.0),
        play_of(0, 52, "tea", context=TOOK_PART, held_out=True),
        play_of(40, 0, "tea", context=TOOK_PART, reward=-1.0, viewer_s=1.0),
    ]
    found, clean = lift([*plays, *noise]), lift(plays)
    assert (found.difference, found.p_value, found.adaptive) == (
        clean.difference,
        clean.p_value,
        clean.adaptive,
    )
    assert (found.left_out_plays, clean.left_out_plays) == (1, 0)
    assert found.held_out_measured == pytest.approx(40 / 41)
    assert found.adaptive_measured == 1.0


def test_the_order_of_the_plays_does_not_matter(day):
    plays = day(9, 15, 4, lambda _h, out, rng: rng.normal(0.0 if out else 0.1, 0.3))
    assert lift(plays[::-1], permutations=50).difference.value == pytest.approx(
        lift(plays).difference.value
    )


def test_an_hour_belongs_to_its_session(play_of):
    plays = [
        play_of(0, 0, "a"),
        play_of(0, 359, "a"),
        play_of(1, 0, "a"),
        replace(play_of(0, 5, "a"), session=2),
    ]
    assert hours_of(plays).tolist() == [0, 0, 1, 2]
    shifted = replace(plays[0], started_at=plays[0].started_at + timedelta(minutes=59, seconds=59))
    assert hours_of([shifted, plays[0]]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("hours", "per_hour", "held", "words"),
    [
        (8, 10, 3, "Still needed: 6 more held-out plays with a reward (24 of 30)."),
        (10, 5, 4, "Still needed: 20 more adaptive plays with a reward (10 of 30)."),
        (7, 20, 6, "Still needed: 1 more hour with plays of both kinds (7 of 8)."),
        (
            5,
            4,
            1,
            "15 more adaptive plays with a reward (15 of 30), "
            "25 more held-out plays with a reward (5 of 30), 3 more",
        ),
        (
            9,
            20,
            0,
            "Still needed: 30 more adaptive plays with a reward (0 of 30), 30 more held-out",
        ),
    ],
)
def test_too_little_is_withheld_and_says_how_much_is_needed(day, hours, per_hour, held, words):
    found = lift(day(hours, per_hour, held, lambda _h, _o, rng: rng.normal(0, 0.1)))
    assert words in found.withheld
    assert found.sentence() == found.withheld
    assert math.isnan(found.difference.value)
    document = to_document(found)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["difference"]["value"], document["p_value"], document["adaptive"]) == (
        None,
        None,
        None,
    )
    assert document["held_out_plays"] == (hours * held if 0 < held < per_hour else 0)


def test_without_an_adaptive_policy(play_of):
    plays = [play_of(0, place, "tea", reward=0.1, viewer_s=1.0) for place in range(100)]
    assert "no play was chosen by an adaptive policy" in lift(plays).withheld
    assert lift([]).adaptive_plays == 0


def shared(seed, effect, spread):
    """Rewards with an effect common to an hour, also of adaptation."""
    rng = np.random.default_rng([1, seed])
    level, own = rng.normal(0, 0.2, 12), rng.normal(effect, spread, 12)
    return lambda hour, held_out, noise: noise.normal(
        level[hour] + (0.0 if held_out else own[hour]), 0.25
    )


def test_intervals_cover_and_the_test_keeps_its_level(day):
    covered = rejected = harmed = 0
    for seed in range(100):
        found = lift(
            day(12, 24, 4, shared(seed, 0.1, 0.15), seed), draws=400, permutations=1, seed=seed
        )
        covered += found.difference.low <= 0.1 <= found.difference.high
        nothing = lift(
            day(12, 24, 4, shared(seed, 0.0, 0.0), seed), draws=2, permutations=199, seed=seed
        )
        rejected += nothing.p_value <= 0.05
        if seed < 20:
            harm = lift(
                day(12, 24, 4, shared(seed, -0.3, 0.1), seed), draws=200, permutations=1, seed=seed
            )
            harmed += harm.sentence().startswith("Adapting to the audience does harm")
    assert 89 <= covered <= 99
    assert 1 <= rejected <= 11
    assert harmed == 20


def split(monkeypatch, cells=10**9):
    """Draw few hours as many are drawn, in parts."""
    monkeypatch.setattr(resampling, "SPLIT_UNITS", 2)
    monkeypatch.setattr(resampling, "PART_CELLS", cells)


@pytest.mark.parametrize("cells", [10, 170, 10**9])
def test_parts_of_any_size_in_any_order_give_the_same_bits(day, monkeypatch, cells):
    plays = day(30, 17, 4, lambda hour, out, rng: rng.normal(0.0 if out else 0.02, 0.1 + hour / 99))
    split(monkeypatch)
    whole = lift(plays, permutations=100)
    counts = []

    def backwards(function, parts):
        parts = list(parts)
        counts.append(len(parts))
        return map(function, reversed(parts))

    split(monkeypatch, cells)
    assert lift(plays, permutations=100, workers=backwards) == whole
    assert [count > 1 for count in counts] == [cells == 10, cells < 1000]


def test_many_hours_give_the_figures_of_few(day, monkeypatch):
    plays = day(60, 20, 4, lambda _h, out, rng: rng.normal(0.0 if out else 0.03, 0.3))
    few = lift(plays, seed=1)
    split(monkeypatch)
    many = lift(plays, seed=1)
    assert (many.difference.low, many.difference.high) != (few.difference.low, few.difference.high)
    width = few.difference.high - few.difference.low
    assert many.difference.value == few.difference.value
    assert many.difference.low == pytest.approx(few.difference.low, abs=0.1 * width)
    assert many.difference.high == pytest.approx(few.difference.high, abs=0.1 * width)
    assert many.p_value == pytest.approx(few.p_value, abs=0.05)


def test_the_split_test_keeps_its_level(day, monkeypatch):
    split(monkeypatch)
    values = [
        lift(
            day(12, 24, 4, shared(seed, 0.0, 0.0), seed), draws=2, permutations=99, seed=seed
        ).p_value
        for seed in range(60)
    ]
    assert sum(value <= 0.05 for value in values) <= 8
    assert 0.4 <= np.mean(values) <= 0.6


def test_nothing_certain(day):
    found = lift(day(12, 24, 4, lambda _h, _o, rng: rng.normal(0, 0.3)))
    assert found.sentence().startswith(
        "It is not certain that adapting to the audience changes anything"
    )


def test_clustered_interval_by_hand():
    values = np.array([1.0, 3.0, 2.0, 6.0])
    found = clustered_interval(values, np.array([5, 5, 9, 9]))
    # The sums of the deviations from 3 are -2 and 2, so the error is sqrt(2 / 1 * 8) / 4 = 1; t
    # with 1 degree is 12.706.
    assert (found.value, found.high - found.value) == (3.0, pytest.approx(12.7062, abs=1e-4))
    alone = clustered_interval(values, np.zeros(4, dtype=np.int64))
    assert (alone.value, math.isnan(alone.low), math.isnan(alone.high)) == (3.0, True, True)
    assert to_document(alone) == {"value": 3.0, "low": None, "high": None}

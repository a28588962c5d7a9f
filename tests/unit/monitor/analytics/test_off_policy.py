"""What another policy would have been worth, from the log of the one that ran."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ads.policies import make_policy
from ads.policies.settings import PolicySettings
from ads.simulation.audience import default_audience
from ads.simulation.simulator import simulate
from monitor.analytics.errors import ReportError
from monitor.analytics.off_policy import (
    MIN_LOG_P,
    always,
    by_mood,
    check_log,
    judge,
    uniform,
    weighted,
)
from monitor.analytics.statistics import to_document

ADS = ("tea", "cola", "milk")
MOODS = ("happy", "sad", "neutral")
WORTH = np.array([[0.5, -0.2, 0.1], [-0.1, 0.4, 0.1], [0.0, 0.1, 0.3]])
"""Mean reward by mood and ad."""

CHANCES = [
    {ad: 0.8 if place == (mood + 1) % 3 else 0.1 for place, ad in enumerate(ADS)}
    for mood in range(3)
]
"""Of each ad, by mood."""


@pytest.fixture
def bandit(play_of):
    """A log of a policy that prefers one ad by the mood, with a level common to each hour."""

    def make(seed, hours=20, per_hour=20, level_sd=0.0):
        rng = np.random.default_rng(seed)
        moods = rng.integers(3, size=(hours, per_hour))
        # The preferred ad in eight of ten plays, else one of the others.
        ads = (moods + 1 + rng.choice(3, size=moods.shape, p=[0.8, 0.1, 0.1])) % 3
        rewards = (
            WORTH[moods, ads]
            + rng.normal(0, level_sd, (hours, 1))
            + rng.normal(0, 0.2, moods.shape)
        )
        return [
            play_of(
                hour,
                place,
                ADS[ad],
                probability=CHANCES[mood][ADS[ad]],
                context={
                    "mood": MOODS[mood],
                    "group": "one",
                    "hour": (9 + hour) % 24,
                    "candidates": CHANCES[mood],
                },
                reward=min(1.0, max(-1.0, reward)),
                viewer_s=9.0,
            )
            for hour in range(hours)
            for place, (mood, ad, reward) in enumerate(
                zip(moods[hour].tolist(), ads[hour].tolist(), rewards[hour].tolist(), strict=True)
            )
        ]

    return make


RATES = {"tea": 1.0, "cola": 1.0, "milk": 2.0}
TARGETS = {
    "uniform": uniform(),
    "weighted": weighted(RATES),
    "mood": by_mood({"tea": ["happy"], "cola": ["sad"]}, RATES),
    "always:cola": always("cola"),
}
TRUTH = {
    "uniform": WORTH.mean(),
    "weighted": float((WORTH @ [0.25, 0.25, 0.5]).mean()),
    "mood": (0.5 + 0.4 + 0.3) / 3,
    "always:cola": WORTH[:, 1].mean(),
}


def test_targets():
    context = {"mood": "sad", "candidates": {"tea": 0.5, "milk": 0.3, "cola": 0.2}}
    assert TARGETS["uniform"](context) == pytest.approx(
        {"tea": 1 / 3, "milk": 1 / 3, "cola": 1 / 3}
    )
    assert TARGETS["weighted"](context) == {"tea": 0.25, "milk": 0.5, "cola": 0.25}
    assert TARGETS["mood"](context) == {"cola": 1.0}
    assert TARGETS["mood"](context | {"mood": None}) == {"milk": 1.0}
    assert by_mood({ad: ["happy"] for ad in ADS}, RATES)(context) == {
        "tea": 0.25,
        "milk": 0.5,
        "cola": 0.25,
    }
    assert TARGETS["always:cola"](context) == {"cola": 1.0}
    assert always("gone")(context) == TARGETS["uniform"](context)
    with pytest.raises(ReportError, match="The playlist lacks milk, which the log names"):
        weighted({"tea": 1.0, "cola": 1.0})(context)


def test_by_hand(bandit):
    plays = bandit(1)
    (found,) = judge(plays, {"always:cola": always("cola")})
    weights = np.array([(play.ad_id == "cola") / play.probability for play in plays])
    rewards = np.array([play.reward for play in plays])
    assert found.ips.value == pytest.approx((weights * rewards).mean())
    assert found.snips.value == pytest.approx((weights * rewards).sum() / weights.sum())
    assert found.effective_plays == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert (found.plays, found.supported, found.clipped, found.withheld) == (400, 1.0, 0, None)
    for estimate in (found.ips, found.snips, found.doubly_robust):
        assert estimate.low < estimate.value < estimate.high
    assert (
        json.loads(json.dumps(to_document(found), allow_nan=False))["doubly_robust"]["low"]
        == found.doubly_robust.low
    )


def test_weights_have_the_mean_1_and_what_a_cut_may_change_is_stated(bandit):
    plays = bandit(4)
    (found,) = judge(plays, {"uniform": uniform()})
    assert found.mean_weight.low < 1 < found.mean_weight.high
    assert (found.clipped, found.clipping_bias) == (0, 0.0)
    (cut,) = judge(plays, {"uniform": uniform()}, max_weight=2.0)
    assert cut.clipped > 0
    assert cut.mean_weight == found.mean_weight, "of the weights before the cut"
    assert 0 < abs(cut.ips.value - found.ips.value) <= cut.clipping_bias


def test_rewards_of_another_definition_are_left_out(bandit):
    plays = bandit(5)
    old = [
        replace(play, reward=-1.0, context={**play.context, "reward": None}) for play in bandit(6)
    ]
    assert judge([*plays, *old], {"uniform": uniform()}) == judge(plays, {"uniform": uniform()})
    assert judge(old, {"uniform": uniform()})[0].plays == 0


def test_a_log_whose_probabilities_are_what_happened(bandit):
    check = check_log(bandit(7))
    assert check.holds
    assert sum(ad.shown for ad in check.ads) == check.plays == 400
    assert sum(ad.expected for ad in check.ads) == pytest.approx(400)


def test_a_log_whose_probabilities_are_not_what_happened(bandit):
    plays = [
        replace(play, ad_id="tea") if place % 4 == 0 else play
        for place, play in enumerate(bandit(7))
    ]
    check = check_log(plays)
    assert not check.holds
    assert max(check.ads, key=lambda ad: ad.z).ad_id == "tea"
    certain = {"candidates": {"tea": 1.0}}
    assert check_log([replace(play, context=certain, ad_id="tea") for play in plays]).p_value == 1
    assert math.isnan(check_log([]).p_value)


@pytest.mark.slow
def test_an_adaptive_log_is_seldom_called_wrong():
    """Over 200 logs of `learn`, whose probabilities are exact, p-values are about uniform."""
    described = default_audience()
    ads = [liked.ad() for liked in described.ads]
    p_values = []
    for seed in range(200):
        log = simulate(make_policy("learn", PolicySettings(seed=seed)), ads, described, 150, seed)
        p_values.append(check_log(log).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.09
    assert min(p_values) > MIN_LOG_P / 10


def test_the_policy_that_ran_is_worth_what_it_brought(bandit):
    plays = bandit(2)
    (found,) = judge(plays, {"as it ran": lambda context: context["candidates"]})
    mean = np.mean([play.reward for play in plays])
    assert found.ips.value == pytest.approx(mean)
    assert found.snips.value == pytest.approx(mean)
    assert found.effective_plays == pytest.approx(400)
    assert found.doubly_robust.value == pytest.approx(mean, abs=0.02)


def test_a_model_that_explains_everything_leaves_nothing_to_chance(bandit):
    plays = [
        replace(play, reward={"tea": 0.25, "cola": -0.5, "milk": 0.0}[play.ad_id])
        for play in bandit(3, 60, 40)
    ]
    (found,) = judge(plays, {"always:cola": always("cola")})
    assert found.snips.value == pytest.approx(-0.5)
    assert found.snips.high - found.snips.low == pytest.approx(0.0, abs=1e-9)
    assert found.doubly_robust.value == pytest.approx(-0.5, abs=0.005)
    assert found.doubly_robust.high - found.doubly_robust.low < 0.1 * (
        found.ips.high - found.ips.low
    )


def test_intervals_cover_the_truth(bandit):
    covered = {name: np.zeros(3, int) for name in TARGETS}
    errors = {name: np.zeros(3) for name in TARGETS}
    widths = np.zeros(3)
    for seed in range(100):
        for found in judge(bandit(seed), TARGETS, seed=seed):
            estimates = (found.ips, found.snips, found.doubly_robust)
            covered[found.policy] += [
                one.low <= TRUTH[found.policy] <= one.high for one in estimates
            ]
            errors[found.policy] += [(one.value - TRUTH[found.policy]) / 100 for one in estimates]
            widths += [one.high - one.low for one in estimates]
    for name in TARGETS:
        assert (covered[name] >= 90).all(), (name, covered[name])
        assert (np.abs(errors[name]) < 0.015).all(), (name, errors[name])
    assert widths[2] < 0.85 * widths[0]


@pytest.mark.slow
def test_what_plays_of_an_hour_share_makes_intervals_wider(bandit):
    """Were plays taken for independent, far fewer intervals would cover."""
    covered = naive = 0
    for seed in range(100):
        plays = bandit(seed, 16, 30, level_sd=0.15)
        covered += _covers(plays, seed)
        naive += _covers([replace(play, session=number) for number, play in enumerate(plays)], seed)
    assert covered >= 88
    assert naive <= 70


def _covers(plays, seed):
    (found,) = judge(plays, {"uniform": uniform()}, seed=seed)
    return found.doubly_robust.low <= TRUTH["uniform"] <= found.doubly_robust.high


def test_the_learnt_policy_is_near_the_best(bandit):
    values = [
        judge(bandit(seed, 30), {"learned": None}, seed=seed)[0].doubly_robust.value
        for seed in range(10)
    ]
    assert np.mean(values) == pytest.approx(TRUTH["mood"], abs=0.02)


@pytest.mark.slow
def test_what_is_learnt_is_judged_on_other_plays(bandit):
    """Where no ad is better than another, the learnt policy must not look better than chance."""
    rng = np.random.default_rng(0)
    values = []
    for seed in range(20):
        plays = [
            replace(play, reward=float(np.clip(rng.normal(0, 0.4), -1, 1)))
            for play in bandit(seed, 25, 10)
        ]
        values.append(judge(plays, {"learned": None}, seed=seed)[0].doubly_robust.value)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(20)


def test_weights_are_clipped_and_counted(bandit):
    plays = bandit(5)
    (whole,) = judge(plays, {"uniform": uniform()})
    (found,) = judge(plays, {"uniform": uniform()}, max_weight=3.0)
    rare = [play.reward for play in plays if play.probability == 0.1]
    assert (whole.clipped, found.clipped) == (0, len(rare))
    assert whole.ips.value - found.ips.value == pytest.approx(sum(rare) * (1 / 3 / 0.1 - 3.0) / 400)


def test_what_the_log_could_not_show_is_withheld(bandit):
    """A fixed order leaves the other ads no chance."""
    plays = [
        replace(
            play,
            probability=1.0,
            context=play.context | {"candidates": {ad: float(ad == play.ad_id) for ad in ADS}},
        )
        for play in bandit(6)
    ]
    found, learned = judge(plays, {"uniform": uniform(), "learned": None})
    assert found.supported == pytest.approx(1 / 3)
    assert (
        "could not have shown 67% of what this one would; let one run that leaves every ad a chance"
        in found.withheld
    )
    assert to_document(found)["ips"] == {"value": None, "low": None, "high": None}
    assert (learned.withheld, learned.supported) == (None, 1.0)
    assert learned.ips.value == pytest.approx(np.mean([play.reward for play in plays]))


def test_too_few_plays_are_withheld(bandit, play_of):
    plays = bandit(7, 2, 20)
    useless = [
        replace(plays[0], reward=None, viewer_s=None),
        replace(plays[0], probability=None),
        replace(plays[0], context={}),
        replace(plays[0], ad_id="gone"),
    ]
    (found,) = judge([*plays, *useless * 10], {"uniform": uniform()})
    assert found.plays == 40
    assert found.withheld.startswith(
        "Withheld: 10 more plays with a reward and logged probabilities are needed (40 of 50)"
    )
    rare = [replace(play, probability=0.01) if number < 3 else replace(play, ad_id="tea") for number, play in
            enumerate(bandit(8))]  # fmt: skip
    rare = [replace(play, ad_id="cola") if number < 3 else play for number, play in enumerate(rare)]
    (found,) = judge(rare, {"always:cola": always("cola")})
    assert found.withheld == (
        "Withheld: too few plays show what this policy would; they are worth 3 plays, "
        "10 are needed."
    )


def test_one_hour_gives_an_estimate_without_an_interval(bandit):
    (found,) = judge(bandit(9, 1, 100), {"uniform": uniform()})
    assert math.isfinite(found.doubly_robust.value)
    assert math.isnan(found.doubly_robust.low)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (lambda _: {"tea": 0.5}, "Invalid policy 'mine': expected probabilities that add up to 1"),
        (
            lambda _: {"beer": 1.0},
            "expected probabilities of tea, cola, milk, received 1.0 for 'beer'",
        ),
        (lambda _: {"tea": -0.5, "cola": 1.5}, "received -0.5 for 'tea'"),
        (lambda _: {"tea": math.nan}, "received nan for 'tea'"),
    ],
)
def test_a_policy_that_is_none(bandit, target, words):
    with pytest.raises(ReportError, match=words):
        judge(bandit(1), {"mine": target})


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_doubly_robust_covers_the_truth_on_logs_of_a_policy_that_learns(play_of):
    """Adaptively collected: each choice follows from the rewards before it."""
    from ads.policies import make_policy
    from ads.policies.settings import PolicySettings
    from ads.simulation.audience import default_audience
    from ads.simulation.simulator import simulate

    described = default_audience()
    ads = [liked.ad() for liked in described.ads]
    rates = dict.fromkeys((ad.ad_id for ad in ads), 1.0)
    targets = {"uniform": uniform(), "mood": by_mood({ad.ad_id: ad.moods for ad in ads}, rates)}
    found, truths = [], {name: [] for name in targets}
    for seed in range(100):
        log = simulate(
            make_policy("learn", PolicySettings(seed=seed)), ads, described, 600, 1000 + seed
        )
        plays = [
            replace(play_of(0, 0, play.ad_id), started_at=play.local, probability=play.probability, context=play.context,
                    reward=play.reward, viewer_s=play.viewer_s)
            for play in log
        ]  # fmt: skip
        found.append({value.policy: value.doubly_robust for value in judge(plays, targets)})
        for name, target in targets.items():
            worth = [
                sum(chance * play.expected[ad_id] for ad_id, chance in target(play.context).items())
                for play in log
                if play.viewers
            ]
            truths[name].append(np.mean(worth))
    for name in targets:
        truth = np.mean(truths[name])
        covered = sum(one[name].low <= truth <= one[name].high for one in found)
        assert covered >= 90, (name, covered)

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.errors import AdsError
from ads.playlists.playlist import Ad
from ads.policies import ADAPTIVE_NAMES, make_policy
from ads.policies.audience import Audience, Reward
from ads.policies.base import Situation
from ads.policies.guard import HoldOut
from ads.policies.settings import PolicySettings
from detector.emotion.labels import EMOTIONS

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def ad(name: str, duration_s: float = 8.0, **more: object) -> Ad:
    path = Path(f"/media/{name}.jpg")
    return Ad(name, path, name, "image", duration_s, "0" * 64, **more)  # type: ignore[arg-type]


ADS = [
    ad("cheer", moods=("sad", "angry")),
    ad("joy", moods=("happy",)),
    ad("any"),
    ad("other", weight=3.0),
]


def before(mood: str | None, viewers: int = 2) -> Situation:
    return Situation(0, NOON, Audience(viewers, 0, mood))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 10**6))
def test_each_block_holds_out_exactly_its_share(thousandths, seed):
    share = thousandths / 1000
    holdout = HoldOut(share, seed)
    assert holdout.block >= 20
    assert holdout.per_block / holdout.block == pytest.approx(share)
    first = 3 * holdout.block
    drawn = [holdout.at(number) for number in range(first, first + holdout.block)]
    assert sum(held for held, _ in drawn) == holdout.per_block
    # The probability follows from what is left in the block.
    left = holdout.per_block
    for place, (held, chance) in enumerate(drawn):
        assert chance == pytest.approx(left / (holdout.block - place))
        left -= held


def test_places_of_the_hold_out_are_spread_evenly():
    holdout = HoldOut(0.1, 1)
    places = Counter(number % 20 for number in range(20 * 2000) if holdout.at(number)[0])
    # 200 expected at each of the 20 places; four standard deviations are 54.
    assert len(places) == 20
    assert all(abs(count - 200) < 54 for count in places.values())
    with pytest.raises(AdsError, match=r"share from 0 to 1, received 1\.5"):
        HoldOut(1.5, 0)


@pytest.mark.parametrize("name", ADAPTIVE_NAMES)
def test_hold_out_and_floor_are_kept_exactly(name):
    policy = make_policy(name, PolicySettings(seed=7, holdout=0.15, floor=0.2))
    held_out = []
    for _ in range(400):
        choice = policy.choose(ADS, before("sad"))
        assert min(choice.context["candidates"].values()) >= 0.2 / 4 - 1e-12
        policy.learn(
            choice.ad.ad_id, choice.context, Reward(0.9 if choice.ad.ad_id == "joy" else -0.5, 30)
        )
        held_out.append(choice.held_out)
    assert [sum(held_out[first : first + 20]) for first in range(0, 400, 20)] == [3] * 20


@pytest.mark.parametrize("name", ADAPTIVE_NAMES)
def test_a_held_out_choice_ignores_the_audience(name):
    """With the hold-out alone, ads come by their weights, whatever the mood."""
    policy = make_policy(name, PolicySettings(seed=1, holdout=1.0, floor=0.0))
    shown = Counter(policy.choose(ADS, before("sad")).ad.ad_id for _ in range(1800))
    # 300, 300, 300 and 900 expected; four standard deviations are 63 and 85.
    assert shown == {name: pytest.approx(900 if name == "other" else 300, abs=85) for name in shown}


@pytest.mark.parametrize("name", ADAPTIVE_NAMES)
@pytest.mark.parametrize(
    ("audience", "words"),
    [
        (None, "not measured"),
        (Audience(0), "fewer than 3"),
        (Audience(2, 1, "sad"), "fewer than 3"),
    ],
)
def test_too_small_an_audience_is_not_looked_at(name, audience, words):
    policy = make_policy(name, PolicySettings(seed=1, min_audience=3, floor=0.0))
    choices = [policy.choose(ADS, Situation(0, NOON, audience)) for _ in range(60)]
    assert {round(choice.probability, 9) for choice in choices} == {round(1 / 6, 9), 0.5}
    assert not any(choice.held_out for choice in choices)
    assert all(words in choice.reason and choice.context["holdout"] is None for choice in choices)
    # They leave the hold-out's blocks untouched.
    measured = [policy.choose(ADS, before("sad", 3)).held_out for _ in range(20)]
    assert sum(measured) == 2


@pytest.mark.parametrize("name", ADAPTIVE_NAMES)
def test_blocked_ads_are_left_out_while_another_may_play(name):
    policy = make_policy(name, PolicySettings(seed=1, holdout=0.5, blocked=("cheer", "any")))
    choices = [
        policy.choose(ADS, before(mood)) for mood in ("sad", None, "happy") for _ in range(40)
    ]
    choices += [policy.choose(ADS, Situation(0)) for _ in range(40)]
    assert {choice.ad.ad_id for choice in choices} == {"joy", "other"}
    assert all(choice.context["candidates"]["cheer"] == 0 for choice in choices)
    # A screen that goes dark would be worse.
    assert policy.choose([ADS[0]], before("sad")).ad.ad_id == "cheer"


@pytest.mark.parametrize("name", ADAPTIVE_NAMES)
def test_the_stated_probability_is_the_true_one(name):
    """Inverse propensity weights, which divide by it, give each ad the same total on average."""
    policy = make_policy(name, PolicySettings(seed=11, holdout=0.3, floor=0.3))
    totals = dict.fromkeys(("cheer", "joy", "any", "other"), 0.0)
    spread = dict(totals)
    count = 1500
    for _ in range(count):
        choice = policy.choose(ADS, before("sad"))
        policy.learn(
            choice.ad.ad_id, choice.context, Reward(0.2 if choice.ad.ad_id == "any" else 0.0, 20)
        )
        totals[choice.ad.ad_id] += 1 / choice.probability
        for ad_id, probability in choice.context["candidates"].items():
            spread[ad_id] += 1 / probability - 1
    for ad_id, total in totals.items():
        assert abs(total - count) < 4 * np.sqrt(spread[ad_id])


@pytest.mark.parametrize("name", ADAPTIVE_NAMES)
def test_a_restart_changes_nothing(name):
    settings = PolicySettings(seed=5, holdout=0.2)
    situations = [
        Situation(
            0, NOON, None if number % 7 == 0 else Audience(1 + number % 4, 0, EMOTIONS[number % 7])
        )
        for number in range(90)
    ]

    def show(policy, situations):
        plays = []
        for situation in situations:
            choice = policy.choose(ADS, situation)
            reward = Reward(0.4 if choice.ad.ad_id == "joy" else 0.1, 12.0)
            policy.learn(choice.ad.ad_id, choice.context, reward)
            plays.append((choice, reward))
        return plays

    through = show(make_policy(name, settings), situations)
    for stop in (1, 33, 47):
        logged = through[:stop]
        policy = make_policy(name, settings, after=logged[-1][0].context)
        for choice, reward in logged:
            policy.learn(choice.ad.ad_id, choice.context, reward)
        rest = show(policy, situations[stop:])
        assert [choice for choice, _ in rest] == [choice for choice, _ in through[stop:]]


@pytest.mark.parametrize(
    ("mood", "shown", "reason"),
    [
        ("sad", {"cheer"}, "made for a sad audience"),
        ("happy", {"joy"}, "made for a happy audience"),
        ("fear", {"any", "other"}, "made for any mood; shown to an anxious audience"),
        (
            None,
            {"any", "other"},
            "made for any mood; shown to an audience whose mood could not be read",
        ),
    ],
)
def test_mood_shows_what_is_made_for_the_mood(mood, shown, reason):
    policy = make_policy("mood", PolicySettings(holdout=0.0, floor=0.0))
    choices = [policy.choose(ADS, before(mood)) for _ in range(40)]
    assert {choice.ad.ad_id for choice in choices} == shown
    assert {choice.reason for choice in choices} == {reason}
    assert {choice.probability for choice in choices} <= {1.0, 0.25, 0.75}


def test_mood_without_anything_that_fits_shows_all():
    policy = make_policy("mood", PolicySettings(holdout=0.0, floor=0.0))
    choices = [policy.choose(ADS[:2], before("fear")) for _ in range(40)]
    assert {choice.ad.ad_id for choice in choices} == {"cheer", "joy"}
    assert choices[0].reason == "drawn by its weight: no ad is made for an anxious audience"


def test_the_only_ad_needs_no_reason():
    choice = make_policy("mood").choose(ADS[:1], before("happy"))
    assert (choice.reason, choice.probability) == ("the only ad that may play now", 1.0)


def test_learning_finds_what_suits_each_mood():
    """Two moods with opposite tastes: after 400 plays, the better ad is nearly always chosen."""
    policy = make_policy("learn", PolicySettings(seed=2))
    generator = np.random.default_rng(9)
    ads = [ad("a"), ad("b"), ad("c")]
    worth = {"happy": {"a": 0.5, "b": 0.1, "c": 0.2}, "sad": {"a": -0.2, "b": 0.2, "c": -0.1}}
    for number in range(400):
        mood = ("happy", "sad")[number % 2]
        choice = policy.choose(ads, before(mood))
        value = np.clip(worth[mood][choice.ad.ad_id] + generator.normal(0, 0.2), -1, 1)
        policy.learn(choice.ad.ad_id, choice.context, Reward(float(value), 15))
    for mood, best in (("happy", "a"), ("sad", "b")):
        choices = [policy.choose(ads, before(mood)) for _ in range(20)]
        # At most the whole share of a hold-out or of the floor goes elsewhere.
        adapted = [choice for choice in choices if choice.context["holdout"] < 0.2]
        assert np.mean([choice.context["candidates"][best] for choice in adapted]) > 0.75
        assert any(choice.reason.startswith("believed to suit") for choice in choices)


@pytest.mark.parametrize(
    ("key", "value"),
    [("holdout", 1.1), ("floor", -0.1), ("min_audience", 0), ("wash_out_s", -1), ("flor", 0.1)],
)
def test_settings_out_of_their_range_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        PolicySettings(**{key: value})

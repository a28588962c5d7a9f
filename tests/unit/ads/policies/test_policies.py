from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.errors import AdsError
from ads.policies import ADAPTIVE_NAMES, POLICY_NAMES, make_policy
from ads.policies.audience import Audience, Reward
from ads.policies.base import Choice, Situation, by_weight, draw
from ads.policies.fixed import SequentialPolicy
from ads.policies.settings import PolicySettings

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
SOMEBODY = Situation(0, NOON, Audience(2, 1, "sad"))
NOBODY = Situation(0)


@pytest.fixture
def ads(make_ad):
    return [make_ad(Path(f"/media/{name}.jpg")) for name in "abcde"]


def letters(policy, candidates, choices: int, situation: Situation = NOBODY) -> str:
    return "".join(policy.choose(candidates, situation).ad.ad_id for _ in range(choices))


def test_sequence_goes_round_and_round(ads):
    policy = make_policy("sequential")
    assert letters(policy, ads, 12) == "abcdeabcdeab"
    assert policy.choose(ads, NOBODY).probability == 1.0


def test_an_ad_that_comes_back_takes_its_old_place(ads):
    policy = SequentialPolicy()
    a, b, c, *_ = ads
    chosen = [
        letters(policy, candidates, 1)
        for candidates in ([a, b, c], [a, c], [a, c], [a, b, c], [a, b, c])
    ]
    assert chosen == ["a", "c", "a", "b", "c"]


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=30))
def test_choice_is_a_candidate_and_no_steady_one_starves(sets):
    everything = [_FakeAd(str(index)) for index in range(5)]
    policy = SequentialPolicy()
    waited = dict.fromkeys("01234", 0)
    for present in sets:
        candidates = [everything[index] for index in sorted(present)]
        chosen = policy.choose(candidates, NOBODY).ad
        assert chosen in candidates
        for ad in everything:
            # Steady are ads that may play all the time: whoever comes and goes may miss its place
            # every time.
            waited[ad.ad_id] = waited[ad.ad_id] + 1 if ad in candidates and ad is not chosen else 0
        # First appearances in odd order may cost a place once; nobody is passed over for two whole
        # rounds.
        assert max(waited.values()) < 10


class _FakeAd:
    def __init__(self, ad_id: str) -> None:
        self.ad_id = ad_id


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_shuffle_shows_each_ad_once_per_round_and_none_twice_in_a_row(seed, count):
    everything = [_FakeAd(str(index)) for index in range(count)]
    policy = make_policy("shuffle", PolicySettings(seed=seed))
    shown = letters(policy, everything, 6 * count)
    rounds = [shown[first : first + count] for first in range(0, len(shown), count)]
    assert all(len(set(order)) == count for order in rounds)
    if count > 1:
        assert all(first != second for first, second in pairwise(shown))
    if count > 3:
        assert len(set(rounds)) > 1


def test_shuffle_draws_evenly_and_knows_its_probabilities(ads):
    firsts = Counter()
    for seed in range(1000):
        policy = make_policy("shuffle", PolicySettings(seed=seed))
        choices = [policy.choose(ads, NOBODY) for _ in range(6)]
        assert [choice.probability for choice in choices] == [1 / 5, 1 / 4, 1 / 3, 1 / 2, 1, 1 / 4]
        assert sum(choices[3].context["candidates"].values()) == 1
        firsts[choices[0].ad.ad_id] += 1
    # 200 expected each; four standard deviations are 51.
    assert all(abs(firsts[ad.ad_id] - 200) < 51 for ad in ads)


def test_shuffle_takes_in_who_comes_and_does_not_wait_for_who_goes(ads):
    a, b, c, *_ = ads
    policy = make_policy("shuffle")
    assert sorted(letters(policy, [a, b], 2)) == ["a", "b"]
    first = letters(policy, [a, b, c], 1)
    rest = [ad for ad in (a, b, c) if ad.ad_id != first]
    assert sorted(letters(policy, rest, 2) + first) == ["a", "b", "c"]
    assert letters(policy, [a], 3) == "aaa"


def test_weights_are_shares_of_the_screen_time(make_ad):
    ads = [
        make_ad(Path(f"/media/{name}.jpg"), duration_s=seconds, weight=weight)
        for name, seconds, weight in (("a", 5.0, 3.0), ("b", 20.0, 1.0), ("c", 8.0, 1.0))
    ]
    policy = make_policy("weighted")
    shown = Counter()
    for _ in range(1000):
        ad = policy.choose(ads, NOBODY).ad
        shown[ad.ad_id] += ad.duration_s
    total = sum(shown.values())
    assert {name: seconds / total for name, seconds in shown.items()} == pytest.approx(
        {"a": 0.6, "b": 0.2, "c": 0.2}, abs=20 / total
    )


def test_weights_spread_the_plays_evenly_and_make_nothing_up(ads):
    a, b, *_ = ads
    policy = make_policy("weighted")
    assert letters(policy, [a], 50) == "a" * 50
    # `b` was not away: it never was there, so nothing is owed to it.
    assert letters(policy, [a, b], 6) in ("ababab", "bababa")


def test_draws_by_weight_give_screen_time_by_weight(make_ad):
    long_ad = make_ad(Path("long.jpg"), duration_s=30.0, weight=1.0)
    short_ad = make_ad(Path("short.jpg"), duration_s=10.0, weight=2.0)
    probabilities = by_weight([long_ad, short_ad])
    assert probabilities * [30, 10] == pytest.approx(
        np.array([1, 2]) * (probabilities * [30, 10]).sum() / 3
    )
    generator = np.random.default_rng(5)
    drawn = [draw(generator, probabilities) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(probabilities[1], abs=0.03)
    assert {draw(generator, np.array([0.0, 1.0, 0.0])) for _ in range(50)} == {1}


@pytest.mark.parametrize("name", POLICY_NAMES)
@pytest.mark.parametrize(
    "situation", [SOMEBODY, NOBODY, Situation(5, NOON), Situation(5, None, Audience(0))]
)
def test_every_choice_says_what_it_looked_at(ads, name, situation):
    policy = make_policy(name, PolicySettings(seed=3))
    for _ in range(30):
        choice = policy.choose(ads, situation)
        assert choice.reason
        assert 0 < choice.probability <= 1
        assert choice.context["candidates"][choice.ad.ad_id] == pytest.approx(choice.probability)
        assert list(choice.context["candidates"]) == list("abcde")
        assert sum(choice.context["candidates"].values()) == pytest.approx(1)
        assert choice.context["hour"] == (None if situation.local is None else 12)
        audience = situation.audience
        assert choice.context["mood"] == (None if audience is None else audience.mood)
        assert choice.context["group"] == (None if audience is None else audience.group_size)
        policy.learn(choice.ad.ad_id, choice.context, Reward(0.5, 10))


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_the_same_seed_gives_the_same_choices(ads, name):
    def story(seed: int) -> list[object]:
        policy = make_policy(name, PolicySettings(seed=seed))
        moods = ["sad", "happy", None]
        told = []
        for number in range(60):
            choice = policy.choose(
                ads, Situation(number, NOON, Audience(1 + number % 5, 0, moods[number % 3]))
            )
            policy.learn(choice.ad.ad_id, choice.context, Reward(0.1 * (number % 7), 8))
            told.append((choice.ad.ad_id, choice.reason, choice.probability, choice.held_out))
        return told

    assert story(1) == story(1)
    draws = any(probability < 1 for _, _, probability, _ in story(1))
    assert (story(1) != story(2)) == draws


def test_unknown_policy_names_the_known_ones():
    with pytest.raises(
        AdsError,
        match=r"no policy 'sequental'; expected one of: sequential, .*; "
        r"did you mean 'sequential'\?",
    ):
        make_policy("sequental")
    assert set(ADAPTIVE_NAMES) < set(POLICY_NAMES)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_nothing_to_choose_from_is_refused(name):
    with pytest.raises(AdsError, match="at least one candidate"):
        make_policy(name).choose([], NOBODY)


def test_choices_are_checked(ads):
    with pytest.raises(AdsError, match="above 0 and at most 1, got 0"):
        Choice(ads[0], "", 0.0)

"""What a play is worth: attention times liking. `Audience` and `Reward` are tested with policies."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.policies import POLICY_NAMES, make_policy
from ads.policies.audience import Audience, has_same_reward, play_reward
from ads.policies.base import Situation

SHARE, VALENCE = st.floats(0, 1), st.floats(-3, 3)


@pytest.mark.parametrize(
    ("attention", "valence", "worth"),
    [(1, 0, 0.5), (1, 1, 1), (1, -1, 0), (0, 1, 0), (0.8, 0, 0.4), (0.3, 1, 0.3), (1, 2.5, 1)],
)
def test_known_answers(attention, valence, worth):
    assert play_reward(attention, valence) == pytest.approx(worth)


@given(SHARE, SHARE, VALENCE)
def test_it_lies_from_0_to_1_and_never_rises_when_attention_falls(one, other, valence):
    less, more = sorted((one, other))
    assert 0 <= play_reward(less, valence) <= play_reward(more, valence) <= 1


@given(SHARE, VALENCE, VALENCE)
def test_it_never_falls_when_people_like_it_more(attention, one, other):
    less, more = sorted((one, other))
    assert play_reward(attention, less) <= play_reward(attention, more)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_every_choice_names_the_definition(name, make_ad):
    ads = [make_ad(Path(f"{letter}.png")) for letter in "ab"]
    choice = make_policy(name).choose(ads, Situation(0, None, Audience(1, 1, "happy")))
    assert has_same_reward(choice.context)
    assert not has_same_reward({})
    assert not has_same_reward({"reward": "older"})

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.errors import AdsError
from ads.policy import Choice, SequentialPolicy, make_policy


@pytest.fixture
def ads(make_ad):
    return [make_ad(Path(f"/media/{name}.jpg")) for name in "abcde"]


def test_sequence_goes_round_and_round(ads):
    policy = make_policy("sequential")
    chosen = [policy.choose(ads, None) for _ in range(12)]
    assert "".join(choice.ad.ad_id for choice in chosen) == "abcdeabcdeab"
    assert {choice.probability for choice in chosen} == {1.0}


def test_an_ad_that_comes_back_takes_its_old_place(ads):
    policy = SequentialPolicy()
    a, b, c, *_ = ads
    chosen = [
        policy.choose(candidates, None).ad.ad_id for candidates in ([a, b, c], [a, c], [a, c], [a, b, c], [a, b, c])
    ]
    assert chosen == ["a", "c", "a", "b", "c"]


@given(st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=30))
def test_choice_is_a_candidate_and_no_steady_one_starves(sets):
    everything = [_FakeAd(str(index)) for index in range(5)]
    policy = SequentialPolicy()
    waited = dict.fromkeys("01234", 0)
    for present in sets:
        candidates = [everything[index] for index in sorted(present)]
        chosen = policy.choose(candidates, None).ad
        assert chosen in candidates
        for ad in candidates:
            waited[ad.ad_id] = 0 if ad is chosen else waited[ad.ad_id] + 1
        # First appearances in odd order may cost a place once; nobody is passed over for two whole rounds.
        assert max(waited.values()) < 10


class _FakeAd:
    def __init__(self, ad_id: str) -> None:
        self.ad_id = ad_id


def test_unknown_policy_names_the_known_ones():
    with pytest.raises(
        AdsError, match=r"no policy 'sequental'; expected one of: sequential; did you mean 'sequential'\?"
    ):
        make_policy("sequental")


def test_choices_are_checked(ads):
    with pytest.raises(AdsError, match="above 0 and at most 1, got 0"):
        Choice(ads[0], "", 0.0)
    with pytest.raises(AdsError, match="at least one candidate"):
        SequentialPolicy().choose([], None)

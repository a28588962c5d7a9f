"""Findings and advice: nothing where nothing happened, what was planted where something did."""

from __future__ import annotations

from collections import Counter

import pytest

from monitor.reports.claims import add_claims
from tests.helpers.simulated_session import World, simulate

PLANTED = {
    "more_positive": {"valence": {3: 0.2}},
    "less_positive": {"valence": {3: -0.2}},
    "more_attention": {"attention": {3: 0.2}},
    "less_attention": {"attention": {3: -0.2}},
    "peak": {"peaks": {3: (5, 0.2)}},
    "trough": {"peaks": {3: (5, -0.2)}},
    "attention_drop": {"falls": {3: (5, 0.2)}},
}


def claims(world: World, seed: int) -> tuple[list[dict], list[dict]]:
    """The findings about a simulated session, and its ads."""
    data = simulate(world, seed)
    entries = [
        {
            "ad_id": ad.ad_id,
            "version": None,
            "name": ad.name,
            "sha256": "",
            "duration_s": float(world.seconds),
            "opportunities": 9,
            "emotion_viewers": 9,
            "watchers": 9,
            "dwell_s": 9.0,
            "mean_dwell_s": None,
            "moments": [],
        }
        for ad in data.ads
    ]
    return add_claims(entries, data), entries


def found(kind: str, effect: dict, sessions: int, **more) -> int:
    """In how many sessions the planted effect is found, and in its second."""
    count = 0
    for seed in range(sessions):
        said, _ = claims(World(**effect, **more), seed)
        mine = [each for each in said if (each["ad_id"], each["kind"]) == ("ad-03", kind)]
        if kind in {"peak", "trough"}:
            mine = [each for each in mine if each["second"] == 5]
        count += bool(mine)
    return count


def test_sessions_in_which_nothing_happened_claim_nothing():
    false = sum(bool(claims(World(ads=6), seed)[0]) for seed in range(8))
    assert false <= 1


@pytest.mark.parametrize("kind", ["more_positive", "less_attention", "peak"])
def test_what_was_planted_is_found(kind):
    assert found(kind, PLANTED[kind], 3) >= 2


def test_advice_follows_what_was_planted():
    actions = Counter()
    for seed in range(2):
        _, entries = claims(World(ads=4, viewers=300, attention={1: -0.3}), seed)
        actions.update((ad["ad_id"], ad["advice"]["action"]) for ad in entries)
        assert all(
            (ad["advice"]["viewers_needed"] or 0) > 0
            for ad in entries
            if ad["advice"]["action"] == "keep_testing"
        )
    assert actions["ad-01", "stop"] == 2
    assert actions["ad-00", "keep"] + actions["ad-02", "keep"] + actions["ad-03", "keep"] >= 4


def test_one_ad_and_few_viewers_give_no_advice_but_to_collect():
    (alone,) = claims(World(ads=1), 0)[1]
    assert alone["advice"] == {
        "action": "collect",
        "reason": "There is no other ad to compare it with.",
        "viewers_needed": None,
    }
    for ad in claims(World(ads=3, viewers=4), 0)[1]:
        assert ad["advice"]["action"] == "collect"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rare", [False, True])
@pytest.mark.parametrize("viewers", [20, 60, 300])
def test_at_most_one_report_in_twenty_claims_what_is_not_so(viewers, rare):
    sessions = 200
    kinds = Counter()
    for seed in range(sessions):
        said, entries = claims(World(viewers=viewers, rare=rare), 10_000 + seed)
        kinds.update({each["kind"] for each in said})
        kinds["any"] += bool(said)
        kinds["stands out"] += any(ad["stands_out"] for ad in entries)
    print(viewers, "viewers,", "rare smiles," if rare else "", dict(kinds), "of", sessions)  # noqa: T201
    # 5 % and two standard errors.
    assert kinds["any"] <= 0.05 * sessions + 6


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", PLANTED)
def test_what_was_planted_is_found_in_most_reports(kind):
    sessions = 60
    count = found(kind, PLANTED[kind], sessions)
    print(kind, count, "of", sessions)  # noqa: T201
    assert count >= (0.4 if kind == "attention_drop" else 0.7) * sessions

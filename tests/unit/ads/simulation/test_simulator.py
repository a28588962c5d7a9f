"""A described audience, and policies that are let loose on it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from ads.errors import AdsError
from ads.playlists.playlist import Hours
from ads.policies import make_policy
from ads.policies.audience import Reward
from ads.policies.base import Choice
from ads.policies.settings import PolicySettings
from ads.simulation.audience import (
    DayPart,
    LikedAd,
    SimulatedAudience,
    default_audience,
    read_audience,
)
from ads.simulation.simulator import regret_curve, simulate
from detector.emotion.labels import EMOTIONS

ALL_DAY = DayPart(hours="00:00-24:00", moods={"happy": 3, "sad": 1}, groups={"one": 1, "few": 1})


def audience(**changes):
    values = {
        "parts": (ALL_DAY,),
        "ads": (
            LikedAd(id="joke", taste={"happy": 0.6, "other": -0.4}),
            LikedAd(id="hug", taste={"sad": 0.5, "other": 0.1}),
        ),
        "attention": 0.5,
    }
    return SimulatedAudience(**(values | changes))


def ads_of(described):
    return [liked.ad() for liked in described.ads]


class Fixed:
    """Chooses by a rule, and remembers what it was told."""

    def __init__(self, rule):
        self.rule = rule
        self.learnt = []

    def choose(self, candidates, situation):
        chosen = self.rule(candidates, situation)
        chances = {ad.ad_id: float(ad is chosen) for ad in candidates}
        return Choice(
            chosen, "by rule", 1.0, context={"mood": situation.audience.mood, "candidates": chances}
        )

    def learn(self, ad_id, context, reward):
        self.learnt.append((ad_id, context, reward))


def first(candidates, _situation):
    return candidates[0]


def best(candidates, situation):
    """What suits the mood; where it is unknown, the joke, because three of four are happy."""
    wanted = "hug" if situation.audience.mood == "sad" else "joke"
    return next(ad for ad in candidates if ad.ad_id == wanted)


def test_expected_reward_is_attention_times_liking():
    described = audience()
    assert described.expected("joke", "happy", ALL_DAY) == pytest.approx(0.5 * (1 + 0.6) / 2)
    assert described.expected("joke", "sad", ALL_DAY) == pytest.approx(0.5 * (1 - 0.4) / 2)
    assert described.expected("joke", None, ALL_DAY) == pytest.approx(
        0.5 * (1 + 0.75 * 0.6 + 0.25 * -0.4) / 2
    )
    watched = LikedAd(id="joke", taste={"other": 0.2}, attention=0.9)
    assert audience(ads=(watched,)).expected("joke", "sad", ALL_DAY) == pytest.approx(0.9 * 0.6)


def test_rewards_have_the_expected_means():
    log = simulate(
        make_policy("shuffle"), ads_of(audience()), audience(mood_known=1.0, stays=0.0), 4000, 3
    )
    for ad_id in ("joke", "hug"):
        for mood in ("happy", "sad"):
            plays = [play for play in log if play.ad_id == ad_id and play.context["mood"] == mood]
            rewards = np.array([play.reward for play in plays])
            assert len(rewards) > 300
            assert plays[0].expected[ad_id] == pytest.approx(
                audience().expected(ad_id, mood, ALL_DAY)
            )
            assert abs(rewards.mean() - plays[0].expected[ad_id]) < 4 * rewards.std() / np.sqrt(
                len(rewards)
            )
    shares = [play.context["mood"] == "happy" for play in log]
    assert np.mean(shares) == pytest.approx(0.75, abs=0.03)


def test_the_best_choices_have_no_regret_and_the_others_what_they_lost():
    described = audience()
    log = simulate(Fixed(best), ads_of(described), described, 300, 1)
    assert regret_curve(log).tolist() == [0.0] * 300
    log = simulate(Fixed(first), ads_of(described), described, 300, 1)
    assert {play.context["mood"] for play in log} == {"happy", "sad", None}
    for play in log:
        assert play.regret == pytest.approx(
            0.5 * (0.5 + 0.4) / 2 if play.context["mood"] == "sad" else 0.0
        )
    curve = regret_curve(log)
    assert curve.shape == (300,)
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == pytest.approx(sum(play.regret for play in log))
    assert curve[-1] > 5


def test_a_play_that_nobody_sees_has_neither_reward_nor_regret():
    part = DayPart(hours="00:00-24:00", moods={"happy": 1}, groups={"nobody": 1, "many": 1})
    policy = Fixed(first)
    log = simulate(policy, ads_of(audience()), audience(parts=(part,)), 200, 1)
    empty = [play for play in log if play.viewers == 0]
    assert 50 < len(empty) < 150
    assert {(play.reward, play.viewer_s, play.regret) for play in empty} == {(None, None, 0.0)}
    seen = [play for play in log if play.viewers]
    assert {play.viewers for play in seen} == {4, 5, 6, 7, 8}
    assert [(ad_id, reward) for ad_id, _, reward in policy.learnt] == [
        (play.ad_id, Reward(play.reward, play.viewer_s)) for play in seen
    ]
    assert policy.learnt[0][1] is seen[0].context


def test_every_policy_meets_the_same_audience_and_the_same_seed_gives_the_same():
    described = default_audience()
    ads = ads_of(described)
    logs = [
        simulate(make_policy(name), ads, described, 150, 5)
        for name in ("learn", "shuffle", "learn")
    ]
    met = [
        [(play.local, play.viewers, play.context["mood"], play.context["group"]) for play in log]
        for log in logs
    ]
    assert met[0] == met[1]
    assert logs[0] == logs[2]
    assert [play.ad_id for play in logs[0]] != [play.ad_id for play in logs[1]]
    other = simulate(make_policy("learn"), ads, described, 150, 6)
    assert [play.viewers for play in other] != [play.viewers for play in logs[0]]


def test_the_screen_is_off_outside_the_parts_of_the_day():
    parts = (
        DayPart(hours="22:00-22:10", moods={"sad": 1}, groups={"one": 1}),
        DayPart(hours="08:00-08:10", moods={"happy": 1}, groups={"one": 1}),
    )
    start = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    described = audience(parts=parts, start=start, mood_known=1.0)
    log = simulate(Fixed(first), ads_of(described), described, 61, 1)
    assert [play.local for play in log[:21]] == [
        *(start.replace(hour=22) + timedelta(seconds=30 * place) for place in range(20)),
        start.replace(day=3, hour=8),
    ]
    assert {play.local.hour for play in log} == {8, 22}
    assert all((play.expected["joke"] < 0.25) == (play.local.hour == 22) for play in log)
    assert log[-1].local == start.replace(day=4, hour=8)


def test_groups_may_stay():
    def changes(stays):
        log = simulate(
            Fixed(first), ads_of(audience()), audience(stays=stays, mood_known=1.0), 400, 2
        )
        seen = [(play.viewers, play.expected["joke"]) for play in log]
        return sum(one != two for one, two in itertools.pairwise(seen))

    assert changes(1.0) == 0
    assert 0 < changes(0.8) < changes(0.0) / 2


def test_hours_and_caps_of_ads_are_kept():
    described = audience()
    joke, hug = ads_of(described)
    ads = [replace(joke, max_per_hour=3), replace(hug, hours=(Hours(60, 180),))]
    log = simulate(make_policy("shuffle"), ads, described, 400, 1)
    by_ad = {
        ad_id: [play.local for play in log if play.ad_id == ad_id] for ad_id in ("joke", "hug")
    }
    assert {local.hour for local in by_ad["hug"]} == {1, 2}
    for one, later in zip(by_ad["joke"], by_ad["joke"][3:], strict=False):
        assert later - one >= timedelta(hours=1)
    assert len(by_ad["joke"]) > 5
    assert {tuple(play.expected) for play in log} <= {("joke",), ("hug",), ("joke", "hug")}


def test_what_cannot_be_simulated():
    described = audience()
    joke, hug = ads_of(described)
    with pytest.raises(AdsError, match="lacks a taste for song; expected an entry"):
        simulate(Fixed(first), [joke, replace(hug, ad_id="song")], described, 5, 1)
    part = DayPart(hours="08:00-09:00", moods={"sad": 1}, groups={"one": 1})
    with pytest.raises(AdsError, match="No ad of the playlist may play within a week"):
        simulate(
            Fixed(first), [replace(joke, hours=(Hours(0, 60),))], audience(parts=(part,)), 5, 1
        )
    with pytest.raises(AdsError, match="expected at least 1, received 0"):
        simulate(Fixed(first), [joke], described, 0, 1)


def test_drawn_tastes_follow_the_seed_and_the_moods_that_ads_are_made_for():
    ads = [replace(ad, moods=("sad",)) for ad in ads_of(audience())]
    drawn = [audience().with_drawn_tastes(ads, seed) for seed in range(200)]
    assert drawn[3] == audience().with_drawn_tastes(ads, 3)
    assert drawn[3].ads != drawn[4].ads
    made, other = (
        np.mean([liked.liking(mood) for each in drawn for liked in each.ads])
        for mood in ("sad", "happy")
    )
    assert made - other == pytest.approx(0.2, abs=0.05)
    drawn[0].require_tastes(ads)
    assert [liked.id for liked in drawn[0].ads] == [ad.ad_id for ad in ads]


def share_of_shuffle(plays, seeds):
    """Regret of `learn` over that of `shuffle`, and the logs of `learn`."""
    described = default_audience()
    ads = ads_of(described)
    totals, kept = {"learn": 0.0, "shuffle": 0.0}, []
    for seed in seeds:
        for name in totals:
            log = simulate(
                make_policy(name, PolicySettings(seed=seed)), ads, described, plays, seed
            )
            totals[name] += regret_curve(log)[-1]
            if name == "learn":
                kept.append(log)
    return totals["learn"] / totals["shuffle"], kept


def assert_guard_rails(log):
    """Two of each 20 choices with an audience are held out; no probability is below the floor."""
    trials = [play for play in log if play.context["holdout"] is not None]
    assert [play.viewers > 0 for play in log] == [
        play.context["holdout"] is not None for play in log
    ]
    for start in range(0, len(trials) - 19, 20):
        assert sum(play.held_out for play in trials[start : start + 20]) == 2
    for play in log:
        chances = play.context["candidates"]
        assert min(chances.values()) >= 0.05 / len(chances) - 1e-12
        assert sum(chances.values()) == pytest.approx(1.0)
        assert play.probability == chances[play.ad_id]


def test_learn_beats_shuffle_early():
    ratio, (log,) = share_of_shuffle(500, [1])
    assert ratio < 0.6
    assert_guard_rails(log)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_learn_has_at_most_35_percent_of_the_regret_of_shuffle_after_2000_plays():
    ratio, logs = share_of_shuffle(2000, range(6))
    assert ratio <= 0.35
    for log in logs:
        assert_guard_rails(log)


DESCRIPTION = """
start: 2026-03-02 08:00:00
attention: 0.7
parts:
  - hours: "08:00-12:00"
    moods: {neutral: 3, sad: 1}
    groups: {nobody: 1, one: 2}
ads:
  - id: tea
    taste: {sad: 0.4, other: 0.1}
    duration_s: 8
    weight: 2
    moods: [sad]
"""


def test_read(tmp_path):
    path = tmp_path / "people.yaml"
    path.write_text(DESCRIPTION, encoding="utf-8")
    found = read_audience(path)
    assert found.start == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert (found.attention, found.noise) == (0.7, 0.35)
    assert found.parts[0].mood_shares() == {"neutral": 0.75, "sad": 0.25}
    assert found.parts[0].minutes == (480, 720)
    ad = found.ads[0].ad()
    assert (ad.ad_id, ad.duration_s, ad.weight, ad.moods) == ("tea", 8, 2, ("sad",))
    assert [found.ads[0].liking(mood) for mood in EMOTIONS] == [0.1, 0.1, 0.1, 0.1, 0.4, 0.1, 0.1]
    assert len(simulate(Fixed(first), [ad], found, 10, 1)) == 10


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "attention: 0.7",
            "attention: 7",
            "wrong at attention: .*less than or equal to 1; received 7",
        ),
        ("attention", "atention", "wrong at atention: Extra inputs are not permitted"),
        ("08:00-12:00", "12:00-08:00", "wrong at parts.0.hours: expected a stretch of one day"),
        ("08:00-12:00", "08:00-08:99", "expected a stretch of one day"),
        ("08:00-12:00", "8-12", "wrong at parts.0.hours"),
        ("{neutral: 3, sad: 1}", "{calm: 3}", "expected words out of angry.*received 'calm'"),
        (
            "{nobody: 1, one: 2}",
            "{one: 0}",
            "wrong at parts.0.groups: expected at least one number above 0",
        ),
        ("{sad: 0.4, other: 0.1}", "{sad: 0.4}", "or one for 'other'; angry, .* are missing"),
        ("{sad: 0.4, other: 0.1}", "{sad: 1.4, other: 0}", "wrong at ads.0.taste.sad"),
        ("moods: [sad]", "moods: [blue]", "received 'blue'"),
        ("parts:", "parts: 5\nother:", "wrong at parts"),
        ("ads:", "ads: []\nnoise: 0.3\nx:", "wrong at x"),
        (DESCRIPTION, "- 1", "has the wrong form"),
        (DESCRIPTION, "a: [", "is not valid YAML"),
        (DESCRIPTION, DESCRIPTION.partition("ads:")[0], "says nothing about any ad"),
        (
            "  - hours:",
            '  - {hours: "11:00-13:00", moods: {sad: 1}, groups: {one: 1}}\n  - hours:',
            "expected parts of the day that do not overlap",
        ),
        ("  - id: tea", "  - {id: tea, taste: {other: 0}}\n  - id: tea", "expected each ad once"),
    ],
)
def test_wrong_descriptions(tmp_path, old, new, words):
    assert old in DESCRIPTION
    path = tmp_path / "people.yaml"
    path.write_text(DESCRIPTION.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(AdsError, match=words):
        read_audience(path)


def test_a_description_that_is_not_there(tmp_path):
    with pytest.raises(AdsError, match=r"There is no description of an audience at .*gone.yaml"):
        read_audience(tmp_path / "gone.yaml")
    with pytest.raises(AdsError, match="cannot be read"):
        read_audience(tmp_path)

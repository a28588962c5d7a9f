from __future__ import annotations

import numpy as np
import pytest

from ads.policies.audience import Reward
from ads.policies.taste import (
    _COMMON_SD,
    _OWN_SD,
    FEATURES,
    HALF_TRUST_VIEWER_S,
    TasteModel,
    features,
    part_of_day,
)

CONTEXT = {"mood": "sad", "group": "few", "hour": 13}


def posterior_mean(model: TasteModel, ad_id: str, x) -> float:
    return float(model.sample([ad_id], x, 1, np.random.default_rng(0), spread=0.0)[0, 0])


def test_a_context_becomes_ones_in_their_places():
    x = features(CONTEXT)
    assert np.flatnonzero(x).tolist() == [0, 5, 10, 14]
    assert np.flatnonzero(features({"mood": None, "group": "crowd", "hour": 99})).tolist() == [0]
    assert np.flatnonzero(features({})).tolist() == [0]
    assert [part_of_day(hour) for hour in (0, 5, 6, 12, 18, 23)] == [
        "night", "night", "morning", "afternoon", "evening", "evening",
    ]  # fmt: skip


def random_plays(count: int, ads: int, seed: int = 4):
    generator = np.random.default_rng(seed)
    moods, groups = ("happy", "sad", "neutral"), ("one", "few", "many")
    for _ in range(count):
        context = {
            "mood": moods[generator.integers(3)],
            "group": groups[generator.integers(3)],
            "hour": int(generator.integers(24)),
        }
        reward = Reward(float(generator.uniform(-1, 1)), float(generator.uniform(1, 60)))
        yield f"ad-{generator.integers(ads)}", features(context), reward


def test_it_is_the_posterior_of_the_whole_regression():
    """The blocks equal one regression on the common and own features of all ads together."""
    ads = 3
    model = TasteModel()
    plays = list(random_plays(60, ads))
    for ad_id, x, reward in plays:
        model.update(ad_id, x, reward)
    noise = model.noise
    precision = np.diag(np.concatenate([_COMMON_SD**-2.0, np.tile(_OWN_SD**-2.0, ads)]))
    told = np.zeros(len(precision))
    for ad_id, x, reward in plays:
        z = np.zeros(len(precision))
        z[:FEATURES] = x
        first = FEATURES * (1 + int(ad_id[-1]))
        z[first : first + FEATURES] = x
        weight = reward.viewer_s / (reward.viewer_s + HALF_TRUST_VIEWER_S)
        precision += weight / noise * np.outer(z, z)
        told += weight / noise * reward.value * z
    covariance = np.linalg.inv(precision)
    x = features(CONTEXT)
    reads = np.zeros((ads + 1, len(precision)))
    reads[:, :FEATURES] = x
    for place in range(ads):
        reads[place, FEATURES * (1 + place) : FEATURES * (2 + place)] = x
    ids = [f"ad-{place}" for place in range(ads)]
    assert [posterior_mean(model, ad_id, x) for ad_id in [*ids, "new"]] == pytest.approx(
        reads @ covariance @ told, abs=1e-9
    )

    drawn = model.sample([*ids, "new"], x, 40_000, np.random.default_rng(1))
    spread = reads @ covariance @ reads.T
    # An ad never shown has its own deviation on top of what all have in common.
    spread[-1, -1] += float(x @ (_OWN_SD**2 * x))
    assert drawn.mean(axis=0) == pytest.approx(reads @ covariance @ told, abs=0.01)
    assert np.cov(drawn.T) == pytest.approx(spread, abs=0.004)


def test_the_order_of_the_plays_does_not_matter():
    forth, back = TasteModel(), TasteModel()
    plays = list(random_plays(40, 4))
    for play in plays:
        forth.update(*play)
    for play in reversed(plays):
        back.update(*play)
    x = features(CONTEXT)
    for place in range(4):
        assert posterior_mean(forth, f"ad-{place}", x) == pytest.approx(
            posterior_mean(back, f"ad-{place}", x), abs=0.02
        )


def test_noise_and_means_are_found():
    model = TasteModel()
    generator = np.random.default_rng(3)
    for ad_id, x, _ in random_plays(3000, 2):
        truth = 0.3 * x[4] - 0.2 * x[5] + (0.25 if ad_id == "ad-0" else -0.1)
        model.update(
            ad_id, x, Reward(float(np.clip(truth + generator.normal(0, 0.12), -1, 1)), 1e6)
        )
    assert model.noise**0.5 == pytest.approx(0.12, abs=0.02)
    assert posterior_mean(model, "ad-0", features({"mood": "happy"})) == pytest.approx(
        0.55, abs=0.1
    )
    assert posterior_mean(model, "ad-1", features(CONTEXT)) == pytest.approx(-0.3, abs=0.05)


def test_more_viewer_seconds_count_more():
    x = features(CONTEXT)
    short, long = TasteModel(), TasteModel()
    short.update("a", x, Reward(0.8, 1.0))
    long.update("a", x, Reward(0.8, 100.0))
    assert 0 < posterior_mean(short, "a", x) < posterior_mean(long, "a", x) < 0.8
    # What one ad taught holds in part for the others.
    assert 0 < posterior_mean(long, "b", x) < posterior_mean(long, "a", x)

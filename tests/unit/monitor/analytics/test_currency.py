"""The trade's currency: planted exposures with known answers, and laws."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.analytics.currency import ad_currency, mean_of_plays, multipliers, viewable_plays

UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")


def currency_of(made, price=None, countable=None):
    data = made.data()
    ids = {play.id for play in data.plays} if countable is None else countable
    return ad_currency(
        data.plays, {info.id: info for info in data.sessions}, data.exposures, ids, price
    )


def multipliers_of(made, zone=UTC, min_viewers=1):
    data = made.data()
    return multipliers(data, {p.id for p in data.plays}, zone=zone, min_viewers=min_viewers)


@pytest.fixture
def two_plays(exposures):
    """Two plays of one ad: three viewers in the first, one of them in the second as well."""
    ad = exposures.ad("tea")
    first, second = exposures.play(ad), exposures.play(ad, hours=0.1)
    exposures.saw(first, 1, attention_s=2.5, longest_s=1.5)  # 2 s in all, by two glances
    exposures.saw(first, 2, attention_s=1.9, longest_s=1.9)
    exposures.saw(first, 3, attention_s=2.4, longest_s=0.4)  # many glances, never a watcher
    exposures.saw(second, 1, attention_s=0.2)
    return exposures


def test_known_answers(two_plays):
    found = currency_of(two_plays)
    assert (found.watchers_2s, found.audience_impressions) == (1, 2)
    assert found.average_unit_audience == 2.0
    assert found.attentive_s_per_1000 == pytest.approx(1000 * 7.0 / 4)
    assert np.isnan([found.cost, found.cost_per_1000_attentive_s]).all()


def test_plays_that_were_not_shown_or_not_measured_do_not_thin_the_unit_audience(two_plays):
    first = two_plays.plays[0].id
    assert currency_of(two_plays, countable={first}).average_unit_audience == 3.0
    assert np.isnan(currency_of(two_plays, countable=set()).average_unit_audience)


def test_only_verified_plays_cost_and_only_their_attention_is_bought(two_plays):
    two_plays.plays[1] = replace(two_plays.plays[1], outcome="skipped")
    found = currency_of(two_plays, price=0.34)
    assert found.cost == pytest.approx(0.34)
    assert found.cost_per_1000_attentive_s == pytest.approx(1000 * 0.34 / 6.8)
    assert currency_of(two_plays, price=0.0).cost_per_1000_attentive_s == 0.0


def test_a_replay_costs_nothing(two_plays):
    two_plays.sessions[0] = replace(two_plays.sessions[0], kind="replay")
    found = currency_of(two_plays, price=5.0)
    assert found.cost == 0.0
    assert np.isnan(found.cost_per_1000_attentive_s)


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("run", {"fullscreen": True}, (2, 1, 0)),
        ("run", {"fullscreen": True, "headless": True}, (0, 0, 0)),
        ("replay", {"fullscreen": True}, (0, 0, 0)),
        ("run", {"fullscreen": False}, (None, None, 3)),
        ("run", {}, (None, None, 3)),
    ],
)
def test_viewable_plays(exposures, kind, settings, expected):
    exposures.sessions[0] = replace(exposures.sessions[0], kind=kind, settings=settings)
    ad = exposures.ad("tea")
    shown = {exposures.play(ad): length for length in (0.99, 1.0, 2.0)}
    found = viewable_plays(exposures.plays, {1: exposures.sessions[0]}, shown)
    assert tuple(found.values()) == expected


# --- multipliers ---


def test_multipliers_by_site_weekday_and_hour(exposures):
    ad, elsewhere = exposures.ad("tea"), exposures.session("Annex")
    for hours, viewers in ((0.0, 2), (0.2, 4), (1.0, 1), (24.0, 0)):
        play = exposures.play(ad, hours=hours)
        for viewer in range(viewers):
            exposures.saw(play, 10 * len(exposures.plays) + viewer)
    exposures.saw(exposures.play(ad, session=elsewhere), 900)
    found, withheld = multipliers_of(exposures)
    assert withheld == []
    assert [
        (e["site"], e["weekday"], e["hour"], e["plays"], e["exposures"], e["multiplier"])
        for e in found
    ] == [
        ("Annex", "mon", 9, 1, 1, 1.0),
        ("Hall", "mon", 9, 2, 6, 3.0),
        ("Hall", "mon", 10, 1, 1, 1.0),
        ("Hall", "tue", 9, 1, 0, 0.0),
    ]
    # Two ten-minute blocks, 2 and 4: error 1, and Student's quantile with one degree of freedom.
    assert (found[1]["clusters"], found[1]["clustered_by"]) == (2, "ten minutes")
    assert found[1]["multiplier_low"] == 0.0
    assert found[1]["multiplier_high"] == pytest.approx(3 + 12.7062, abs=1e-3)
    assert found[0]["multiplier_low"] is found[0]["multiplier_high"] is None


def test_hours_are_local(exposures):
    exposures.play(exposures.ad("tea"), hours=15.0)  # Monday, midnight UTC
    (found,), _ = multipliers_of(exposures, BERLIN)
    assert (found["weekday"], found["hour"]) == ("tue", 1)


def test_both_hours_two_of_the_night_when_clocks_go_back_are_hour_two(exposures):
    ad = exposures.ad("tea")
    from_start = 24 * 237 - 9  # 25 October 2026, midnight UTC: 2 o'clock in Berlin
    for hours in (from_start + 0.5, from_start + 1.5):
        exposures.play(ad, hours=hours)
    (found,), _ = multipliers_of(exposures, BERLIN)
    assert (found["weekday"], found["hour"], found["plays"], found["days"]) == ("sun", 2, 2, 1)
    assert found["clusters"] == 2


def test_from_three_days_on_days_are_the_clusters(exposures):
    ad = exposures.ad("tea")
    for week in range(3):
        for part in range(4):
            play = exposures.play(ad, hours=168 * week + part / 10)
            for viewer in range(week):
                exposures.saw(play, 100 * len(exposures.plays) + viewer)
    (found,), _ = multipliers_of(exposures)
    assert (found["days"], found["clusters"], found["clustered_by"]) == (3, 3, "day")
    # Means of 0, 1 and 2 on three days: error 1 / sqrt(3).
    assert found["multiplier"] == 1.0
    assert found["multiplier_high"] == pytest.approx(1 + 4.30265 / 3**0.5, abs=1e-4)


def test_hours_with_too_few_viewers_are_withheld_and_not_given_away(exposures):
    ad = exposures.ad("tea")
    for hour, viewers in enumerate((2, 6, 9)):
        play = exposures.play(ad, hours=hour)
        for viewer in range(viewers):
            exposures.saw(play, 100 * hour + viewer)
    found, withheld = multipliers_of(exposures, min_viewers=5)
    assert [entry["multiplier"] for entry in found] == [None, None, 9.0]
    assert [entry["exposures"] for entry in found] == [None, None, 9]
    (entry,) = withheld
    assert entry["why"].startswith("in 2 of 3 hours fewer than 5 viewers were in view")


def covered(rng, runs, days, mean) -> float:
    """Return how often the interval of a multiplier holds the mean: six blocks of six plays a day.

    Days and blocks differ in how busy they are; with one day, the mean is that day's.
    """
    hits = 0
    for _ in range(runs):
        busy = np.exp(rng.normal(0, 0.3, (days, 1)) if days > 1 else np.zeros((1, 1)))
        quiet = np.exp(rng.normal(0, 0.3, (days, 6)))
        counts = rng.poisson(mean * (busy * quiet)[:, :, None], (days, 6, 6)).astype(float)
        truth = mean * np.exp(0.045) * (np.exp(0.045) if days > 1 else 1.0)
        day, block = np.repeat(np.arange(days), 36), np.repeat(np.arange(6 * days), 6)
        reach = mean_of_plays(counts.ravel(), day, block).interval()
        hits += reach.low <= truth <= reach.high
    return hits / runs


@pytest.mark.parametrize(("days", "mean"), [(1, 1.5), (4, 1.5)])
def test_intervals_cover_the_mean(days, mean):
    assert 0.90 <= covered(np.random.default_rng(4), 400, days, mean) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, 3, 4, 8])
@pytest.mark.parametrize("mean", [0.3, 1.5, 8.0])
def test_intervals_cover_the_mean_at_many_sizes(days, mean):
    assert 0.92 <= covered(np.random.default_rng(6), 3000, days, mean) <= 0.97


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 12), min_size=1, max_size=30), seed=st.integers(0, 9))
def test_exposures_and_plays_add_up_over_the_hours(make_exposures, counts, seed):
    made = make_exposures()
    made.session()
    ad = made.ad("tea")
    hours = np.random.default_rng(seed).uniform(0, 400, len(counts))
    for number, (count, start) in enumerate(zip(counts, hours, strict=True)):
        play = made.play(ad, hours=float(start))
        for viewer in range(count):
            made.saw(play, 1000 * number + viewer)
    found, _ = multipliers_of(made)
    assert sum(entry["plays"] for entry in found) == len(counts)
    assert sum(entry["exposures"] for entry in found) == sum(counts)
    for entry in found:
        assert entry["multiplier"] == pytest.approx(entry["exposures"] / entry["plays"])
        if entry["multiplier_low"] is not None:
            assert 0 <= entry["multiplier_low"] <= entry["multiplier"] <= entry["multiplier_high"]

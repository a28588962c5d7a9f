"""Weeks, weekdays and hours against sums made by hand."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from monitor.analytics import currency
from monitor.analytics.over_time import day_hours, spans_weeks, weekly

UTC, TONGA = ZoneInfo("UTC"), ZoneInfo("Pacific/Tongatapu")  # UTC+13
DAY = 24.0


@pytest.fixture
def month(make_exposures):
    """Four weeks from Monday 9:00 on; in week k a play a day with k + 1 viewers, half attentive."""
    made = make_exposures()
    made.session()
    ad, viewer = made.ad("tea"), 0
    for day in range(28):
        play = made.play(ad, hours=day * DAY)
        for _ in range(day // 7 + 1):
            viewer += 1
            made.saw(play, viewer, 0.1 * (day // 7) + 0.01 * (day % 2), dwell_s=8, attention_s=4)
    return made


def figures(made, zone=UTC, **options):
    data = made.data()
    return weekly(data, {play.id for play in data.plays}, zone=zone, **options)


def test_each_week_has_its_audience(month):
    weeks, withheld = figures(month)
    assert withheld == []
    assert [week["start"] for week in weeks] == [
        "2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23",
    ]  # fmt: skip
    assert [week["plays"] for week in weeks] == [7] * 4
    assert [week["viewers"] for week in weeks] == [7, 14, 21, 28]
    assert [week["viewers_per_play"] for week in weeks] == [1, 2, 3, 4]
    assert {week["attraction_ratio"] for week in weeks} == {0.5}
    for k, week in enumerate(weeks):
        assert week["valence_corrected_mean"] == pytest.approx(0.1 * k + (3 + k % 2) * 0.01 / 7)
        low, high = week["valence_corrected_mean_low"], week["valence_corrected_mean_high"]
        assert low < week["valence_corrected_mean"] < high


def test_weeks_are_those_of_the_zone(make_exposures):
    made = make_exposures()
    ad = made.ad("tea")
    for day in (6, 13):
        # Sunday 12:00 UTC is Monday on Tonga.
        made.saw(made.play(ad, hours=day * DAY + 3), day)
    assert [week["start"] for week in figures(made)[0]] == ["2026-03-02", "2026-03-09"]
    assert [week["start"] for week in figures(made, TONGA)[0]] == ["2026-03-09", "2026-03-16"]
    assert not spans_weeks([made.plays[0].started_at.date()])


def test_a_week_or_less_has_no_trend(make_exposures):
    made = make_exposures()
    made.session()
    for day in range(7):
        made.saw(made.play(made.ad(f"ad-{day}"), hours=day * DAY), day)
    assert figures(made) == ([], [])
    assert figures(make_exposures()) == ([], [])


def test_weeks_of_few_viewers_are_withheld_with_one_that_would_give_them_away(month):
    weeks, (withheld,) = figures(month, min_viewers=8)
    assert [week["watchers"] is None for week in weeks] == [True, True, False, False]
    assert weeks[0]["viewers"] == 7
    assert all(weeks[0][key] is None for key in ("viewers_per_play", "valence_corrected_mean"))
    assert withheld["figures"] == ["trend"]
    assert withheld["why"].startswith("in 2 of 4 weeks fewer than 8 viewers were in view")


def test_weeks_that_were_read_too_seldom_have_no_watchers(month):
    month.sessions[0] = replace(month.sessions[0], settings={"readings_per_second": 4.0})
    weeks, withheld = figures(month)
    assert [week["watchers"] for week in weeks] == [None] * 4
    assert [week["attraction_ratio"] for week in weeks] == [0.5] * 4
    assert withheld == []


def test_weekdays_and_hours_are_added_up_over_sites(month):
    data = month.data()
    entries, _ = currency.multipliers(data, {play.id for play in data.plays}, zone=UTC)
    cells = day_hours(entries)
    assert [(cell["weekday"], cell["hour"]) for cell in cells] == [
        (day, 9) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    ]
    assert cells[0] == {
        "weekday": "mon", "hour": 9, "plays": 4, "exposures": 10, "viewers_per_play": 2.5,
    }  # fmt: skip
    twice = day_hours([*entries, {**entries[0], "site": "other", "exposures": 2, "plays": 8}])
    assert twice[0]["viewers_per_play"] == 1.0
    hidden = day_hours([*entries, {**entries[0], "site": "other", "exposures": None}])
    assert hidden[0]["viewers_per_play"] is None
    assert hidden[1]["viewers_per_play"] == 2.5

"""When a campaign raises an alert, and when that ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from db.engine import snapshot, writing
from db.hub.alerts.raised import find_alerts
from db.hub.shows.campaigns import (
    CampaignPlan,
    add_campaign,
    archive_campaign,
    change_campaign,
    list_campaigns,
)
from monitor.hub.bookings.behind import campaign_watch, detail, is_behind
from monitor.hub.bookings.pacing import campaign_pacing, pacing
from tests.helpers.hub_shows import add_creative
from tests.helpers.making import Make

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SPAN = (BEGIN, BEGIN + timedelta(days=10))
NOON = BEGIN + timedelta(days=5)


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")


@pytest.mark.parametrize(
    ("done", "is_raised", "expected"),
    [
        (449, False, True),
        (449, True, True),
        (460, False, False),
        (460, True, True),
        (476, True, False),
        (1000, True, False),
    ],
)
def test_an_alert_ends_further_from_the_limit_than_it_begins(done, is_raised, expected):
    assert is_behind(pacing(done, 1000, SPAN, NOON), is_raised=is_raised) is expected


@pytest.mark.parametrize("days", [-1, 0.2, 10, 12])
def test_none_is_open_before_a_campaign_at_its_beginning_and_after_it(days):
    pace = pacing(0, 1000, SPAN, BEGIN + timedelta(days=days))
    assert not is_behind(pace, is_raised=True)


def test_the_words_say_how_far_and_what_to_do():
    plan = CampaignPlan("Spring", (), date(2026, 3, 1), date(2026, 3, 10), "plays", 12_000)
    assert detail(plan, pacing(3000, 12_000, SPAN, NOON)) == (
        "At midnight it had 3,000 of 12,000 plays, with 50% of its time over: book its ads on more "
        "screens, at more hours, or with a higher weight. If it goes on like this, it ends with "
        "6,000; each day that is left has to bring 1,800."
    )


def test_only_days_that_are_over_count(engine):
    make = Make()
    make.write(engine)  # two plays of the ad "summer" on the first of ten days
    watch, first = campaign_watch(min_viewers=1), make.start.date()
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    with writing(engine) as connection:
        uid = add_creative(connection, "summer")
        plan = CampaignPlan("Spring", (uid,), first, first + timedelta(days=9), "plays", 20)
        add_campaign(connection, plan, "eva", make.start)
    for hours, is_behind_now in ((5, False), (23, False), (25, False), (47, False), (49, True)):
        now = begin + timedelta(hours=hours)
        watch(engine, now)
        with snapshot(engine) as connection:
            assert find_alerts(connection, is_open=True)[1] == is_behind_now, hours
            (campaign,) = list_campaigns(connection)
            state = campaign_pacing(connection, campaign, UTC, now, min_viewers=1).state
            assert (state == "behind") == is_behind_now, hours


def test_it_is_raised_once_and_ends_when_caught_up_or_put_away(engine):
    make = Make()
    make.write(engine)  # three plays on 1 March, of which the ad "summer" has two
    watch = campaign_watch(min_viewers=1)
    first, now = make.start.date(), make.start + timedelta(days=4)

    def alerts(*, is_open):
        with snapshot(engine) as connection:
            found, _ = find_alerts(connection, is_open=is_open)
        return [(alert.campaign, alert.kind) for alert in found]

    def plan(goal, days=10):
        last = first + timedelta(days=days - 1)
        return CampaignPlan("Spring", (uid,), first, last, "plays", goal)

    with writing(engine) as connection:
        uid = add_creative(connection, "summer")
        campaign = add_campaign(connection, plan(1000), "eva", make.start)
    for hours in range(3):
        watch(engine, now + timedelta(hours=hours))
        assert alerts(is_open=True) == [("Spring", "campaign_behind")]
    with writing(engine) as connection:
        change_campaign(connection, campaign, plan(2))
    watch(engine, now)
    assert alerts(is_open=True) == []
    with writing(engine) as connection:
        change_campaign(connection, campaign, plan(1000))
    watch(engine, now)
    assert len(alerts(is_open=True)) == 1
    watch(engine, now + timedelta(days=30))  # over
    assert alerts(is_open=True) == []
    watch(engine, now)
    with writing(engine) as connection:
        archive_campaign(connection, campaign, now)
    watch(engine, now)
    assert alerts(is_open=True) == []
    assert len(alerts(is_open=False)) == 3

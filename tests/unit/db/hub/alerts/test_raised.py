"""One open alert for each screen and kind, and one message of each event for each channel."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from db.engine import snapshot, writing
from db.hub.alerts.raised import (
    end_alert,
    end_campaign_alert,
    find_alerts,
    open_alerts,
    open_campaign_alerts,
    raise_alert,
    raise_campaign_alert,
)
from db.hub.shows.campaigns import CampaignPlan, add_campaign, find_campaign
from db.hub.tables.alerts import Delivery
from tests.helpers.hub_rows import NOON, add_channel, add_screen

MINUTE = timedelta(minutes=1)


def raise_one(engine, screen, kind="silent", now=NOON, detail="Nothing was heard."):
    with writing(engine) as connection:
        return raise_alert(connection, screen, kind, detail, now)


def end_one(engine, screen, kind="silent", now=NOON + MINUTE):
    with writing(engine) as connection:
        return end_alert(connection, screen, kind, now)


def events(engine):
    with snapshot(engine) as connection:
        query = select(Delivery.channel_id, Delivery.payload).order_by(Delivery.id)
        return [(channel, body["event"]) for channel, body in connection.execute(query)]


def test_an_alert_is_open_once_for_each_screen_and_kind(engine):
    screen, other = add_screen(engine), add_screen(engine, "Hall")
    assert raise_one(engine, screen)
    assert raise_one(engine, screen) is None
    assert raise_one(engine, screen, "disk")
    assert raise_one(engine, other)
    with snapshot(engine) as connection:
        assert set(open_alerts(connection)) == {
            *((screen, "silent"), (screen, "disk"), (other, "silent"))
        }


def test_an_alert_can_be_raised_again_after_its_end(engine):
    screen = add_screen(engine)
    first = raise_one(engine, screen)
    assert end_one(engine, screen)
    assert not end_one(engine, screen)
    assert raise_one(engine, screen, now=NOON + 2 * MINUTE) not in {None, first}
    with snapshot(engine) as connection:
        found, count = find_alerts(connection)
        past, _ = find_alerts(connection, is_open=False)
    assert count == 2
    assert [alert.ended_at for alert in found] == [None, NOON + MINUTE]
    assert [alert.uid for alert in past] == [first]


def test_threads_that_see_the_same_fault_open_one_alert_with_one_message(engine):
    screen, channel = add_screen(engine), add_channel(engine)
    opened, start = [], threading.Barrier(4)

    def notice():
        start.wait(60)
        opened.append(raise_one(engine, screen))

    threads = [threading.Thread(target=notice) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 4
    assert sum(uid is not None for uid in opened) == 1
    assert events(engine) == [(channel, "raised")]


def test_channels_hear_of_the_kinds_they_ask_for_and_of_the_end_of_what_they_heard_of(engine):
    screen = add_screen(engine)
    everything = add_channel(engine, "everything")
    disks = add_channel(engine, "disks", alert_kinds=["disk"])
    add_channel(engine, "disabled", disabled_at=NOON)
    raise_one(engine, screen)
    raise_one(engine, screen, "disk")
    add_channel(engine, "later")
    end_one(engine, screen)
    assert events(engine) == [
        *((everything, "raised"), (everything, "raised"), (disks, "raised")),
        (everything, "ended"),
    ]


def test_a_message_names_the_screen_and_the_times(engine):
    screen = add_screen(engine, "Café \N{SNOWMAN}", site="Berlin", group_name="North")
    add_channel(engine)
    uid = raise_one(engine, screen, "disk", detail="The disk is full.")
    end_one(engine, screen, "disk")
    with snapshot(engine) as connection:
        raised, ended = connection.scalars(select(Delivery.payload).order_by(Delivery.id)).all()
    assert raised["id"] == f"{uid}.raised"
    assert ended["id"] == f"{uid}.ended"
    assert raised["alert"] == ended["alert"] == uid
    assert raised["screen"]["name"] == "Café \N{SNOWMAN}"
    assert (raised["raised_at"], raised["ended_at"]) == ("2026-03-02T12:00:00Z", None)
    assert ended["ended_at"] == "2026-03-02T12:01:00Z"
    assert raised["detail"] == "The disk is full."


def test_alerts_are_found_by_site_group_kind_and_screen_page_by_page(engine):
    berlin = add_screen(engine)
    oslo = add_screen(engine, "Oslo 1", site="Oslo", group_name="South")
    for number, (screen, kind) in enumerate(((berlin, "disk"), (berlin, "clock"), (oslo, "disk"))):
        raise_one(engine, screen, kind, NOON + number * MINUTE)

    def found(**which):
        with snapshot(engine) as connection:
            alerts, count = find_alerts(connection, **which)
        assert count >= len(alerts)
        return [(alert.screen_id, alert.kind) for alert in alerts]

    assert found() == [(oslo, "disk"), (berlin, "clock"), (berlin, "disk")]
    assert found(site="Oslo") == [(oslo, "disk")]
    assert found(group="North") == [(berlin, "clock"), (berlin, "disk")]
    assert found(kind="disk", site="Berlin") == [(berlin, "disk")]
    assert found(screen_id=oslo) == [(oslo, "disk")]
    assert found(limit=1, offset=1) == [(berlin, "clock")]
    assert found(is_open=False) == []


def test_an_alert_about_a_campaign_has_no_screen(engine):
    screen, channel = add_screen(engine), add_channel(engine, alert_kinds=["campaign_behind"])
    add_channel(engine, "disks", alert_kinds=["disk"])
    plan = CampaignPlan("Spring", (), date(2026, 3, 1), date(2026, 3, 9), "plays", 100)
    raise_one(engine, screen)
    with writing(engine) as connection:
        row = find_campaign(connection, add_campaign(connection, plan, "eva", NOON)).id
        assert raise_campaign_alert(connection, row, "It is behind.", NOON)
        assert raise_campaign_alert(connection, row, "It is behind.", NOON) is None
        assert open_campaign_alerts(connection) == {row}
        assert set(open_alerts(connection)) == {(screen, "silent")}
        (found,), count = find_alerts(connection, kind="campaign_behind")
        assert (count, found.campaign, found.screen_id, found.screen) == (1, "Spring", None, "")
        assert find_alerts(connection)[1] == 2
        assert find_alerts(connection, site="Berlin")[1] == 1
        assert end_campaign_alert(connection, row, NOON + MINUTE)
        assert not end_campaign_alert(connection, row, NOON + MINUTE)
        assert open_campaign_alerts(connection) == set()
    assert events(engine) == [(channel, "raised"), (channel, "ended")]
    with snapshot(engine) as connection:
        body = connection.scalars(select(Delivery.payload)).first()
    assert body["screen"] is None
    assert body["campaign"] == {"id": found.campaign_uid, "name": "Spring"}


def test_an_alert_never_ends_before_it_began(engine):
    screen = add_screen(engine)
    raise_one(engine, screen)
    assert end_one(engine, screen, now=NOON - MINUTE)
    with snapshot(engine) as connection:
        assert find_alerts(connection)[0][0].ended_at == NOON


def test_an_alert_needs_its_transaction(engine):
    screen = add_screen(engine)
    add_channel(engine)

    def undone():
        with writing(engine) as connection:
            raise_alert(connection, screen, "silent", "", NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert events(engine) == []

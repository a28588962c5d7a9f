"""Channels by name, and what waits for one that is disabled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.engine import snapshot, writing
from db.errors import ChannelError
from db.hub.alerts import channels
from db.hub.alerts.deliveries import delivery_log, waiting
from db.hub.alerts.raised import raise_alert
from tests.helpers.hub_rows import NOON, add_screen

ADDRESS = {"kind": "webhook", "url": "https://example.org/hook", "secret": "whsec_c2VjcmV0"}


def add(engine, name, **more):
    with writing(engine) as connection:
        return channels.add_channel(connection, NOON, name=name, **ADDRESS | more)


def test_a_channel_is_read_as_it_was_added(engine):
    added = add(
        engine,
        *("night shift",),
        alert_kinds=("disk", "camera"),
        quiet_hours=("22:00-07:00",),
        time_zone="Europe/Berlin",
    )
    with snapshot(engine) as connection:
        assert channels.find_channel(connection, "night shift") == added
        assert channels.list_channels(connection) == [added]
    assert added.alert_kinds == ("disk", "camera")
    assert added.disabled_at is None


def test_a_name_is_taken_once_and_an_unknown_one_lists_those_there_are(engine):
    add(engine, "mail")
    with pytest.raises(ChannelError, match="already"):
        add(engine, "mail")
    with snapshot(engine) as connection, pytest.raises(ChannelError, match="are: mail"):
        channels.find_channel(connection, "chat")


def test_a_disabled_channel_drops_what_waits_and_gets_nothing_more(engine):
    screen, channel = add_screen(engine), add(engine, "mail")
    later = NOON + timedelta(hours=1)

    def raise_one(kind):
        with writing(engine) as connection:
            raise_alert(connection, screen, kind, "It is wrong.", later)

    raise_one("disk")
    with writing(engine) as connection:
        channels.disable_channel(connection, channel.id, later)
    raise_one("clock")
    with writing(engine) as connection:
        assert channels.list_channels(connection, in_use=True) == []
        assert waiting(connection, channel.id) == []
        [logged], count = delivery_log(connection)
        channels.enable_channel(connection, channel.id)
    assert count == 1
    assert "disabled" in logged.error
    raise_one("camera")
    with snapshot(engine) as connection:
        assert [one.payload["kind"] for one in waiting(connection, channel.id)] == ["camera"]


def test_a_removed_channel_takes_its_log_with_it(engine):
    screen, channel = add_screen(engine), add(engine, "mail")
    with writing(engine) as connection:
        raise_alert(connection, screen, "disk", "", NOON)
        channels.remove_channel(connection, channel.id)
        assert delivery_log(connection) == ([], 0)

"""Deliveries are claimed by one process, and forgotten after a while."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from db.engine import snapshot, writing
from db.hub.alerts import deliveries
from db.hub.alerts.raised import raise_alert
from tests.helpers.hub_rows import NOON, add_channel, add_screen

MINUTE = timedelta(minutes=1)


@pytest.fixture
def channel(engine):
    """A channel for which an event waits."""
    screen, channel = add_screen(engine), add_channel(engine)
    with writing(engine) as connection:
        raise_alert(connection, screen, "disk", "It is full.", NOON)
    return channel


def head(engine, channel):
    with snapshot(engine) as connection:
        return deliveries.waiting(connection, channel)[0]


def test_one_of_several_that_try_at_once_may_send(engine, channel):
    seen, claimed, start = head(engine, channel), [], threading.Barrier(4)

    def claim():
        start.wait(60)
        with writing(engine) as connection:
            claimed.append(deliveries.claim(connection, seen, NOON + MINUTE))

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(claimed) == [False, False, False, True]
    assert head(engine, channel).attempts == 1
    assert head(engine, channel).next_at == NOON + MINUTE


def test_what_was_claimed_and_not_sent_can_be_claimed_again(engine, channel):
    for number in range(3):
        with writing(engine) as connection:
            until = NOON + number * MINUTE
            assert deliveries.claim(connection, deliveries.waiting(connection, channel)[0], until)


def test_a_delivery_is_logged_with_its_error_and_its_end(engine, channel):
    waits = head(engine, channel)
    with writing(engine) as connection:
        deliveries.put_off(connection, waits.id, NOON + MINUTE, "It is down.")
        [failed], _ = deliveries.delivery_log(connection)
        deliveries.finish(connection, [waits.id], NOON + MINUTE)
        [done], count = deliveries.delivery_log(connection, channel="operators")
        assert deliveries.delivery_log(connection, channel="others") == ([], 0)
        assert deliveries.sent_since(connection, channel, NOON) == 1
        assert deliveries.sent_since(connection, channel, NOON + 2 * MINUTE) == 0
    assert (failed.error, failed.next_at, failed.done_at) == ("It is down.", NOON + MINUTE, None)
    assert (done.error, done.next_at, done.done_at, count) == (None, None, NOON + MINUTE, 1)


def test_old_deliveries_are_forgotten_unless_they_wait(engine, channel):
    week = timedelta(days=7)
    with writing(engine) as connection:
        deliveries.forget_old(connection, NOON + 2 * week, week)
        assert deliveries.delivery_log(connection)[1] == 1
        deliveries.give_up(connection, [deliveries.waiting(connection, channel)[0].id], "No.")
        deliveries.forget_old(connection, NOON + week / 2, week)
        assert deliveries.delivery_log(connection)[1] == 1
        deliveries.forget_old(connection, NOON + 2 * week, week)
        assert deliveries.delivery_log(connection)[1] == 0

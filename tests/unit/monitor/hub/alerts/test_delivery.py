"""Each event reaches each channel once, in order, whatever goes wrong on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from db.engine import open_database, snapshot, writing
from db.hub.alerts.channels import disable_channel
from db.hub.alerts.deliveries import delivery_log
from db.hub.alerts.raised import end_alert, raise_alert
from db.hub.tables.alerts import Alert, Channel, Delivery
from db.hub.tables.screens import Screen
from monitor.hub.alerts.delivery import KEEP_TRYING, MAX_REFUSALS, STORM, DeliveryDuty
from monitor.hub.alerts.senders import SendError
from tests.helpers.hub_rows import NOON, add_channel, add_screen

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Receivers:
    """What channels received; those that are `down` take nothing."""

    def __init__(self):
        self.got = []
        self.down = set()
        self.error = SendError("It is down.")
        self.attempts = []

    def send(self, channel, message, now):
        self.attempts.append((channel.name, message.id, now))
        if channel.name in self.down:
            raise self.error
        self.got.append((channel.name, message.id, now))

    def ids(self, channel="operators"):
        return [event for name, event, _ in self.got if name == channel]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    engine = open_database(str(tmp_path_factory.mktemp("hub") / "hub.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def engine(database):
    empty(database)
    return database


def empty(engine):
    with writing(engine) as connection:
        for table in (Delivery, Alert, Channel, Screen):
            connection.execute(delete(table))


@pytest.fixture
def receivers():
    return Receivers()


@pytest.fixture
def duty(receivers):
    return DeliveryDuty(receivers.send)


def raise_one(engine, screen, kind="silent", now=NOON):
    with writing(engine) as connection:
        uid = raise_alert(connection, screen, kind, "It is wrong.", now)
    return f"{uid}.raised"


def end_one(engine, screen, kind="silent", now=NOON):
    with writing(engine) as connection:
        assert end_alert(connection, screen, kind, now)


def run(duty, engine, until, since=NOON, every=5 * SECOND):
    while since <= until:
        duty.run(engine, since)
        since += every


def log(engine):
    with snapshot(engine) as connection:
        return delivery_log(connection)[0]


def test_events_arrive_once_and_in_order(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine)
    add_channel(engine, "others")
    events = []
    for number in range(3):
        now = NOON + number * 10 * SECOND
        events.append(raise_one(engine, screen, now=now))
        end_one(engine, screen, now=now + SECOND)
        events.append(events[-1].replace("raised", "ended"))
        run(duty, engine, now + 5 * SECOND, now)
    assert receivers.ids() == receivers.ids("others") == events
    assert all(one.done_at is not None and one.attempts == 1 for one in log(engine))


def test_a_receiver_that_is_down_for_ten_minutes_gets_each_event_once_afterwards(
    engine, receivers, duty
):
    screen = add_screen(engine)
    add_channel(engine)
    add_channel(engine, "others")
    receivers.down = {"operators"}
    events = []
    for minute in range(10):
        now = NOON + minute * MINUTE
        events.append(raise_one(engine, screen, now=now))
        run(duty, engine, now + 30 * SECOND, now)
        end_one(engine, screen, now=now + 30 * SECOND)
        events.append(events[-1].replace("raised", "ended"))
        run(duty, engine, now + 55 * SECOND, now + 30 * SECOND)
    assert receivers.ids() == []
    assert receivers.ids("others") == events
    # It was not asked more often than the pauses allow.
    assert len([name for name, *_ in receivers.attempts if name == "operators"]) < 15
    receivers.down = set()
    run(duty, engine, NOON + 16 * MINUTE, NOON + 10 * MINUTE)
    assert receivers.ids() == events


@given(st.lists(st.booleans(), max_size=12), st.lists(st.sampled_from("ud"), max_size=12))
@settings(deadline=None, max_examples=15)
def test_whatever_the_order_of_events_and_failures_each_arrives_once_in_order(
    database, steps, weather
):
    empty(database)
    receivers = Receivers()
    duty = DeliveryDuty(receivers.send)
    screen = add_screen(database)
    add_channel(database)
    now, expected, is_open = NOON, [], False
    for number, run_now in enumerate(steps):
        now += 20 * SECOND
        receivers.down = {"operators"} if "d" in weather[number : number + 1] else set()
        if is_open:
            end_one(database, screen, now=now)
            expected.append(expected[-1].replace("raised", "ended"))
        else:
            expected.append(raise_one(database, screen, now=now))
        is_open = not is_open
        if run_now:
            duty.run(database, now)
    receivers.down = set()
    duty.run(database, now + 6 * MINUTE)
    assert receivers.ids() == expected


def test_two_processes_that_send_at_once_send_once(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine)
    event = raise_one(engine, screen)
    other = DeliveryDuty(receivers.send)

    def send_while_the_other_one_runs(*sent):
        other.run(engine, NOON)
        receivers.send(*sent)

    DeliveryDuty(send_while_the_other_one_runs).run(engine, NOON)
    duty.run(engine, NOON)
    assert receivers.ids() == [event]


def test_what_a_killed_process_had_begun_to_send_is_sent_again(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine)
    event = raise_one(engine, screen)

    def die(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DeliveryDuty(die).run(engine, NOON)
    duty.run(engine, NOON + MINUTE)
    assert receivers.ids() == []
    duty.run(engine, NOON + 2 * MINUTE)
    assert receivers.ids() == [event]


def test_a_channel_that_fails_delays_no_other(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine)
    add_channel(engine, "others")
    receivers.down = {"operators"}
    event = raise_one(engine, screen)
    duty.run(engine, NOON)
    assert receivers.ids("others") == [event]
    [failed] = [one for one in log(engine) if one.channel == "operators"]
    assert failed.error == "It is down."
    assert NOON + 4 * SECOND <= failed.next_at <= NOON + 5 * SECOND


def test_pauses_grow_to_five_minutes_and_a_receiver_may_ask_for_longer_ones(
    engine, receivers, duty
):
    screen = add_screen(engine)
    add_channel(engine)
    receivers.down = {"operators"}
    raise_one(engine, screen)
    now, pauses = NOON, []
    for _ in range(10):
        duty.run(engine, now)
        [waits] = log(engine)
        pauses.append((waits.next_at - now) / SECOND)
        now = waits.next_at
    assert pauses[:6] == sorted(pauses[:6])
    assert 240 <= pauses[-1] <= 300
    receivers.error = SendError("Busy.", retry_after_s=3600.0)
    duty.run(engine, now)
    assert log(engine)[0].next_at == now + HOUR


def test_an_event_is_given_up_after_three_days_and_the_next_one_gets_its_turn(
    engine, receivers, duty
):
    screen = add_screen(engine)
    add_channel(engine)
    receivers.down = {"operators"}
    raise_one(engine, screen)
    duty.run(engine, NOON)
    later = NOON + KEEP_TRYING + SECOND
    receivers.down = set()
    second = raise_one(engine, screen, "disk", later)
    duty.run(engine, later)
    assert receivers.ids() == [second]
    assert log(engine)[1].error == "It is down. Given up after three days."


def test_a_message_that_is_refused_again_and_again_does_not_stop_the_others(
    engine, receivers, duty
):
    screen = add_screen(engine)
    add_channel(engine)
    first, second = raise_one(engine, screen), raise_one(engine, screen, "disk")

    def refuse(channel, message, now):
        if message.id == first:
            raise SendError("Status 400.", is_refusal=True)
        receivers.send(channel, message, now)

    picky = DeliveryDuty(refuse)
    for number in range(MAX_REFUSALS):
        assert receivers.ids() == []
        picky.run(engine, NOON + number * HOUR)
    assert receivers.ids() == [second]
    assert log(engine)[1].error == "Status 400. Given up."


@pytest.mark.logs_errors
def test_an_error_of_the_hubs_own_is_noted_and_tried_again(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine)
    event = raise_one(engine, screen)

    def fail(*_):
        raise ValueError("a secret that is none")

    DeliveryDuty(fail).run(engine, NOON)
    assert log(engine)[0].error == "Not delivered: the hub failed (ValueError)."
    duty.run(engine, NOON + MINUTE)
    assert receivers.ids() == [event]


def test_in_quiet_hours_nothing_is_sent_and_what_was_over_by_their_end_never_is(
    engine, receivers, duty
):
    screen = add_screen(engine)
    add_channel(engine, quiet_hours=["11:00-13:00"])
    raise_one(engine, screen)
    remains = raise_one(engine, screen, "disk")
    run(duty, engine, NOON + MINUTE)
    assert receivers.attempts == []
    end_one(engine, screen, now=NOON + 30 * MINUTE)
    run(duty, engine, NOON + 2 * HOUR, NOON + 30 * MINUTE, every=MINUTE)
    assert receivers.ids() == [remains]
    assert receivers.got[0][2] == NOON + HOUR
    end_one(engine, screen, "disk", now=NOON + 3 * HOUR)
    duty.run(engine, NOON + 3 * HOUR)
    assert receivers.ids() == [remains, remains.replace("raised", "ended")]
    unsent = [one.error for one in log(engine) if one.done_at is None]
    assert len(unsent) == 2
    assert all("quiet hours" in error for error in unsent)


def test_what_was_sent_before_quiet_hours_is_ended_after_them(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine, quiet_hours=["13:00-14:00"])
    event = raise_one(engine, screen)
    duty.run(engine, NOON)
    end_one(engine, screen, now=NOON + 90 * MINUTE)
    run(duty, engine, NOON + 3 * HOUR, NOON + 90 * MINUTE, every=MINUTE)
    assert receivers.ids() == [event, event.replace("raised", "ended")]
    assert receivers.got[1][2] == NOON + 2 * HOUR


def test_a_receiver_that_was_down_hears_of_what_was_over_meanwhile_despite_quiet_hours(
    engine, receivers, duty
):
    screen = add_screen(engine)
    add_channel(engine, quiet_hours=["22:00-23:00"])
    receivers.down = {"operators"}
    event = raise_one(engine, screen)
    duty.run(engine, NOON)
    end_one(engine, screen, now=NOON + MINUTE)
    receivers.down = set()
    duty.run(engine, NOON + 2 * MINUTE)
    assert receivers.ids() == [event, event.replace("raised", "ended")]


def storm(engine, count, kind):
    channel = add_channel(engine, kind=kind)
    with writing(engine) as connection:
        screens = connection.execute(Screen.__table__.select()).all()
        for screen in screens[:count]:
            raise_alert(connection, screen.id, "silent", "Dark.", NOON)
    return channel


@pytest.fixture
def many_screens(engine):
    for number in range(STORM + 5):
        add_screen(engine, f"Screen {number}")


@pytest.mark.usefixtures("many_screens")
def test_a_storm_of_alerts_is_one_message_to_people(engine, receivers, duty):
    storm(engine, STORM + 5, "apprise")
    duty.run(engine, NOON)
    assert len(receivers.got) == 1
    assert all(one.done_at is not None for one in log(engine))


@pytest.mark.usefixtures("many_screens")
def test_fewer_alerts_are_told_one_by_one_and_programs_get_each_event(engine, receivers, duty):
    storm(engine, STORM, "apprise")
    duty.run(engine, NOON)
    assert len(receivers.got) == STORM
    empty(engine)
    for number in range(STORM + 5):
        add_screen(engine, f"Screen {number}")
    receivers.got.clear()
    storm(engine, STORM + 5, "webhook")
    duty.run(engine, NOON)
    assert len(set(receivers.ids())) == STORM + 5


@pytest.mark.usefixtures("many_screens")
def test_a_storm_that_comes_bit_by_bit_is_collected_for_a_minute(engine, receivers, duty):
    storm(engine, STORM, "apprise")
    duty.run(engine, NOON)
    with writing(engine) as connection:
        for screen in connection.execute(Screen.__table__.select()).all()[STORM:]:
            raise_alert(connection, screen.id, "silent", "Dark.", NOON + 10 * SECOND)
    run(duty, engine, NOON + 55 * SECOND, NOON + 10 * SECOND)
    assert len(receivers.got) == STORM
    run(duty, engine, NOON + 2 * MINUTE, NOON + MINUTE)
    assert len(receivers.got) <= STORM + 5
    assert all(one.done_at is not None for one in log(engine))


def test_a_storm_that_does_not_arrive_is_sent_again(engine, receivers, duty):
    for number in range(STORM + 5):
        add_screen(engine, f"Screen {number}")
    storm(engine, STORM + 5, "apprise")
    receivers.down = {"operators"}
    duty.run(engine, NOON)
    receivers.down = set()
    duty.run(engine, NOON + MINUTE)
    assert len(receivers.got) == 1
    assert all(one.done_at is not None for one in log(engine))


def test_a_disabled_channel_gets_nothing(engine, receivers, duty):
    screen, channel = add_screen(engine), add_channel(engine)
    raise_one(engine, screen)
    with writing(engine) as connection:
        disable_channel(connection, channel, NOON)
    duty.run(engine, NOON)
    assert receivers.attempts == []


def test_the_log_is_kept_for_three_months(engine, receivers, duty):
    screen = add_screen(engine)
    add_channel(engine)
    raise_one(engine, screen)
    duty.run(engine, NOON)
    duty.run(engine, NOON + timedelta(days=89))
    assert len(log(engine)) == 1
    duty.run(engine, NOON + timedelta(days=91))
    assert log(engine) == []

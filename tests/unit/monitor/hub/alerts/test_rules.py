"""What raises an alert, what ends it, and what does neither."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from db.engine import snapshot, writing
from db.hub.alerts.conditions import ScreenCondition, ShowState
from db.hub.alerts.raised import SCREEN_ALERT_KINDS, AlertKind, find_alerts
from db.hub.shows.desired import NewDocument, Reported, note_report, store_documents
from db.hub.tables.alerts import Delivery
from db.hub.tables.screens import KioskKey, Screen, ScreenState
from monitor.hub.alerts.rules import WORDS, AlertDuty, judge
from monitor.languages import speaking
from monitor.languages.recognition import translated
from tests.helpers.german import english_in
from tests.helpers.hub_rows import NOON, add_channel, add_screen

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
GIB = 1 << 30
LONG_AGO = NOON - timedelta(days=1)

HEALTH = {
    "at": NOON.isoformat(),
    "session_kind": "live",
    "camera": {"state": "ok", "since": LONG_AGO.isoformat(), "detail": ""},
    "notice_shown": True,
    "disk_free_bytes": 50 * GIB,
    "disk_total_bytes": 100 * GIB,
    "lost_records": 0,
}


def a_screen(heard_s=0.0, *, opening=(), time_zone="UTC", offset_s=0.0, **health):
    """A screen that was heard of some seconds before noon, and is well but for the changes."""
    heard = NOON - heard_s * SECOND
    given_health = HEALTH | {"at": (heard + offset_s * SECOND).isoformat()} | health
    return ScreenCondition(1, opening, time_zone, heard, heard, offset_s, given_health)


def wrong(screen, *open_kinds, now=NOON, watching_since=LONG_AGO):
    """The kinds of alerts to raise, and those to end."""
    found = judge(screen, now, watching_since, open_kinds)
    return (
        {kind for kind, finding in found.items() if finding.wrong},
        {kind for kind, finding in found.items() if finding.wrong is False},
    )


def lost(since, detail="covered"):
    return {"state": "lost", "since": since.isoformat(), "detail": detail}


def test_every_kind_has_words():
    assert set(WORDS) == set(get_args(AlertKind))


def test_a_screen_that_is_well_raises_nothing_and_ends_everything():
    assert wrong(a_screen()) == (set(), set(SCREEN_ALERT_KINDS))


@pytest.mark.parametrize(("heard_s", "expected"), [(119, False), (120, False), (121, True)])
def test_a_screen_is_silent_after_two_minutes(heard_s, expected):
    assert ("silent" in wrong(a_screen(heard_s))[0]) is expected


def test_a_silent_screen_keeps_its_other_alerts():
    screen = a_screen(600, camera=lost(LONG_AGO), lost_records=3)
    assert wrong(screen) == ({"silent"}, {"set_aside", "not_applied"})


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        ((), True),
        (("08:00-20:00",), True),
        (("08:00-11:00", "14:00-20:00"), False),
        (("20:00-08:00",), False),
        # At 12:00 the shop has been open for one minute, and for two.
        (("11:59-20:00",), False),
        (("11:58-20:00",), True),
        # An unreadable span must not hide a dark screen.
        (("always",), True),
    ],
)
def test_a_dark_screen_is_an_alert_only_within_its_opening_hours(opening, expected):
    raised, ended = wrong(a_screen(3600, opening=opening))
    assert ("silent" in raised) is expected
    assert "silent" not in ended


def test_opening_hours_are_those_of_the_screens_place():
    evening = a_screen(3600, opening=("08:00-20:00",), time_zone="Asia/Tokyo")  # 21:00 there
    assert "silent" not in wrong(evening)[0]
    assert "silent" in wrong(replace(evening, time_zone="Asia/Kolkata"))[0]  # 17:30


def test_a_screen_that_comes_back_at_night_is_no_longer_silent():
    assert "silent" in wrong(a_screen(30, opening=("14:00-20:00",)))[1]


def test_a_hub_that_was_down_does_not_call_screens_silent_that_it_could_not_hear():
    screen = a_screen(3600)
    for seconds, expected in ((0, False), (120, False), (121, True)):
        since = NOON - seconds * SECOND
        assert ("silent" in wrong(screen, watching_since=since)[0]) is expected
        assert "silent" not in wrong(screen, "silent", watching_since=since)[1]


@given(
    st.integers(0, 10_000),
    st.integers(0, 2 * 24 * 60),
    st.sampled_from([(), ("08:00-20:00",), ("20:00-03:00",), ("00:00-24:00",)]),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_silence_is_an_alert_exactly_while_the_shop_has_been_open_for_its_length(
    heard_s, minute, opening, zone
):
    now = datetime(2026, 3, 28, tzinfo=UTC) + minute * MINUTE
    screen = replace(a_screen(opening=opening, time_zone=zone), contact_at=now - heard_s * SECOND)

    def opened(at):
        here = at.astimezone(ZoneInfo(zone))
        hour = here.hour
        return {
            (): True,
            ("08:00-20:00",): 8 <= hour < 20,
            ("20:00-03:00",): hour >= 20 or hour < 3,
            ("00:00-24:00",): True,
        }[opening]

    silent = judge(screen, now, LONG_AGO - timedelta(days=9))["silent"].wrong
    if heard_s <= 120:
        assert silent is False
    else:
        assert silent is (True if opened(now) and opened(now - 2 * MINUTE) else None)


@pytest.mark.parametrize(("lost_s", "expected"), [(60, False), (61, True)])
def test_a_camera_is_lost_after_a_minute(lost_s, expected):
    screen = a_screen(camera=lost(NOON - lost_s * SECOND))
    raised, ended = wrong(screen)
    assert ("camera" in raised) is expected
    assert "camera" not in ended


def test_the_time_of_a_lost_camera_is_counted_by_the_kiosks_own_clock():
    ahead = a_screen(offset_s=3600, camera=lost(NOON + 3590 * SECOND))
    assert "camera" not in wrong(ahead)[0]
    behind = a_screen(offset_s=-3600, camera=lost(NOON - 3670 * SECOND))
    assert "camera" in wrong(behind)[0]


def test_a_camera_that_is_lost_when_the_kiosk_was_last_heard_goes_on_being_lost():
    assert "camera" in wrong(a_screen(30, camera=lost(NOON - 65 * SECOND)))[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"camera": {"state": "off", "since": LONG_AGO.isoformat(), "detail": "--no-camera"}},
        {"camera": lost(LONG_AGO), "session_kind": "demo"},
    ],
)
def test_a_kiosk_that_shall_not_measure_has_no_lost_camera(changes):
    assert "camera" in wrong(a_screen(**changes))[1]


def test_a_dark_shop_covers_no_camera():
    raised, ended = wrong(a_screen(opening=("14:00-20:00",), camera=lost(LONG_AGO)))
    assert "camera" not in raised | ended


def test_the_camera_says_why():
    found = judge(a_screen(camera=lost(LONG_AGO, "the picture is frozen")), NOON, LONG_AGO)
    assert "the picture is frozen" in found["camera"].detail


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ({"notice_shown": False}, True),
        ({"notice_shown": None}, False),
        ({"notice_shown": False, "session_kind": "replay"}, False),
        ({"notice_shown": False, "camera": {"state": "off"}}, False),
    ],
)
def test_a_notice_must_be_shown_where_a_camera_measures(health, expected):
    assert ("notice" in wrong(a_screen(**health))[0]) is expected


@pytest.mark.parametrize(
    ("free", "total", "raised", "kept"),
    [
        (1.9, 30, True, True),
        (2.2, 30, False, True),
        (2.6, 30, False, False),
        (24, 500, True, True),
        (29, 500, False, True),
        (31, 500, False, False),
        # A card that never has 2 GB free.
        (1, 7.5, False, False),
        (0.3, 7.5, True, True),
    ],
)
def test_a_disk_is_almost_full_and_stays_so_until_it_is_clearly_not(free, total, raised, kept):
    screen = a_screen(disk_free_bytes=int(free * GIB), disk_total_bytes=int(total * GIB))
    assert ("disk" in wrong(screen)[0]) is raised
    assert ("disk" in wrong(screen, "disk")[0]) is kept


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 40), st.floats(-1e5, 1e5))
def test_what_raises_an_alert_does_not_end_it(free, total, offset_s):
    screen = a_screen(disk_free_bytes=free, disk_total_bytes=total, offset_s=offset_s)
    raised, _ = wrong(screen)
    assert not raised & wrong(screen, *raised)[1]


@pytest.mark.parametrize(
    ("offset_s", "raised", "kept"), [(30, False, True), (-31, True, True), (20, False, False)]
)
def test_a_clock_is_wrong_beyond_half_a_minute(offset_s, raised, kept):
    screen = a_screen(offset_s=offset_s)
    assert ("clock" in wrong(screen)[0]) is raised
    assert ("clock" in wrong(screen, "clock")[0]) is kept


def test_lost_readings_and_what_was_set_aside_are_alerts():
    assert "readings" in wrong(a_screen(lost_records=1))[0]
    aside = replace(a_screen(), set_aside_at=NOON - timedelta(hours=23))
    assert "set_aside" in wrong(aside)[0]
    assert "set_aside" in wrong(aside, now=NOON + timedelta(hours=2))[1]


def test_nobody_misses_a_screen_without_a_kiosk():
    screen = replace(a_screen(9999, lost_records=9), contact_at=None)
    assert wrong(screen) == (set(), set(SCREEN_ALERT_KINDS))


JUNK = [None, True, -1, 0.5, "", "tomorrow", [], [1], {}, {"state": []}, {"state": "lost"}]


@given(st.dictionaries(st.sampled_from([*HEALTH]), st.sampled_from(JUNK)))
def test_no_health_breaks_the_rules(changes):
    judge(a_screen(**changes), NOON, LONG_AGO)


def join(engine, screen, at=NOON, **health):
    key = {"kiosk": f"{screen:032x}", "key_sha256": f"{screen:064x}", "created_by": "anna"}
    state = {"received_at": at, "clock_offset_s": 0.0, "health": HEALTH | health}
    with writing(engine) as connection:
        values = {"screen_id": screen, "created_at": at, "last_seen_at": at}
        connection.execute(insert(KioskKey).values(**key, **values))
        connection.execute(insert(ScreenState).values(screen_id=screen, **state))


def heard(engine, screen, at, **health):
    with writing(engine) as connection:
        of_screen = KioskKey.screen_id == screen
        connection.execute(update(KioskKey).where(of_screen).values(last_seen_at=at))
        state = update(ScreenState).where(ScreenState.screen_id == screen)
        values = HEALTH | {"at": at.isoformat()} | health
        connection.execute(state.values(received_at=at, health=values))


def run(duty, engine, until, since=NOON, every_s=15):
    now = since
    while now <= until:
        duty.run(engine, now)
        now += every_s * SECOND
    return now


def alerts(engine):
    with snapshot(engine) as connection:
        found, _ = find_alerts(connection)
    return [(alert.screen_id, alert.kind, alert.raised_at, alert.ended_at) for alert in found]


def test_a_silent_screen_raises_one_alert_that_ends_by_itself(engine):
    screen = add_screen(engine)
    join(engine, screen)
    add_channel(engine)
    duty = AlertDuty()
    back = run(duty, engine, NOON + 10 * MINUTE)
    heard(engine, screen, back)
    run(duty, engine, back + MINUTE, back)
    assert alerts(engine) == [(screen, "silent", NOON + 135 * SECOND, back)]
    with snapshot(engine) as connection:
        sent = connection.scalars(select(Delivery.payload)).all()
    assert [body["event"] for body in sent] == ["raised", "ended"]


def test_a_kiosk_that_has_joined_is_not_missed_before_it_has_run(engine):
    screen = add_screen(engine)
    join(engine, screen)
    with writing(engine) as connection:
        connection.execute(delete(ScreenState))
    duty = AlertDuty()
    now = run(duty, engine, NOON + 5 * MINUTE)
    assert alerts(engine) == []
    with writing(engine) as connection:
        state = {"received_at": now, "clock_offset_s": 0.0, "health": HEALTH}
        connection.execute(insert(ScreenState).values(screen_id=screen, **state))
    run(duty, engine, now + 3 * MINUTE, now)
    assert [kind for _, kind, *_ in alerts(engine)] == ["silent"]


def test_a_screen_that_is_dark_while_closed_is_silent_two_minutes_after_the_shop_opens(engine):
    screen = add_screen(engine, time_zone="UTC", opening=["08:00-12:01", "12:30-20:00"])
    join(engine, screen)
    duty = AlertDuty()
    now = run(duty, engine, NOON + 31 * MINUTE, every_s=30)
    assert alerts(engine) == []
    run(duty, engine, now + 2 * MINUTE, now)
    assert alerts(engine) == [(screen, "silent", NOON + 32 * MINUTE, None)]


def test_after_a_pause_of_the_hub_screens_get_two_minutes_to_be_heard(engine):
    screen = add_screen(engine)
    join(engine, screen)
    duty = AlertDuty()
    duty.run(engine, NOON)
    back = NOON + timedelta(hours=1)
    run(duty, engine, back + 2 * MINUTE, back)
    assert alerts(engine) == []
    heard(engine, screen, back + 130 * SECOND)
    run(duty, engine, back + 4 * MINUTE, back + 135 * SECOND)
    assert alerts(engine) == []
    run(duty, engine, back + 5 * MINUTE, back + 4 * MINUTE)
    assert len(alerts(engine)) == 1


def test_two_processes_that_evaluate_at_once_raise_and_end_each_alert_once(engine):
    screen = add_screen(engine)
    join(engine, screen)
    add_channel(engine)
    duties = AlertDuty(), AlertDuty()
    for step in range(12):
        for duty in duties:
            duty.run(engine, NOON + 15 * step * SECOND)
    heard(engine, screen, NOON + 3 * MINUTE)
    for duty in duties:
        duty.run(engine, NOON + 3 * MINUTE)
    assert len(alerts(engine)) == 1
    with snapshot(engine) as connection:
        assert len(connection.scalars(select(Delivery.id)).all()) == 2


def test_a_notice_that_is_hidden_for_a_moment_raises_nothing(engine):
    screen = add_screen(engine)
    join(engine, screen)
    duty = AlertDuty()
    for step, shown in enumerate([False, False, False, True, False, False, False, False]):
        at = NOON + 15 * step * SECOND
        heard(engine, screen, at, notice_shown=shown)
        duty.run(engine, at)
    assert alerts(engine) == []
    heard(engine, screen, NOON + 2 * MINUTE, notice_shown=False)
    duty.run(engine, NOON + 2 * MINUTE)
    assert [kind for _, kind, *_ in alerts(engine)] == ["notice"]


def test_one_late_word_of_a_kiosk_is_no_wrong_clock(engine):
    screen = add_screen(engine)
    join(engine, screen)
    duty = AlertDuty()

    def say(offsets):
        for minute, offset_s in enumerate(offsets):
            now = NOON + minute * MINUTE
            heard(engine, screen, now)
            with writing(engine) as connection:
                connection.execute(update(ScreenState).values(clock_offset_s=offset_s))
            run(duty, engine, now + 45 * SECOND, now)
        return [kind for _, kind, *_ in alerts(engine)]

    assert say([0.2, -50.0, 0.3]) == []
    assert say([-50.0, -50.0]) == ["clock"]


SHOWN = ShowState(3, 3, "applied", "", None)


@pytest.mark.parametrize(
    ("show", "detail"),
    [
        (None, ""),
        (SHOWN, ""),
        (replace(SHOWN, version=4), "has not fetched version 4"),
        (replace(SHOWN, state="fetching", progress=0.25), "of version 3, 25% of them so far:"),
        (replace(SHOWN, state="fetching"), "of version 3: check"),
        (replace(SHOWN, state="refused", reason="The disk is full."), "3 (The disk is full). It"),
    ],
)
def test_a_show_that_is_not_applied_is_an_alert_with_its_reason(show, detail):
    screen = replace(a_screen(), show=show)
    found = judge(screen, NOON, LONG_AGO)["not_applied"]
    assert (found.wrong, detail in found.detail) == (bool(detail), True)
    # A kiosk that is off catches up when it is back; closed shops have nobody to look.
    assert judge(replace(a_screen(600), show=SHOWN), NOON, LONG_AGO)["not_applied"].wrong is None
    closed = replace(screen, opening=("13:00-14:00",))
    assert judge(closed, NOON, LONG_AGO)["not_applied"].wrong is (None if detail else False)


def test_a_show_has_ten_minutes_of_opening_hours_to_be_applied_but_not_to_be_refused(engine):
    screen = add_screen(engine, opening=["12:00-20:00"], time_zone="UTC")
    join(engine, screen)
    duty = AlertDuty()
    before = NOON - 20 * MINUTE
    with writing(engine) as connection:
        store_documents(connection, [NewDocument(screen, {}, "d" * 64)], "eva", before)

    def until(start, end):
        for step in range(int((end - start) / (15 * SECOND))):
            heard(engine, screen, start + step * 15 * SECOND)
            duty.run(engine, start + step * 15 * SECOND)
        return [(kind, ended is None) for _, kind, *_, ended in alerts(engine)]

    def report(state):
        with writing(engine) as connection:
            assert note_report(connection, screen, Reported(1, state), NOON)

    assert until(before, NOON + 10 * MINUTE) == []
    assert until(NOON + 10 * MINUTE, NOON + 11 * MINUTE) == [("not_applied", True)]
    report("applied")
    later = NOON + 12 * MINUTE
    assert until(NOON + 11 * MINUTE, later) == [("not_applied", False)]
    with writing(engine) as connection:
        store_documents(connection, [NewDocument(screen, {}, "e" * 64)], "eva", later)
        assert note_report(connection, screen, Reported(2, "refused", "no disk"), later)
    assert until(later, later + MINUTE) == [("not_applied", True), ("not_applied", False)]


def test_a_screen_that_is_retired_or_loses_its_kiosk_has_no_open_alerts(engine):
    screens = add_screen(engine), add_screen(engine, "Hall")
    for screen in screens:
        join(engine, screen)
    duty = AlertDuty()
    now = run(duty, engine, NOON + 3 * MINUTE)
    assert len(alerts(engine)) == 2
    with writing(engine) as connection:
        retired = update(Screen).where(Screen.id == screens[0])
        connection.execute(retired.values(retired_at=now))
        revoked = update(KioskKey).where(KioskKey.screen_id == screens[1])
        connection.execute(revoked.values(revoked_at=now))
    duty.run(engine, now)
    assert [ended for *_, ended in alerts(engine)] == [now, now]


GIB = 1 << 30
FULL = {"disk_free_bytes": GIB, "disk_total_bytes": 64 * GIB}


@pytest.mark.parametrize(
    ("screen", "kind"),
    [
        (a_screen(200), "silent"),
        (a_screen(camera=lost(NOON - timedelta(minutes=5))), "camera"),
        (a_screen(camera=lost(NOON - timedelta(minutes=5), "")), "camera"),
        (a_screen(notice_shown=False), "notice"),
        (a_screen(**FULL), "disk"),
        (a_screen(offset_s=-90), "clock"),
        (a_screen(offset_s=90_000), "clock"),
        (a_screen(lost_records=1), "readings"),
        (a_screen(lost_records=2_000), "readings"),
        (replace(a_screen(), set_aside_at=NOON), "set_aside"),
        (replace(a_screen(), show=ShowState(4, 3, "applied", "", None)), "not_applied"),
        (replace(a_screen(), show=ShowState(3, 3, "fetching", "", 0.25)), "not_applied"),
        (replace(a_screen(), show=ShowState(3, 3, "fetching", "", None)), "not_applied"),
        (replace(a_screen(), show=ShowState(3, 3, "refused", "", None)), "not_applied"),
        (replace(a_screen(), show=ShowState(3, 3, "refused", "its SHA-256 is wrong.", None)),
         "not_applied"),
    ],
)  # fmt: skip
def test_what_is_stored_of_an_alert_is_english_and_shown_in_german(screen, kind):
    finding = judge(screen, NOON, LONG_AGO)[kind]
    assert finding.wrong
    stored = str.__str__(finding.detail)
    with speaking("de"):
        shown = translated(stored)
    assert english_in(stored)
    assert english_in(shown.replace("covered", "")) == set()

"""What happened at one screen in a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from db.engine import writing
from db.hub.screens import registry
from db.hub.screens.day import read_day, read_kiosks
from db.hub.tables.alerts import Alert
from db.hub.tables.screens import KioskKey, StateChange
from db.schema import Origin
from tests.helpers.hub_screens import PLACE
from tests.helpers.making import START

DAY = timedelta(days=1)


@pytest.fixture
def screen(engine, make):
    """A screen whose kiosk recorded a session of 20 s."""
    make.write(engine)
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, START)
        connection.execute(update(Origin).values(screen_id=screen.id))
    return screen


def day(engine, screen, start=START - DAY / 2, end=START + DAY / 2):
    with engine.connect() as connection:
        return read_day(connection, screen.id, start, end)


def test_a_day_has_its_sessions_gaps_and_plays(engine, screen, make):
    seen = day(engine, screen)
    ((session,), (gap,)) = seen.sessions, seen.gaps
    assert (session.started_at, session.session_kind) == (START, "live")
    assert session.program_version == "0.1.0"
    assert session.model_name == "emotions"
    assert gap.cause
    assert [at for at, _ in seen.plays] == [make.at(0), make.at(6), make.at(12)]


def test_other_days_and_other_screens_have_none_of_it(engine, screen):
    with writing(engine) as connection:
        other = registry.create_screen(connection, PLACE, START)
    for seen in (
        day(engine, other),
        day(engine, screen, START + DAY, START + 2 * DAY),
        day(engine, screen, START - DAY, START),
    ):
        assert (seen.sessions, seen.gaps, seen.plays) == ((), (), ())


def test_what_reaches_into_the_day_belongs_to_it(engine, screen, make):
    seen = day(engine, screen, make.at(7), make.at(8))
    assert len(seen.sessions) == 1
    assert seen.plays == ()


def test_a_day_begins_with_the_state_before_it(engine, screen, make):
    states = ("paused", "running", "paused", "running")
    moments = (START - 2 * DAY, START - DAY, START, START + DAY)
    with writing(engine) as connection:
        for at, state in zip(moments, states, strict=True):
            row = {"at": at, "state": state, "camera": "ok", "notice_shown": None, "detail": ""}
            connection.execute(insert(StateChange).values(screen_id=screen.id, **row))
    seen = day(engine, screen).states
    assert [(state.at, state.state) for state in seen] == [
        (moments[1], "running"),
        (moments[2], "paused"),
    ]


def test_alerts_of_the_day_are_those_that_were_open_in_it(engine, screen):
    spans = ((-3, -2), (-2, 0), (0, None), (1, None))
    with writing(engine) as connection:
        for number, (raised, ended) in enumerate(spans):
            row = {
                "uid": f"{number:032x}",
                "kind": f"kind {number}",
                "raised_at": START + raised * DAY,
                "ended_at": None if ended is None else START + ended * DAY,
                "detail": "",
            }
            connection.execute(insert(Alert).values(screen_id=screen.id, **row))
    assert [alert.kind for alert in day(engine, screen).alerts] == ["kind 1", "kind 2"]


def test_kiosks_of_a_screen_come_latest_first(engine, screen):
    values = {"screen_id": screen.id, "created_at": START, "created_by": "ann"}
    with writing(engine) as connection:
        for name, revoked_at in (("a", START), ("b", None)):
            row = {"kiosk": name * 32, "key_sha256": name * 64, "revoked_at": revoked_at}
            connection.execute(insert(KioskKey).values(**row, **values))
        found = read_kiosks(connection, screen.id)
    assert [(kiosk.kiosk[0], kiosk.revoked_at) for kiosk in found] == [("b", None), ("a", START)]

"""All screens at one moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, insert, update

from db.engine import writing
from db.hub.screens import registry
from db.hub.screens.registry import Place
from db.hub.screens.wall import read_wall
from db.hub.tables.alerts import Alert
from db.hub.tables.screens import KioskKey
from tests.helpers.hub_screens import NOW, PLACE, a_health


@pytest.fixture
def wall(engine):
    """A screen with everything, one that is new, and one that is retired."""
    with writing(engine) as connection:
        till, door, old = (
            registry.create_screen(connection, place, NOW)
            for place in (PLACE, Place("Door", site="Arcade"), Place("Old"))
        )
        registry.store_health(connection, till.id, a_health(), NOW)
        registry.retire_screen(connection, old.uid, NOW)
        key = {"kiosk": "ab" * 16, "created_at": NOW, "created_by": "ann"}
        key["last_seen_at"] = NOW + timedelta(seconds=30)
        for number, screen in enumerate((till, door)):
            row = {"screen_id": screen.id, "key_sha256": f"{number:064x}", **key}
            connection.execute(insert(KioskKey).values(row))
        of_door = KioskKey.screen_id == door.id
        connection.execute(update(KioskKey).where(of_door).values(revoked_at=NOW))
        for number, (kind, ended_at) in enumerate((("disk", None), ("clock", NOW))):
            row = {"uid": f"{number:032x}", "kind": kind, "ended_at": ended_at, "detail": "no"}
            raised_at = NOW - timedelta(hours=1)
            connection.execute(insert(Alert).values(screen_id=till.id, raised_at=raised_at, **row))
    return till, door, old


def test_screens_in_use_come_by_site_and_name_with_what_is_known(engine, wall):
    with engine.connect() as connection:
        door, till = read_wall(connection)
    assert (door.screen, till.screen) == (wall[1], wall[0])
    assert (till.received_at, till.health, till.has_kiosk) == (NOW, a_health(), True)
    assert till.contact_at == NOW + timedelta(seconds=30)
    assert [alert.kind for alert in till.alerts] == ["disk"]
    assert (door.contact_at, door.health, door.alerts, door.has_kiosk) == (None, None, (), False)


def test_one_screen_is_found_also_if_it_is_retired(engine, wall):
    with engine.connect() as connection:
        (old,) = read_wall(connection, wall[2].uid)
        assert old.screen.retired_at == NOW
        assert read_wall(connection, "ff" * 16) == []


def test_the_wall_takes_two_queries_however_many_screens_there_are(engine, wall):
    queries = []
    event.listen(engine, "before_cursor_execute", lambda *given: queries.append(given[2]))
    with engine.connect() as connection:
        read_wall(connection)
    assert len([query for query in queries if query.startswith("SELECT")]) == 2

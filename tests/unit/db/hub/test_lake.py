"""What the lake is made of, on both kinds of databases; `monitor.hub.lake` tests the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, select, update

from db.engine import snapshot, writing
from db.hub import lake
from db.hub.tables.intake import Cell
from db.hub.tables.screens import Screen
from db.read.cells import cells_of_day
from db.schema import SUM_COLUMNS, Origin, Session

DAY = date(2026, 3, 1)
HOUR = datetime(2026, 3, 1, 9, tzinfo=UTC)
SCREEN = {
    "uid": "a" * 32,
    "name": "Door",
    "site": "Mall",
    "group_name": "North",
    "tags": ["new"],
    "venue_type": "retail.malls",
    "time_zone": "UTC",
    "opening": [],
    "created_at": HOUR,
}


@pytest.fixture
def origin(engine, make):
    make.write_rolled(engine)
    with engine.connect() as connection:
        return connection.scalar(select(Origin.id))


@pytest.mark.parametrize("named", [False, True])
def test_places_are_called_as_their_screens(engine, origin, named):
    if named:
        with writing(engine) as connection:
            made = connection.execute(insert(Screen).values(**SCREEN))
            connection.execute(update(Origin).values(screen_id=made.inserted_primary_key[0]))
    with snapshot(engine) as connection:
        [place] = lake.places(connection, DAY)
        assert lake.places(connection, date(2026, 3, 2)) == []
    expected = ("a" * 32, "Door", "Mall", "North", ["new"]) if named else ("", "", "Foyer", "", [])
    found = (place.screen, place.screen_name, place.site, place.group_name, place.tags)
    assert (place.origin_id, found) == (origin, expected)


def test_rows_of_a_day(engine, origin, make):
    with snapshot(engine) as connection:
        summed = cells_of_day(connection, origin, HOUR.replace(hour=0), 1)
        assert lake.cell_rows(connection, origin, DAY, 1) == summed
        plays = lake.play_rows(connection, origin, DAY)
        ads = lake.ad_rows(connection)
        assert lake.play_rows(connection, origin, date(2026, 3, 2)) == []
    assert [play["play"] for play in plays] == [1, 2, 3]
    assert plays[0]["started_at"] == make.start
    assert {ads[row["ad_version_id"]]["ad_id"] for row in summed} == {"summer", "winter"}


def test_cells_that_were_sent_are_taken_instead(engine, origin):
    figures = dict.fromkeys(SUM_COLUMNS, 0.25) | {"readings": 9, "emotion_readings": 8}
    key = {"origin_id": origin, "ad_version_id": 1, "hour": HOUR}
    with writing(engine) as connection:
        connection.execute(insert(Cell).values(**key, second=2, viewers=4, attentive=5, **figures))
    with snapshot(engine) as connection:
        rows = lake.cell_rows(connection, origin, DAY, 1)
        few = lake.cell_rows(connection, origin, DAY, 5)
    assert [(r["second"], r["viewers"]) for r in rows if r["ad_version_id"] == 1] == [(2, 4)]
    assert len([row for row in rows if row["ad_version_id"] == 2]) == 6
    assert few == []


def test_days_that_changed(engine, origin):
    with snapshot(engine) as connection:
        plays, cells = lake.newest_ids(connection)
        assert (plays, cells) == (3, 0)
        assert lake.days_after(connection) == [DAY]
        assert lake.days_after(connection, plays, cells) == []
        assert lake.days_after(connection, plays - 1, cells) == [DAY]
        assert len(lake.own_epoch(connection)) == 32
    with writing(engine) as connection:
        connection.execute(update(Session).values(session_kind="demo"))
    with snapshot(engine) as connection:
        assert lake.days_after(connection) == lake.places(connection, DAY) == []
        assert lake.play_rows(connection, origin, DAY) == []

"""The views for other programs, on both kinds of databases."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, inspect, select, update

from db import migrations
from db.engine import make_ready, snapshot, writing
from db.hub import views
from db.hub.lake import CELL_FIGURES, cell_rows
from db.hub.tables.alerts import Alert
from db.hub.tables.intake import Cell
from db.hub.tables.screens import Screen
from db.hub.tables.shows import Campaign
from db.hub.views import VIEWS, create_views, drop_views
from db.read.cells import WHOLE
from db.schema import SUM_COLUMNS, Origin, Session
from tests.unit.db.hub.test_lake import DAY, HOUR, SCREEN


@pytest.fixture(autouse=True)
def no_views(engine):
    """Leave no views behind in a database that other tests use."""
    yield
    with writing(engine) as connection:
        drop_views(connection)


@pytest.fixture
def origin(engine, make):
    """The origin of a session at the screen Door, with an alert."""
    make.write_rolled(engine)
    with writing(engine) as connection:
        screen = connection.execute(insert(Screen).values(**SCREEN)).inserted_primary_key[0]
        connection.execute(update(Origin).values(screen_id=screen))
        alert = {"uid": "1" * 32, "screen_id": screen, "kind": "silent", "raised_at": HOUR}
        connection.execute(insert(Alert).values(**alert, detail=""))
        create_views(connection, 1)
        return connection.scalar(select(Origin.id))


def read(engine, view):
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT * FROM {view}").mappings()
        return [dict(row) for row in rows]


def test_every_view_can_be_read(engine, origin):
    with engine.connect() as connection:
        assert sorted(inspect(connection).get_view_names()) == sorted(VIEWS)
    counts = {view: len(read(engine, view)) for view in VIEWS}
    assert counts == {
        "v_about": 1,
        "v_screens": 1,
        "v_plays": 3,
        "v_cells": 12,
        "v_ad_days": 2,
        "v_gaps": 1,
        "v_alerts": 1,
    }
    for view in ("v_plays", "v_cells", "v_ad_days", "v_gaps", "v_alerts"):
        assert {row["screen_name"] for row in read(engine, view)} == {"Door"}
        assert {row["site"] for row in read(engine, view)} == {"Mall"}


def test_cells_are_those_of_the_lake(engine, origin):
    with snapshot(engine) as connection:
        expected = cell_rows(connection, origin, DAY, 1)
    found = sorted(read(engine, "v_cells"), key=lambda row: (row["ad_id"], row["second"]))
    for row, one in zip(found, expected, strict=True):
        for name in CELL_FIGURES:
            assert row[name] == (one[name] and pytest.approx(one[name], rel=1e-12)), name
        assert str(row["hour"])[:16] == "2026-03-01 09:00"
        assert str(row["day"]) == "2026-03-01"


def test_days_add_up_hours(engine, origin):
    whole = [row for row in read(engine, "v_cells") if row["second"] == WHOLE]
    for row in read(engine, "v_ad_days"):
        [same] = [one for one in whole if one["ad_id"] == row["ad_id"]]
        for name in set(CELL_FIGURES) - {"attentive"}:
            assert row[name] == pytest.approx(same[name]), name


def test_few_viewers_and_other_kinds_stay_out(engine, origin):
    with writing(engine) as connection:
        create_views(connection, 3)
    assert read(engine, "v_cells") == read(engine, "v_ad_days") == []
    assert len(read(engine, "v_plays")) == 3
    with writing(engine) as connection:
        create_views(connection, 1)
        connection.execute(update(Session).values(session_kind="demo"))
    assert read(engine, "v_plays") == read(engine, "v_cells") == read(engine, "v_gaps") == []


def test_cells_that_were_sent_are_taken_instead(engine, origin):
    figures = dict.fromkeys(SUM_COLUMNS, 0.25) | {"readings": 9, "emotion_readings": 8}
    key = {"origin_id": origin, "ad_version_id": 1, "hour": HOUR}
    with writing(engine) as connection:
        connection.execute(insert(Cell).values(**key, second=2, viewers=4, attentive=5, **figures))
    rows = [row for row in read(engine, "v_cells") if row["ad_id"] == "summer"]
    assert [(row["second"], row["viewers"]) for row in rows] == [(2, 4)]


def test_a_slow_camera_tells_no_watchers(engine, make):
    records = [make.ad(), make.play()]
    records += [make.reading(k / 100, viewer, 1) for k in range(1, 700, 50) for viewer in range(20)]
    make.write_rolled(engine, [*records, make.play_end()], settings={"readings_per_second": 2})
    with writing(engine) as connection:
        create_views(connection, 1)
    [day] = read(engine, "v_ad_days")
    assert (day["viewers"], day["watchers"], day["watchers_2s"]) == (20, None, None)


def test_an_alert_is_about_a_screen_or_a_campaign(engine, origin):
    campaign = {"uid": "2" * 32, "name": "Spring", "creatives": [], "goal_kind": "plays"}
    campaign |= {"first_day": DAY, "last_day": DAY, "goal": 9, "created_at": HOUR}
    with writing(engine) as connection:
        (key,) = connection.execute(
            insert(Campaign).values(**campaign, created_by="Ed")
        ).inserted_primary_key
        alert = {"uid": "3" * 32, "campaign_id": key, "kind": "campaign_behind"}
        connection.execute(insert(Alert).values(**alert, raised_at=HOUR, detail="4 of 9"))
    rows = {row["kind"]: row for row in read(engine, "v_alerts")}
    names = ("screen", "screen_name", "site", "campaign", "campaign_name", "detail")
    assert {kind: tuple(row[name] for name in names) for kind, row in rows.items()} == {
        "silent": (SCREEN["uid"], "Door", "Mall", None, None, ""),
        "campaign_behind": (None, None, None, "2" * 32, "Spring", "4 of 9"),
    }


def test_migrations_make_the_views_again(engine, origin, monkeypatch):
    with writing(engine) as connection:
        create_views(connection, 4)
    seen = []
    monkeypatch.setattr(views, "drop_views", lambda one: seen.append(drop_views(one)) or seen[-1])
    with writing(engine) as connection:
        migrations.upgrade(connection, "0008")
    assert seen[0] == 4
    assert read(engine, "v_about") == [{"min_viewers": 4}]
    make_ready(engine)


def test_dropping_is_harmless(engine):
    with writing(engine) as connection:
        assert drop_views(connection) is None
        create_views(connection, 2)
        assert drop_views(connection) == 2
        assert inspect(connection).get_view_names() == []
    with pytest.raises(ValueError, match="expected 1 or more, received 0"), writing(engine) as one:
        create_views(one, 0)

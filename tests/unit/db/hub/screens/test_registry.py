"""The screens of a hub, and what their kiosks say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from db.engine import writing
from db.hub.screens import registry
from db.hub.screens.registry import NoSuchScreenError, Place
from db.hub.tables.screens import KioskKey
from tests.helpers.hub_screens import NOW, PLACE, a_health


@pytest.fixture
def screen(engine):
    with writing(engine) as connection:
        return registry.create_screen(connection, PLACE, NOW)


def store(engine, screen, received_at=NOW, **changes):
    with writing(engine) as connection:
        return registry.store_health(connection, screen.id, a_health(**changes), received_at)


def test_a_screen_is_found_as_it_was_created_and_edited(engine, screen):
    with writing(engine) as connection:
        assert registry.find_screen(connection, screen.uid) == screen
        moved = Place("Door", time_zone="Asia/Tokyo")
        assert registry.edit_screen(connection, screen.uid, moved) == screen
        assert registry.find_screen(connection, screen.uid).place == moved
        with pytest.raises(NoSuchScreenError, match="no screen 'abc'"):
            registry.edit_screen(connection, "abc", moved)


def test_a_retired_screen_loses_its_key_and_keeps_its_place(engine, screen, rows):
    values = {"kiosk": "ab" * 16, "key_sha256": "cd" * 32, "created_at": NOW, "created_by": "ann"}
    with writing(engine) as connection:
        connection.execute(insert(KioskKey).values(screen_id=screen.id, **values))
        registry.retire_screen(connection, screen.uid, NOW)
        later = NOW + timedelta(days=1)
        assert registry.retire_screen(connection, screen.uid, later).retired_at == NOW
        assert registry.list_screens(connection) == []
        (retired,) = registry.list_screens(connection, retired=True)
    assert retired.place == PLACE
    assert rows("SELECT count(*) FROM kiosk_keys WHERE revoked_at IS NOT NULL") == [(1,)]


def test_health_replaces_the_one_before_and_notes_only_changes(engine, screen, rows):
    changes = (
        ({}, True),
        ({"viewers": 3, "ad": {"id": "winter", "name": "Winter"}}, False),
        ({"state": "paused"}, True),
        ({"state": "paused", "notice_shown": False}, True),
        ({"state": "paused", "notice_shown": False, "camera": "lost"}, True),
        ({"state": "paused", "notice_shown": False, "camera": "lost"}, False),
    )
    for step, (values, changed) in enumerate(changes):
        assert store(engine, screen, NOW + timedelta(seconds=step), **values) is changed
    assert rows("SELECT state, camera, notice_shown FROM state_changes ORDER BY id") == [
        ("running", "ok", 1),
        ("paused", "ok", 1),
        ("paused", "ok", 0),
        ("paused", "lost", 0),
    ]
    ((received_at, count),) = rows("SELECT max(received_at), count(*) FROM screen_states")
    assert count == 1
    assert received_at.startswith("2026-03-02 10:00:05")


def test_the_clock_of_the_kiosk_is_compared_with_the_hubs(engine, screen, rows):
    at = (NOW - timedelta(days=1, seconds=0.5)).isoformat()
    store(engine, screen, at=at)
    assert rows("SELECT clock_offset_s FROM screen_states") == [(-86400.5,)]


def test_a_late_health_does_not_replace_a_newer_one(engine, screen, rows):
    store(engine, screen, NOW + timedelta(seconds=1))
    assert store(engine, screen, NOW, state="paused") is False
    assert rows("SELECT count(*) FROM state_changes") == [(1,)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "yesterday"},
        {"at": datetime(2026, 3, 2, 10, tzinfo=UTC).replace(tzinfo=None).isoformat()},
        {"state": "x" * 33},
        {"notice_shown": "yes"},
        {"valence": float("nan")},
        {"os": "x" * registry.MAX_HEALTH_BYTES},
    ],
)
def test_what_is_no_health_is_refused_before_anything_is_written(engine, screen, rows, wrong):
    with writing(engine) as connection, pytest.raises(ValueError, match="Invalid health"):
        registry.store_health(connection, screen.id, a_health() | wrong, NOW)
    assert rows("SELECT count(*) FROM screen_states") == [(0,)]


@pytest.mark.parametrize("missing", ["at", "state", "camera", "notice_shown"])
def test_a_health_needs_what_its_changes_are_made_of(engine, screen, missing):
    health = a_health()
    del health[missing]
    with writing(engine) as connection, pytest.raises(ValueError, match="Invalid health"):
        registry.store_health(connection, screen.id, health, NOW)

"""Rows of a hub's database, for tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, update

from db.engine import writing
from db.hub.tables.alerts import Channel
from db.hub.tables.screens import Screen
from db.schema import Origin, Session

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def add_screen(engine: Engine, name: str = "Entrance", **changes: Any) -> int:
    """Add a screen; return its row."""
    values = {"uid": uuid.uuid4().hex, "name": name, "site": "Berlin", "group_name": "North"}
    values |= {"tags": [], "venue_type": "", "time_zone": "Europe/Berlin", "opening": []}
    return _add(engine, Screen, values | {"created_at": NOON} | changes)


def add_channel(engine: Engine, name: str = "operators", **changes: Any) -> int:
    """Add a channel; return its row."""
    values = {"name": name, "kind": "webhook", "url": "https://example.org/alerts"}
    values |= {"secret": "whsec_c2VjcmV0", "alert_kinds": [], "quiet_hours": []}
    return _add(engine, Channel, values | {"time_zone": "UTC", "created_at": NOON} | changes)


def fill_screen(engine: Engine, session: int, screen: int) -> None:
    """Let a session have been recorded by a kiosk that fills a screen."""
    kiosk = f"{session:032x}"
    origin = {"kiosk": kiosk, "epoch": kiosk, "created_at": NOON, "is_here": False}
    row = _add(engine, Origin, origin | {"screen_id": screen})
    with writing(engine) as connection:
        connection.execute(
            update(Session).where(Session.id == session).values(origin_id=row, number=1)
        )


def _add(engine: Engine, table: Any, values: dict[str, Any]) -> int:
    with writing(engine) as connection:
        row = connection.execute(insert(table).values(values))
        return int(row.inserted_primary_key[0])

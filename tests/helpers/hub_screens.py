"""Screens of a hub, and what their kiosks say of themselves, for tests to store."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from db.engine import writing
from db.hub.screens.registry import Place, create_screen
from db.hub.tables.alerts import Alert
from db.hub.tables.screens import KioskKey, ScreenState
from tests.helpers.kiosk_health import make_health

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""A Monday morning."""

PLACE = Place(
    "Till 3",
    site="Main Street",
    group="North",
    tags=("food", "window"),
    venue_type="retail.grocery",
    time_zone="Europe/Berlin",
    opening=("08:00-20:00",),
)


def a_health(
    camera: str = "ok", detail: str = "", at: str = NOW.isoformat(), **changes: Any
) -> dict[str, Any]:
    """The health that a kiosk without problems sends, apart from changes."""
    sent = make_health(
        at=NOW, ad={"id": "summer", "name": "Summer"}, viewers=12, attentive=7
    ).model_dump(mode="json")
    return sent | {"at": at, "camera": {"state": camera, "since": at, "detail": detail}} | changes


def fill_wall(engine: Engine, count: int, now: datetime) -> list[str]:
    """Store `count` screens at 25 sites, with kiosks that call once a minute; return their uids.

    Every 10th has lost its camera, and has an alert; every 15th is silent; every 50th was never
    seen.
    """
    uids = []
    with writing(engine) as connection:
        states: list[dict[str, Any]] = []
        keys: list[dict[str, Any]] = []
        alerts: list[dict[str, Any]] = []
        for number in range(count):
            place = replace(
                PLACE,
                name=f"Screen {number + 1}",
                site=f"Site {number % 25 + 1}",
                group=("North", "South", "West")[number % 3],
                tags=("food",) if number % 2 else ("food", "window"),
                opening=(),
            )
            screen = create_screen(connection, place, now - timedelta(days=30))
            uids.append(screen.uid)
            if number % 50 == 49:
                continue
            silence = timedelta(minutes=7 if number % 15 == 14 else 0, seconds=number % 60)
            lost = number % 10 == 9
            health = a_health(
                camera="lost" if lost else "ok",
                detail="the camera was unplugged" if lost else "",
                at=(now - silence).isoformat(),
                viewers=number % 23,
                ad={"id": f"ad-{number % 7}", "name": f"Summer collection {number % 7 + 1}"},
            )
            states.append(
                {"screen_id": screen.id, "received_at": now - silence, "clock_offset_s": 0.2}
                | {"health": health}
            )
            keys.append(
                {"screen_id": screen.id, "kiosk": uuid.uuid4().hex, "created_by": "ann"}
                | {"key_sha256": f"{number:064x}", "created_at": now - timedelta(days=30)}
                | {"last_seen_at": now - silence}
            )
            if lost:
                alerts.append(
                    {"uid": uuid.uuid4().hex, "screen_id": screen.id, "kind": "camera"}
                    | {"raised_at": now - timedelta(minutes=20), "ended_at": None}
                    | {"detail": "Nobody is measured: check the camera and its cable."}
                )
        for table, rows in ((ScreenState, states), (KioskKey, keys), (Alert, alerts)):
            if rows:
                connection.execute(insert(table), rows)
    return uids

"""Screens of a hub, and what their kiosks say of themselves, for tests to store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from db.hub.screens import Place
from tests.helpers.kiosk_health import make_health

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
    """How a kiosk is that has nothing to complain about, as it is sent, apart from changes."""
    sent = make_health(
        at=NOW, ad={"id": "summer", "name": "Summer"}, viewers=12, attentive=7
    ).model_dump(mode="json")
    return sent | {"at": at, "camera": {"state": camera, "since": at, "detail": detail}} | changes

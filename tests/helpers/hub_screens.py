"""Screens of a hub, and what their kiosks say of themselves, for tests to store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from db.hub.screens import Place

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
    return {
        "at": at,
        "program_version": "1.4.0",
        "model_name": "compact-3",
        "uptime_s": 3600.0,
        "session": 7,
        "session_kind": "live",
        "state": "running",
        "measuring": True,
        "ad": {"id": "summer", "name": "Summer"},
        "plays_today": 120,
        "viewers": 12,
        "attentive": 7,
        "shares": {"happy": 0.4, "surprise": 0.1, "negative": 0.1, "neutral": 0.4},
        "valence": 0.3,
        "camera": {"state": camera, "since": at, "detail": detail},
        "fps": 14.9,
        "notice_shown": True,
        "disk_free_bytes": 40_000_000_000,
        "disk_total_bytes": 64_000_000_000,
        "temperature_c": 48.5,
        "memory_rss_bytes": 512_000_000,
        "os": "Linux 6.1",
        "python": "3.12.3",
        "waiting_records": 0,
        "lost_records": 0,
    } | changes

"""The health of a kiosk that runs well."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.health import CameraHealth, KioskHealth


def make_health(**more: object) -> KioskHealth:
    """Return the health of a kiosk that runs well, with some fields changed."""
    now = datetime.now(UTC)
    values: dict[str, object] = {
        "at": now,
        "program_version": "0.1.0",
        "model_name": "compact-3",
        "uptime_s": 12.5,
        "session": 7,
        "session_kind": "live",
        "state": "running",
        "measuring": True,
        "ad": {"id": "cola", "name": "Cola"},
        "plays_today": 41,
        "viewers": 6,
        "attentive": 5,
        "shares": {"happy": 0.3, "surprise": 0.0, "negative": 0.1, "neutral": 0.6},
        "valence": 0.2,
        "camera": CameraHealth(state="ok", since=now),
        "fps": 12.0,
        "notice_shown": True,
        "disk_free_bytes": 40_000_000_000,
        "disk_total_bytes": 64_000_000_000,
        "temperature_c": 51.5,
        "memory_rss_bytes": 400_000_000,
        "os": "Debian GNU/Linux 12 (x86_64)",
        "python": "3.11.7",
        "waiting_records": 0,
        "lost_records": 0,
    }
    return KioskHealth.model_validate(values | more)

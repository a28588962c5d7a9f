"""The duties of a hub, and how often each is due."""

from __future__ import annotations

from monitor.hub.alerts import AlertDuty
from monitor.hub.duties import Duty


def hub_duties() -> tuple[Duty, ...]:
    """Return what a hub does by itself."""
    return (Duty("alerts", 15, AlertDuty().run),)

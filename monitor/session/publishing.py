"""Publishes the kiosk's state where the settings say."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from detector.sources.passwords import hide_passwords
from monitor.session.machine import machine_id
from monitor.settings.broker import Broker
from monitor.settings.paths import sqlite_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.mqtt.publisher import MqttPublisher
    from monitor.session.health import KioskHealth
    from monitor.settings.models import RunSettings


def start_publishing(
    settings: RunSettings, health: Callable[[int], KioskHealth]
) -> MqttPublisher | None:
    """Start to publish to the broker of the settings; return `None` if they name none.

    `health` returns the state for a least number of viewers, from any thread.
    """
    if settings.mqtt is None:
        return None
    from monitor.mqtt.discovery import Device  # noqa: PLC0415 (rarely needed)
    from monitor.mqtt.publisher import MqttPublisher  # noqa: PLC0415

    broker = Broker.parse(settings.mqtt)
    name = "Ad screen" if settings.site == "default" else f"Ad screen {settings.site}"
    discovery = settings.mqtt_discovery
    publisher = MqttPublisher(
        broker,
        Device(device_id(settings.database), name, broker.prefix),
        lambda: health(settings.mqtt_min_viewers),
        discovery_prefix=None if discovery == "none" else discovery,
    )
    publisher.start()
    return publisher


def device_id(database: str) -> str:
    """Return the id of the kiosk that uses a database on this machine: 16 hexadecimal digits."""
    file = sqlite_file(database)
    # Two kiosks on one machine have a database each.
    place = hide_passwords(database) if file is None else str(Path(file).absolute())
    return sha256(f"{machine_id()} {place}".encode("utf-8", "surrogateescape")).hexdigest()[:16]

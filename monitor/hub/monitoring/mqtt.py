"""Publishes the state of all screens to an MQTT broker, as each kiosk could do by itself."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from db.engine import snapshot
from db.hub.screens.wall import read_wall
from db.transfer.origins import own_row
from monitor.health import KioskHealth
from monitor.hub.alerts.rules import SILENCE
from monitor.hub.duties import MIN_LEASE_S
from monitor.mqtt.discovery import Device
from monitor.mqtt.publisher import MqttPublisher
from monitor.settings.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from db.hub.screens.wall import ScreenNow

LOOK_EVERY_S = 2.0
"""How often it is looked whether the duty has read something new."""


class MqttDuty:
    """Reads the screens for a publisher, which lives as long as this process has the duty.

    Args:
        address: Of the broker, with its password.
        discovery_prefix: Where Home Assistant looks for devices; `None` to describe none.
        min_viewers: Figures of fewer viewers than this are withheld, at least 1.
    """

    def __init__(self, address: str, discovery_prefix: str | None, min_viewers: int) -> None:
        self._broker = Broker.parse(address)
        self._discovery_prefix = discovery_prefix
        self._min_viewers = min_viewers
        self._guard = threading.Lock()
        self._states: Mapping[Device, KioskHealth | None] = {}
        self._read_s = 0.0
        self._publisher: MqttPublisher | None = None

    def run(self, engine: Engine, now: datetime) -> None:
        """Read the screens; call it every ten seconds.

        Raises:
            sqlalchemy.exc.DBAPIError: The database cannot be used now.
        """
        with snapshot(engine) as connection:
            screens, hub = read_wall(connection), own_row(connection).kiosk[:16]
        states = {
            self._device(screen): state_of(screen, now, self._min_viewers) for screen in screens
        }
        with self._guard:
            self._states, self._read_s = states, time.monotonic()
        if self._publisher is None or not self._publisher.is_running:
            self._publisher = MqttPublisher(
                self._broker,
                self._newest,
                # All processes of a hub share it: the one that has the duty replaces another.
                name=f"hub-{hub}",
                availability_topic=f"{self._broker.prefix}/{hub}/availability",
                discovery_prefix=self._discovery_prefix,
                look_every_s=LOOK_EVERY_S,
            )
            self._publisher.start()

    def stop(self) -> None:
        """Stop publishing; harmless when repeated."""
        if self._publisher is not None:
            self._publisher.stop()

    def _device(self, screen: ScreenNow) -> Device:
        place = screen.screen.place
        name = ", ".join(filter(None, (place.site, place.name)))
        return Device(screen.screen.uid, name, self._broker.prefix)

    def _newest(self) -> Mapping[Device, KioskHealth | None]:
        with self._guard:
            if self._publisher is not None and time.monotonic() - self._read_s > MIN_LEASE_S:
                # Another process has the duty now, or the database is away.
                self._publisher.request_stop()
            return self._states


def state_of(screen: ScreenNow, now: datetime, min_viewers: int) -> KioskHealth | None:
    """Return the state of a screen as it may be told; `None` if its kiosk is silent."""
    if screen.health is None or screen.received_at is None or now - screen.received_at > SILENCE:
        return None
    try:
        health = KioskHealth.model_validate(screen.health)
    except ValidationError:  # Of another version of the program.
        return None
    if health.viewers is None or health.viewers >= min_viewers:
        return health
    withheld = dict.fromkeys(("attentive", "shares", "valence"))
    if health.viewers > 0:
        withheld["viewers"] = None
    return health.model_copy(update=withheld)

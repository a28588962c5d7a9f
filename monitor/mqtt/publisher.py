"""Publishes the newest state of the kiosk; nothing waits for the broker, and nothing is queued."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from monitor.mqtt.connection import BrokerConnection, BrokerError, reason
from monitor.mqtt.discovery import OFFLINE, ONLINE, discovery_payload
from monitor.sensor.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monitor.mqtt.discovery import Device
    from monitor.session.health import KioskHealth
    from monitor.settings.broker import Broker

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How often the state is read; it is published if something worth telling has changed."""

REPEAT_EVERY_S = 30.0
"""The state is published this often in any case, with the figures that change all the time."""

STABLE_S = 30.0
"""A connection that lasted this long ends an outage: pauses and messages begin anew."""

UNIMPORTANT = {
    *("at", "uptime_s", "fps", "disk_free_bytes", "disk_total_bytes", "memory_rss_bytes"),
    *("temperature_c", "waiting_records"),
}
"""Fields of `KioskHealth` whose change alone is not published at once."""


class MqttPublisher:
    """Publishes the state of a kiosk to an MQTT broker, from its thread `mqtt`.

    The state, the description of the device and `online` are retained; `offline` is published by
    `stop`, or by the broker if the kiosk dies. While the broker is away, states are dropped and it
    is tried again with growing pauses. Each reason is logged once an outage.

    Args:
        read: Returns the state; called in the thread `mqtt` while the broker is connected.
        discovery_prefix: Where Home Assistant looks for devices; `None` to describe none.
        backoff: The pauses between attempts.
    """

    def __init__(
        self,
        broker: Broker,
        device: Device,
        read: Callable[[], KioskHealth],
        *,
        discovery_prefix: str | None = "homeassistant",
        backoff: Backoff | None = None,
    ) -> None:
        self._broker = broker
        self._device = device
        self._read = read
        self._discovery_prefix = discovery_prefix
        self._backoff = backoff or Backoff(1.0, 60.0)
        self._stop = threading.Event()
        self._told: set[str] = set()
        self._welcomed_s = math.inf
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Start to publish; returns at once."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the thread to publish `offline` and to end; returns at once."""
        self._stop.set()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Stop; wait at most this long, as a broker may hang."""
        self.request_stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.info("The MQTT broker %s did not answer in time at the end", self._broker.shown)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._welcomed_s = math.inf
            try:
                self._run_once()
            except (OSError, UnicodeError, BrokerError) as error:
                if time.monotonic() - self._welcomed_s > STABLE_S:
                    self._backoff.reset()
                    self._told.clear()
                self._tell(reason(error))
            except Exception:
                # A mistake of the program; the show does not depend on it.
                logger.exception("The state of the kiosk could not be published; retrying")
            self._stop.wait(self._backoff.pause_s())

    def _tell(self, why: str) -> None:
        if why in self._told:
            return
        self._told.add(why)
        logger.warning(
            "The MQTT broker %s cannot be used: %s. Ads and measuring go on; retrying.",
            self._broker.shown,
            why,
        )

    def _run_once(self) -> None:
        """Connect, and publish until asked to stop; raise why the connection ended before."""
        device = self._device
        name, last_will = f"ad-monitor-{device.device_id}", (device.availability_topic, OFFLINE)
        with BrokerConnection(self._broker, name, last_will) as broker:
            if not broker.connect(lambda: not self._stop.is_set()):
                return
            self._welcomed_s = time.monotonic()
            logger.info("Publishing to the MQTT broker %s", self._broker.shown)
            try:
                self._publish_until_stopped(broker)
            finally:
                if broker.is_open:
                    # The broker publishes the last will only if the connection breaks.
                    broker.publish(*last_will, qos=1)

    def _publish_until_stopped(self, broker: BrokerConnection) -> None:
        published: dict[str, Any] = {}
        published_s = look_s = -math.inf
        while not self._stop.is_set():
            now_s = time.monotonic()
            if now_s - look_s >= LOOK_EVERY_S:
                health = self._read()
                if not published:
                    self._describe(broker, health)
                news = health.model_dump(exclude=UNIMPORTANT)
                if news != published or now_s - published_s >= REPEAT_EVERY_S:
                    broker.publish(self._device.state_topic, health.model_dump_json())
                    if not published:
                        broker.publish(self._device.availability_topic, ONLINE, qos=1)
                    published, published_s = news, now_s
                look_s = now_s
            broker.listen()

    def _describe(self, broker: BrokerConnection, health: KioskHealth) -> None:
        if self._discovery_prefix is not None:
            topic = self._device.discovery_topic(self._discovery_prefix)
            broker.publish(topic, json.dumps(discovery_payload(self._device, health)), qos=1)

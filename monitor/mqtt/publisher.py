"""Publishes the newest state of devices; nothing waits for the broker, and nothing is queued."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.backoff import Backoff
from monitor.mqtt.connection import BrokerConnection, BrokerError, reason
from monitor.mqtt.discovery import OFFLINE, ONLINE, discovery_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from monitor.health import KioskHealth
    from monitor.mqtt.discovery import Device
    from monitor.settings.broker import Broker

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How often a kiosk's state is read; it is published if something worth telling has changed."""

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
    """Publishes the state of devices to an MQTT broker, from its thread `mqtt`.

    States, descriptions of the devices and `online` are retained; `offline` is published by `stop`,
    or by the broker if this process dies. While the broker is away, states are dropped and it is
    tried again with growing pauses. Each reason is logged once an outage.

    Args:
        read: Returns each device with its state, `None` for one that is away; called in the thread
            `mqtt` while the broker is connected.
        name: Of the connection; the broker ends an older one of the same name.
        availability_topic: Where it says whether this publisher is there. For a publisher of one
            device, the device's.
        discovery_prefix: Where Home Assistant looks for devices; `None` to describe none.
        backoff: The pauses between attempts.
        look_every_s: Seconds between two calls of `read`.
    """

    def __init__(
        self,
        broker: Broker,
        read: Callable[[], Mapping[Device, KioskHealth | None]],
        *,
        name: str,
        availability_topic: str,
        discovery_prefix: str | None = "homeassistant",
        backoff: Backoff | None = None,
        look_every_s: float | None = None,
    ) -> None:
        self._broker = broker
        self._read = read
        self._name = name
        self._last_will = (availability_topic, OFFLINE)
        self._discovery_prefix = discovery_prefix
        self._backoff = backoff or Backoff(1.0, 60.0)
        self._look_every_s = look_every_s or LOOK_EVERY_S
        self._stop = threading.Event()
        self._told: set[str] = set()
        self._welcomed_s = math.inf
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether the thread has been started and has not ended."""
        return self._thread.is_alive()

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
                # A mistake of the program; nothing else depends on it.
                logger.exception("The state could not be published; retrying")
            self._stop.wait(self._backoff.pause_s())

    def _tell(self, why: str) -> None:
        if why in self._told:
            return
        self._told.add(why)
        logger.warning(
            "The MQTT broker %s cannot be used: %s. Everything else goes on; retrying.",
            self._broker.shown,
            why,
        )

    def _run_once(self) -> None:
        """Connect, and publish until asked to stop; raise why the connection ended before."""
        with BrokerConnection(
            self._broker, f"ad-monitor-{self._name}", self._last_will
        ) as connection:
            if not connection.connect(lambda: not self._stop.is_set()):
                return
            self._welcomed_s = time.monotonic()
            logger.info("Publishing to the MQTT broker %s", self._broker.shown)
            try:
                self._publish_until_stopped(connection)
            finally:
                if connection.is_open:
                    # The broker publishes the last will only if the connection breaks.
                    connection.publish(*self._last_will, qos=1)

    def _publish_until_stopped(self, connection: BrokerConnection) -> None:
        board = _Board(connection, self._last_will[0], self._discovery_prefix)
        look_s = -math.inf
        while not self._stop.is_set():
            now_s = time.monotonic()
            if now_s - look_s >= self._look_every_s:
                board.show(self._read(), now_s)
                look_s = now_s
            connection.listen()


class _Board:
    """What the broker has been told over one connection, and what is new to it."""

    def __init__(
        self, connection: BrokerConnection, availability_topic: str, discovery_prefix: str | None
    ) -> None:
        self._connection = connection
        self._availability_topic = availability_topic
        self._discovery_prefix = discovery_prefix
        self._online_s = -math.inf
        self._shown: dict[str, _Shown] = {}

    def show(self, states: Mapping[Device, KioskHealth | None], now_s: float) -> None:
        """Publish what is new, and what has not been published for a while."""
        for device_id in self._shown.keys() - {device.device_id for device in states}:
            self._clear(self._shown.pop(device_id).device)
        for device, health in states.items():
            before = self._shown.get(device.device_id)
            if health is None:
                self._shown[device.device_id] = self._away(device, before)
            else:
                self._shown[device.device_id] = self._here(device, health, before, now_s)
        if now_s - self._online_s >= REPEAT_EVERY_S:
            # Another process, which was slow to end, may have said otherwise.
            self._connection.publish(self._availability_topic, ONLINE, qos=1)
            self._online_s = now_s

    def _here(
        self, device: Device, health: KioskHealth, before: _Shown | None, now_s: float
    ) -> _Shown:
        if before is None or not before.described or before.device != device:
            self._describe(device, health)
        news = health.model_dump(exclude=UNIMPORTANT)
        known = None if before is None else before.news
        if before is not None and news == known and now_s - before.at_s < REPEAT_EVERY_S:
            return replace(before, device=device)
        self._connection.publish(device.state_topic, health.model_dump_json())
        if known is None:
            self._say_availability(device, ONLINE)
        return _Shown(device, news, now_s, described=True)

    def _away(self, device: Device, before: _Shown | None) -> _Shown:
        if before is None or before.news is not None:
            self._say_availability(device, OFFLINE)
        return _Shown(device, None, -math.inf, described=before is not None and before.described)

    def _say_availability(self, device: Device, word: str) -> None:
        if device.availability_topic != self._availability_topic:
            self._connection.publish(device.availability_topic, word, qos=1)

    def _describe(self, device: Device, health: KioskHealth) -> None:
        if self._discovery_prefix is not None:
            payload = discovery_payload(device, health, self._availability_topic)
            topic = device.discovery_topic(self._discovery_prefix)
            self._connection.publish(topic, json.dumps(payload), qos=1)

    def _clear(self, device: Device) -> None:
        """Make the broker and Home Assistant forget a device."""
        topics = [device.state_topic, device.availability_topic]
        if self._discovery_prefix is not None:
            topics.insert(0, device.discovery_topic(self._discovery_prefix))
        for topic in topics:
            self._connection.publish(topic, "", qos=1)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the broker knows of a device: `news` is `None` while it is away."""

    device: Device
    news: dict[str, Any] | None
    at_s: float
    described: bool

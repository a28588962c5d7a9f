"""Tells others about the kiosk where the settings say: a broker, and the hub of many screens."""

from __future__ import annotations

import logging
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from detector.sources.passwords import hide_passwords
from monitor.session.machine import machine_id
from monitor.settings.broker import Broker
from monitor.settings.from_hub import read_hub_settings
from monitor.settings.paths import sqlite_file
from monitor.uplink.follower import HubFollower
from monitor.uplink.service import UplinkService, Wishes, connect
from monitor.uplink.status import UplinkStatus
from monitor.uplink.stored_show import StoredBlocks, stored_playlist

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from ads.show.blocks import Block
    from monitor.health import KioskHealth
    from monitor.mqtt.publisher import MqttPublisher
    from monitor.settings.models import RunSettings
    from monitor.uplink.applying import Stage
    from monitor.uplink.documents import CommandOrder, CommandResult
    from monitor.uplink.key_file import HubKey

logger = logging.getLogger(__name__)


class Publishing:
    """Keeps a broker and a hub informed while the kiosk runs, in threads of their own.

    Args:
        settings: Of the kiosk.
        health: Returns its state for a least number of viewers, from any thread, once its session
            has begun.
        announce: Called with each code that is to be accepted on the hub, from another thread.
        stage: Where the hub's show is put on.
        perform: Does what the hub orders, from another thread; see `CommandLog`.
    """

    def __init__(
        self,
        settings: RunSettings,
        health: Callable[[int], KioskHealth],
        announce: Callable[[str], None],
        stage: Stage,
        perform: Callable[[CommandOrder, HubKey], CommandResult | None],
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._perform = perform
        self._health = health
        self._announce = announce
        self._has_begun = False
        file = sqlite_file(settings.database)
        self._database = None if file is None else file.absolute()
        self._hub_blocks = None if self._database is None else StoredBlocks(self._database)
        self._publisher: MqttPublisher | None = None
        self._service: UplinkService | None = None
        self._follower: HubFollower | None = None

    @property
    def uplink(self) -> UplinkStatus:
        """How it is between this kiosk and its hub."""
        status = UplinkStatus() if self._service is None else self._service.status
        return status if self._follower is None else replace(status, show=self._follower.status)

    def playlist_of_hub(self) -> Path | None:
        """Return the playlist that the hub sent, see `stored_playlist`; may wait for a disk."""
        return None if self._database is None else stored_playlist(self._database)

    def blocks_of_hub(self) -> tuple[Block, ...]:
        """Return the blocks of experiments that the hub sent, see `StoredBlocks.read`."""
        return () if self._hub_blocks is None else self._hub_blocks.read()

    def start(self, engine: Engine) -> None:
        """Speak to the hub from now on; before the session begins, which may get another name."""
        settings = self._settings
        if self._database is None:
            if settings.hub is not None:
                logger.warning(
                    "The hub is not joined: a kiosk that joins one keeps its readings in a file of "
                    "its own, and this one keeps them on a server."
                )
            return
        self._service = UplinkService(
            engine,
            self._database,
            Wishes(
                settings.hub,
                settings.upload,
                settings.upload_min_viewers,
                settings.hub_ca,
                settings.site,
            ),
            lambda min_viewers: self._health(min_viewers) if self._has_begun else None,
            self._announce,
            hint=lambda serial: None if self._follower is None else self._follower.hint(serial),
        )
        self._service.prepare()
        self._service.start()

    def begin(self) -> None:
        """Tell how the kiosk is from now on: its session and show have begun."""
        self._has_begun = True
        service, settings = self._service, self._settings
        if service is not None and self._database is not None:
            self._follower = HubFollower(
                self._database,
                lambda: service.membership,
                lambda key: connect(key.hub, settings.hub_ca or key.ca),
                self._stage,
                self._perform,
                limit_bytes=settings.hub_media_gb * 1e9,
                settings=read_hub_settings(settings.database),
            )
            self._follower.start()
        self._publisher = start_publishing(self._settings, self._health)

    def request_stop(self) -> None:
        """Begin to stop what takes long; `stop` has to follow."""
        if self._follower is not None:
            self._follower.request_stop()
        if self._publisher is not None:
            self._publisher.request_stop()

    def stop(self) -> None:
        """Stop; takes at most a good second. The database must still be open."""
        if self._follower is not None:
            self._follower.stop()
        if self._service is not None:
            self._service.stop()
        if self._publisher is not None:
            # It was asked long ago; if it hangs, the broker publishes the last will.
            self._publisher.stop(0.3)


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
    device = Device(device_id(settings.database), name, broker.prefix)
    publisher = MqttPublisher(
        broker,
        lambda: {device: health(settings.mqtt_min_viewers)},
        name=device.device_id,
        availability_topic=device.availability_topic,
        discovery_prefix=None if discovery == "none" else discovery,
    )
    publisher.start()
    return publisher


def device_id(database: str) -> str:
    """Return the id of the kiosk that uses a database on this machine: 16 hexadecimal digits."""
    file = sqlite_file(database)
    # Two kiosks on one machine have a database each.
    place = hide_passwords(database) if file is None else str(file.absolute())
    return sha256(f"{machine_id()} {place}".encode("utf-8", "surrogateescape")).hexdigest()[:16]

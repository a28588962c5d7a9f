"""Who gets readings from a kiosk besides its own machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from db.engine import server_hosts
from monitor.settings.broker import Broker
from monitor.settings.paths import sqlite_file
from monitor.uplink.address import plain_reach
from monitor.uplink.key_file import key_path, read_key

if TYPE_CHECKING:
    from monitor.settings.models import RunSettings

Sent = Literal["sums", "cells", "state", "readings"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """A machine that gets something.

    Attributes:
        host: Its name or address.
        gets: sums of each stay in view or cells, which are sums over several viewers, both with the
            state of the moment; only that state, by MQTT; or the readings, because the database is
            there.
        is_encrypted: Whether the settings ask for an encrypted connection; `None` if they do not
            say.
    """

    host: str
    gets: Sent
    is_encrypted: bool | None


def recipients(settings: RunSettings) -> tuple[Recipient, ...]:
    """Return the machines, other than the kiosk's own, that get something from it.

    Raises:
        DatabaseOpenError: The address of the database is wrong.
        KeyFileError: The file with the hub's key cannot be read.
    """
    found = [*_database(settings), _hub(settings), _broker(settings)]
    return tuple(
        one for one in found if one is not None and one.host and plain_reach(one.host) != "here"
    )


def _database(settings: RunSettings) -> list[Recipient]:
    return [Recipient(host, "readings", None) for host in server_hosts(settings.database)]


def _hub(settings: RunSettings) -> Recipient | None:
    file = sqlite_file(settings.database)
    if file is None:
        return None  # a kiosk whose readings are on a server joins no hub
    key = read_key(key_path(file))
    if key is not None and settings.hub in {None, key.hub}:
        if key.console:
            return None
        address, upload = key.hub, settings.upload or key.upload
    elif settings.hub is not None:
        address, upload = settings.hub, settings.upload or "sums"
    else:
        return None
    parts = urlsplit(address)
    return Recipient(parts.hostname or "", upload, parts.scheme == "https")


def _broker(settings: RunSettings) -> Recipient | None:
    if settings.mqtt is None:
        return None
    broker = Broker.parse(settings.mqtt)
    return Recipient(broker.host, "state", broker.encrypted)

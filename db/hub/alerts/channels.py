"""Where alerts are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import delete, exc, insert, select, update

from db.errors import ChannelError
from db.hub.tables.alerts import Channel, Delivery
from detector.texts import lazy

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

ChannelKind: TypeAlias = Literal["apprise", "webhook"]


@dataclass(frozen=True, slots=True)
class KnownChannel:
    """A channel.

    Attributes:
        id: Its row.
        name: What people call it.
        kind: How messages are sent.
        url: An address of Apprise, or that of a webhook; a secret, as it may hold passwords.
        secret: What a webhook's messages are signed with, `whsec_` and Base64; else empty.
        alert_kinds: Only alerts of these kinds are sent there; none for all.
        quiet_hours: Time spans such as "22:00-07:00" in which nothing is sent.
        time_zone: IANA name, of the quiet hours.
        created_at: Aware.
        disabled_at: Since when nothing is sent there; `None` while it is in use.
    """

    id: int
    name: str
    kind: ChannelKind
    url: str
    secret: str
    alert_kinds: tuple[str, ...]
    quiet_hours: tuple[str, ...]
    time_zone: str
    created_at: datetime
    disabled_at: datetime | None = None


def add_channel(
    connection: Connection,
    now: datetime,
    *,
    name: str,
    kind: ChannelKind,
    url: str,
    secret: str,
    alert_kinds: tuple[str, ...] = (),
    quiet_hours: tuple[str, ...] = (),
    time_zone: str = "UTC",
) -> KnownChannel:
    """Store a channel; see `KnownChannel`.

    Raises:
        ChannelError: There is one of this name.
    """
    values = {"name": name, "kind": kind, "url": url, "secret": secret, "created_at": now}
    lists = {"alert_kinds": list(alert_kinds), "quiet_hours": list(quiet_hours)}
    row = insert(Channel).values(**values, **lists, time_zone=time_zone, disabled_at=None)
    try:
        connection.execute(row)
    except exc.IntegrityError as error:
        raise ChannelError(
            lazy(
                "There is a channel %(name)s already: choose another name, or remove that one.",
                name=repr(name),
            )
        ) from error
    return find_channel(connection, name)


def find_channel(connection: Connection, name: str) -> KnownChannel:
    """Return a channel by its name.

    Raises:
        ChannelError: There is none.
    """
    found = list_channels(connection)
    for channel in found:
        if channel.name == name:
            return channel
    there_are = ", ".join(channel.name for channel in found) or "none yet"
    raise ChannelError(
        lazy(
            "There is no channel %(name)s; there are: %(there_are)s.",
            name=repr(name),
            there_are=there_are,
        )
    )


def list_channels(connection: Connection, *, in_use: bool = False) -> list[KnownChannel]:
    """Return the channels by name, or only those in use."""
    query = select(Channel.__table__).order_by(Channel.name)
    if in_use:
        query = query.where(Channel.disabled_at.is_(None))
    return [_channel(row) for row in connection.execute(query)]


def enable_channel(connection: Connection, channel_id: int) -> None:
    """Send to a channel again what happens from now on."""
    connection.execute(update(Channel).where(Channel.id == channel_id).values(disabled_at=None))


def disable_channel(connection: Connection, channel_id: int, now: datetime) -> None:
    """Send nothing to a channel any more, also not what waits."""
    is_in_use = (Channel.id == channel_id, Channel.disabled_at.is_(None))
    connection.execute(update(Channel).where(*is_in_use).values(disabled_at=now))
    waits = (Delivery.channel_id == channel_id, Delivery.next_at.is_not(None))
    reason = lazy("Not sent: the channel was disabled.")
    connection.execute(update(Delivery).where(*waits).values(next_at=None, error=reason))


def remove_channel(connection: Connection, channel_id: int) -> None:
    """Delete a channel, with its address and its log."""
    connection.execute(delete(Channel).where(Channel.id == channel_id))


def _channel(row: Any) -> KnownChannel:
    return KnownChannel(
        *(row.id, row.name, row.kind, row.url, row.secret),
        tuple(row.alert_kinds),
        tuple(row.quiet_hours),
        *(row.time_zone, row.created_at, row.disabled_at),
    )

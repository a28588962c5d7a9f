"""Events on their way to channels: each is sent at least once, in order, under the same name.

A delivery waits while `next_at` is set. Whoever sends it moves `next_at` first, so two processes do
not send it at once, and it is sent again if that process dies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from db.hub.tables.alerts import Channel, Delivery

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class WaitingDelivery:
    """An event that has yet to be sent to a channel.

    Attributes:
        id: Its row; they are sent in this order.
        event: Its name.
        payload: See `db.hub.alerts.raised.payload`.
        created_at: When it was queued.
        attempts: How often it was tried.
        next_at: When it is tried, unless others are before it.
        error: What went wrong the last time.
    """

    id: int
    event: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    next_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """What became of an event: it was sent at `done_at`, waits for `next_at`, or was given up."""

    id: int
    channel: str
    event: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    next_at: datetime | None
    done_at: datetime | None
    error: str | None


def waiting(
    connection: Connection, channel_id: int, limit: int = 1000
) -> Sequence[WaitingDelivery]:
    """Return what waits for a channel, in order."""
    columns = (Delivery.id, Delivery.event, Delivery.payload, Delivery.created_at)
    query = (
        select(*columns, Delivery.attempts, Delivery.next_at, Delivery.error)
        .where(Delivery.channel_id == channel_id, Delivery.next_at.is_not(None))
        .order_by(Delivery.id)
        .limit(limit)
    )
    return [WaitingDelivery(*row) for row in connection.execute(query).tuples()]


def count_waiting(connection: Connection) -> int:
    """Return how many deliveries wait, of all channels."""
    query = select(func.count()).select_from(Delivery).where(Delivery.next_at.is_not(None))
    return connection.scalar(query) or 0


def claim(connection: Connection, delivery: WaitingDelivery, until: datetime) -> bool:
    """Count an attempt and keep others from sending it until then.

    Returns:
        False if another process was faster.
    """
    unchanged = (
        Delivery.id == delivery.id,
        Delivery.attempts == delivery.attempts,
        Delivery.next_at == delivery.next_at,
    )
    values = {"attempts": delivery.attempts + 1, "next_at": until}
    return connection.execute(update(Delivery).where(*unchanged).values(**values)).rowcount == 1


def finish(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Note that deliveries have arrived."""
    done = {"done_at": now, "next_at": None, "error": None}
    connection.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**done))


def put_off(connection: Connection, delivery_id: int, until: datetime, error: str | None) -> None:
    """Try a delivery again later; `error` says what went wrong, if anything did."""
    values: dict[str, Any] = {"next_at": until}
    if error is not None:
        values["error"] = error
    connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(**values))


def give_up(connection: Connection, ids: Collection[int], reason: str) -> None:
    """Never send deliveries; the reason is for people."""
    values = {"next_at": None, "error": reason}
    connection.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**values))


def sent_since(connection: Connection, channel_id: int, moment: datetime) -> int:
    """Return how many events were sent to a channel since a moment."""
    which = (Delivery.channel_id == channel_id, Delivery.done_at >= moment)
    return connection.scalar(select(func.count()).where(*which)) or 0


def note_test(
    connection: Connection,
    channel_id: int,
    payload: dict[str, Any],
    now: datetime,
    error: str | None,
) -> None:
    """Log a test message that was sent, or was not."""
    values = {
        "channel_id": channel_id,
        "event": payload["id"],
        "payload": payload,
        "created_at": now,
    }
    done_at = None if error is not None else now
    state = {"created_at": now, "attempts": 1, "next_at": None, "done_at": done_at, "error": error}
    row = insert(Delivery).values(**values | state)
    connection.execute(row)


def delivery_log(
    connection: Connection, *, channel: str = "", limit: int = 100, offset: int = 0
) -> tuple[list[LoggedDelivery], int]:
    """Return deliveries, the latest first, and how many there are, of one channel or of all."""
    columns = (Delivery.event, Delivery.payload, Delivery.created_at, Delivery.attempts)
    which = [Channel.name == channel] if channel else []
    query = (
        select(Delivery.id, Channel.name, *columns)
        .add_columns(Delivery.next_at, Delivery.done_at, Delivery.error)
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(*which)
        .order_by(Delivery.id.desc())
    )
    count = select(func.count()).select_from(Delivery).join(Channel).where(*which)
    rows = connection.execute(query.limit(limit).offset(offset))
    return [LoggedDelivery(*row) for row in rows], connection.scalar(count) or 0


def forget_old(connection: Connection, now: datetime, kept: timedelta) -> None:
    """Delete what was sent or given up and is older than that."""
    old = Delivery.created_at < now - kept
    connection.execute(delete(Delivery).where(old, Delivery.next_at.is_(None)))

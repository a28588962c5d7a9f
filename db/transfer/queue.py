"""What a hub has yet to be sent: numbered references to rows, queued as the rows are written.

The sums themselves are read when they are sent, so they are not stored twice, and sending a row
again sends its latest state. Nothing is queued before the kiosk has joined a hub.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from sqlalchemy import delete, exists, func, insert, literal, or_, select, update

from db.schema import Gap, Origin, Outgoing, Play, Session, Uplink, Viewer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from db.schema import Base

Kind: TypeAlias = Literal["session", "play", "viewer", "gap", "cell"]

TABLES: dict[Kind, type[Base]] = {"session": Session, "play": Play, "viewer": Viewer, "gap": Gap}
"""Where the rows are, in the order in which a hub can take them; cells are made when sent."""

KEPT = timedelta(days=30)
"""How long what cannot be sent stays queued."""


def queue(connection: Connection, kind: Kind, *which: ColumnElement[bool]) -> None:
    """Queue the rows of a kind that meet conditions, if a hub was joined.

    Args:
        connection: In the transaction that writes them.
        kind: Names their table.
        which: All must hold; without any, all rows are queued.
    """
    row_id = TABLES[kind].__table__.c.id
    chosen = (
        select(literal(kind), row_id, literal(datetime.now(UTC), Outgoing.queued_at.type))
        .where(exists().where(Uplink.id == 1), *which)
        .order_by(row_id)
    )
    connection.execute(insert(Outgoing).from_select(["kind", "row_id", "queued_at"], chosen))


def queue_everything(connection: Connection, since: datetime) -> None:
    """Queue all that was recorded here since a moment, for a hub that has none of it.

    Sessions that were still open then are sent as a whole.
    """
    queue_sessions(connection, or_(Session.ended_at.is_(None), Session.ended_at >= since))


def queue_sessions(connection: Connection, which: ColumnElement[bool]) -> None:
    """Queue whole sessions of this kiosk that meet a condition."""
    kiosk = select(Origin.kiosk).where(Origin.is_here).scalar_subquery()
    origins = select(Origin.id).where(Origin.kiosk == kiosk)
    chosen = select(Session.id).where(which, Session.origin_id.in_(origins))
    queue(connection, "session", Session.id.in_(chosen))
    queue(connection, "gap", Gap.session_id.in_(chosen))
    queue(connection, "play", Play.session_id.in_(chosen), Play.rolled_up.is_(True))


def queue_cells(connection: Connection, now: datetime) -> None:
    """Queue the cells of the hours that are over, once each, if cells are sent.

    An hour waits until its plays are rolled up, at most for another hour. Sending one twice, with
    a viewer more, would tell about that viewer.
    """
    uplink = connection.execute(select(Uplink.upload, Uplink.cells_until, Uplink.joined_at)).first()
    if uplink is None or uplink.upload != "cells":
        return
    begin = hour_of(uplink.cells_until or uplink.joined_at)
    end = hour_of(now)
    not_rolled_up = select(func.min(Play.started_at)).where(
        Play.rolled_up.is_(False), Play.started_at >= now - timedelta(hours=2)
    )
    oldest = connection.scalar(not_rolled_up)
    end = end if oldest is None else min(end, hour_of(oldest))
    if end <= begin:
        return
    hours = range(hour_number(begin), hour_number(end))
    connection.execute(
        insert(Outgoing), [{"kind": "cell", "row_id": hour, "queued_at": now} for hour in hours]
    )
    connection.execute(update(Uplink).values(cells_until=end))


def hour_of(moment: datetime) -> datetime:
    """Return the start of a moment's hour in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_number(hour: datetime) -> int:
    """Return which hour since 1970 begins at a moment."""
    return int(hour.timestamp()) // 3600


def confirm(connection: Connection, watermark: int) -> None:
    """Forget what the hub has stored: all numbers up to a watermark."""
    connection.execute(delete(Outgoing).where(Outgoing.number <= watermark))
    connection.execute(
        update(Origin)
        .where(Origin.is_here, Origin.watermark < watermark)
        .values(watermark=watermark)
    )


def forget_old(connection: Connection, now: datetime) -> int:
    """Forget, and count as lost, plays that have waited for more than `KEPT`; return how many.

    Sessions and gaps stay: they are few, and plays cannot be stored without their session.
    """
    old = (Outgoing.queued_at < now - KEPT, Outgoing.kind.in_(("play", "viewer")))
    lost = connection.execute(delete(Outgoing).where(*old)).rowcount
    if lost:
        connection.execute(update(Uplink).values(lost=Uplink.lost + lost))
    return lost


def waiting(connection: Connection, after: int, limit: int) -> Sequence[tuple[int, Kind, int]]:
    """Return number, kind and row of at most `limit` records queued after a number, in order."""
    query = (
        select(Outgoing.number, Outgoing.kind, Outgoing.row_id)
        .where(Outgoing.number > after)
        .order_by(Outgoing.number)
        .limit(limit)
    )
    return connection.execute(query).tuples().all()  # type: ignore[return-value]

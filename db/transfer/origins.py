"""Names for what this database records, the same wherever it is sent."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, text, update

from db.schema import Origin, Outgoing, Session
from db.transfer.queue import queue_sessions

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row


def own_origin(connection: Connection) -> int:
    """Return the row of the epoch to which new sessions belong, made if there is none."""
    found = connection.scalar(select(Origin.id).where(Origin.is_here))
    return begin_epoch(connection, uuid.uuid4().hex) if found is None else found


def own_row(connection: Connection) -> Row[tuple[int, str, str, int, int]]:
    """Return `id`, `kiosk`, `epoch`, `base` and `watermark` of this database."""
    columns = (Origin.id, Origin.kiosk, Origin.epoch, Origin.base, Origin.watermark)
    return connection.execute(select(*columns).where(Origin.id == own_origin(connection))).one()


def begin_epoch(connection: Connection, kiosk: str) -> int:
    """Begin another epoch, of which a hub has nothing yet; return its row.

    Numbers go on; sessions keep the names that they have.
    """
    used = last_number(connection)
    connection.execute(update(Origin).where(Origin.is_here).values(is_here=False))
    values = {"kiosk": kiosk, "epoch": uuid.uuid4().hex, "created_at": datetime.now(UTC)}
    row = insert(Origin).values(**values, is_here=True, base=used, watermark=used)
    return int(connection.execute(row).inserted_primary_key[0])  # type: ignore[index]


def begin_anew(connection: Connection, kiosk: str, sent: int = 0) -> None:
    """Begin another epoch in a database that took the place of a newer one, such as a backup.

    The hub has what waits here, from the database of before. A session that still runs may have
    taken a name that was used there, so it is renamed, and sent from its start.

    Args:
        connection: In a transaction.
        kiosk: Whose epoch it is.
        sent: The highest number that the database of before has sent; those here go on after it.
    """
    used = max(last_number(connection), sent)
    connection.execute(delete(Outgoing))
    if used:
        # SQLite continues after the highest number the table ever held.
        row = {"number": used, "kind": "gap", "row_id": 0, "queued_at": datetime.now(UTC)}
        connection.execute(insert(Outgoing).values(**row))
    origin = begin_epoch(connection, kiosk)
    connection.execute(delete(Outgoing))
    running = Session.ended_at.is_(None)
    connection.execute(update(Session).where(running).values(origin_id=origin))
    queue_sessions(connection, running)


def last_number(connection: Connection) -> int:
    """Return a number that is at least that of every record sent in this epoch."""
    confirmed = connection.scalar(select(Origin.watermark).where(Origin.is_here)) or 0
    used = connection.scalar(select(func.max(Outgoing.number))) or 0
    if connection.dialect.name == "sqlite":
        # Also of records that were given up since.
        query = text("SELECT seq FROM sqlite_sequence WHERE name = 'outgoing'")
        used = max(used, connection.scalar(query) or 0)
    return max(confirmed, used)

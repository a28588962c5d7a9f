"""Leases: what only one process of a hub may do at a time, by the clock of the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from sqlalchemy import delete, func, or_, select

from db.hub.tables.intake import Lease
from db.write.store import upsert

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection


def take(connection: Connection, name: str, holder: str, for_s: float) -> bool:
    """Take a lease, or keep it; of several processes that try, one gets it.

    Args:
        connection: In a transaction that `db.engine.writing` has begun.
        name: What for.
        holder: Which process; every process has another name.
        for_s: Seconds until it ends, unless it is taken again before.

    Returns:
        Whether `holder` has it now.
    """
    now = _now(connection)
    values = {"holder": holder, "until": now + timedelta(seconds=for_s)}
    statement = (
        upsert(connection, cast("Table", Lease.__table__))
        .values(name=name, **values)
        .on_conflict_do_update(
            index_elements=[Lease.name],
            set_=values,
            where=or_(Lease.holder == holder, Lease.until < now),
        )
        .returning(Lease.id)
    )
    return connection.scalar(statement) is not None


def release(connection: Connection, holder: str) -> None:
    """End all leases of a process, so that another one need not wait for them."""
    connection.execute(delete(Lease).where(Lease.holder == holder))


def _now(connection: Connection) -> datetime:
    """Return the time that all processes share: the server's, or this machine's for a file."""
    if connection.dialect.name == "postgresql":
        return cast("datetime", connection.scalar(select(func.clock_timestamp())))
    return datetime.now(UTC)

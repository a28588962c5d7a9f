"""Attempts to log in or to join, counted in the database: all processes of a hub see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, text

from db.hub.tables.people import FailedAttempt

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """How many attempts of a kind are allowed in a time.

    Attributes:
        kind: What is tried; at most 16 characters.
        most: Attempts within `within`.
        for_each: Whether each address has its own count; otherwise all share one.
    """

    kind: str
    most: int
    within: timedelta
    for_each: bool = True


def count_attempt(connection: Connection, limit: AttemptLimit, address: str, now: datetime) -> bool:
    """Count an attempt before its outcome is known; return whether it is allowed.

    A right one is taken back by `forgive`. Counting first keeps many attempts at the same moment
    from all being allowed. A refused one is not counted, so waiting ends the refusal.

    Args:
        connection: In a transaction that is committed before the attempt is checked.
        limit: What is allowed.
        address: Network address, or the name of the account that is tried.
        now: Aware.
    """
    hold_attempts(connection)
    forget_old(connection, limit, now)
    if allowed_at(connection, limit, address, now) is not None:
        return False
    note_attempt(connection, limit.kind, address, now)
    return True


def hold_attempts(connection: Connection) -> None:
    """Let one transaction at a time count attempts: several would each find one try left.

    On SQLite `db.engine.writing` does so already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE failed_attempts IN SHARE ROW EXCLUSIVE MODE"))


def allowed_at(
    connection: Connection, limit: AttemptLimit, address: str, now: datetime
) -> datetime | None:
    """Return when another attempt is allowed; `None` if it is now. Arguments as `count_attempt`."""
    which = [FailedAttempt.kind == limit.kind, FailedAttempt.at > now - limit.within]
    if limit.for_each:
        which.append(FailedAttempt.address == address)
    query = select(FailedAttempt.at).where(*which).order_by(FailedAttempt.at.desc())
    times = connection.scalars(query.limit(limit.most)).all()
    return times[-1] + limit.within if len(times) == limit.most else None


def note_attempt(connection: Connection, kind: str, address: str, now: datetime) -> None:
    """Count a wrong attempt, where the right ones are known before they count."""
    connection.execute(insert(FailedAttempt).values(kind=kind, address=address, at=now))


def forget_old(connection: Connection, limit: AttemptLimit, now: datetime) -> None:
    """Delete the attempts of a kind that count no longer."""
    old = (FailedAttempt.kind == limit.kind, FailedAttempt.at <= now - limit.within)
    connection.execute(delete(FailedAttempt).where(*old))


def forgive(connection: Connection, kind: str, address: str) -> None:
    """Forget the attempts of an address: one of them was right."""
    which = (FailedAttempt.kind == kind, FailedAttempt.address == address)
    connection.execute(delete(FailedAttempt).where(*which))


def forget_attempts(connection: Connection, before: datetime) -> None:
    """Delete the attempts from before a moment, with the addresses from which they came."""
    connection.execute(delete(FailedAttempt).where(FailedAttempt.at < before))

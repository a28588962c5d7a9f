"""Attempts to log in, counted in the database: all processes of a hub see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, text

from db.hub.tables import FailedAttempt

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """How many attempts of a kind are allowed in a time.

    Attributes:
        kind: What is tried; at most 16 characters. Codes are counted by `db.hub.pairing`.
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
    if connection.dialect.name == "postgresql":
        # Several at once would each find one try left.
        connection.execute(text("LOCK TABLE failed_attempts IN SHARE ROW EXCLUSIVE MODE"))
    old = (FailedAttempt.kind == limit.kind, FailedAttempt.at < now - limit.within)
    connection.execute(delete(FailedAttempt).where(*old))
    which = [FailedAttempt.kind == limit.kind]
    if limit.for_each:
        which.append(FailedAttempt.address == address)
    counted = connection.scalar(select(func.count()).select_from(FailedAttempt).where(*which)) or 0
    if counted >= limit.most:
        return False
    connection.execute(insert(FailedAttempt).values(kind=limit.kind, address=address, at=now))
    return True


def forgive(connection: Connection, kind: str, address: str) -> None:
    """Forget the attempts of an address: one of them was right."""
    which = (FailedAttempt.kind == kind, FailedAttempt.address == address)
    connection.execute(delete(FailedAttempt).where(*which))


def forget_attempts(connection: Connection, before: datetime) -> None:
    """Delete the attempts from before a moment, with the addresses from which they came."""
    connection.execute(delete(FailedAttempt).where(FailedAttempt.at < before))

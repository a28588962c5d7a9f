"""The audit log of a hub: who changed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, delete, func, insert, or_, select

from db.hub.tables.people import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection


COMMAND_LINE = "command line"
"""The actor of what is done on the hub's own machine."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the audit log; see `note`."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """Which entries to find; an empty text finds all.

    Attributes:
        actor: Name of who did it, exactly.
        action: Begin of what was done, such as `user.` or `user.invite`.
        text: Part of the actor, the action, the target or the values, in any case.
        since: From this moment on.
        until: Before this moment.
    """

    actor: str = ""
    action: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[Any]:
        """Return them for a query."""
        entry, found = AuditEntry, []
        if self.actor:
            found.append(entry.actor == self.actor)
        if self.action:
            found.append(entry.action.startswith(self.action, autoescape=True))
        if self.text:
            values = (cast(entry.before, Text), cast(entry.after, Text))
            texts = (entry.actor, entry.action, entry.target, *values)
            found.append(or_(*(text.icontains(self.text, autoescape=True) for text in texts)))
        if self.since is not None:
            found.append(entry.at >= self.since)
        if self.until is not None:
            found.append(entry.at < self.until)
        return found


def note(
    connection: Connection,
    actor: str,
    action: str,
    target: str,
    at: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write an entry, in the transaction of the change.

    Args:
        connection: In that transaction.
        actor: Name of a user, `kiosk` and its id, or `COMMAND_LINE`.
        action: What was done, such as `kiosk.revoke`.
        target: To what, such as `screen 3`.
        at: When; aware.
        before: What it was, without secrets; `None` for something new.
        after: What it is now; `None` for something that is gone.
    """
    values = {"at": at, "actor": actor, "action": action, "target": target}
    connection.execute(insert(AuditEntry).values(**values, before=before, after=after))


def count_entries(connection: Connection, search: AuditSearch) -> int:
    """Return how many entries a search finds."""
    query = select(func.count()).select_from(AuditEntry).where(*search.conditions())
    return connection.scalar(query) or 0


def find_entries(
    connection: Connection, search: AuditSearch, *, limit: int | None = None, offset: int = 0
) -> Iterator[Entry]:
    """Yield the entries of a search, the latest first; without a limit in parts of 1,000."""
    entry = AuditEntry
    columns = (entry.id, entry.at, entry.actor, entry.action, entry.target)
    query = select(*columns, entry.before, entry.after).where(*search.conditions())
    query = query.order_by(entry.at.desc(), entry.id.desc()).limit(limit).offset(offset)
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        for row in rows.tuples():
            yield Entry(*row)


def known_actors(connection: Connection) -> list[str]:
    """Return the names of all who are in the log."""
    query = select(AuditEntry.actor).distinct().order_by(AuditEntry.actor).limit(1000)
    return list(connection.scalars(query))


def known_actions(connection: Connection) -> list[str]:
    """Return the actions that are in the log."""
    query = select(AuditEntry.action).distinct().order_by(AuditEntry.action)
    return list(connection.scalars(query))


def forget_entries(connection: Connection, before: datetime) -> int:
    """Delete the entries from before a moment; return how many."""
    return connection.execute(delete(AuditEntry).where(AuditEntry.at < before)).rowcount

"""The audit log of a hub: who changed what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from db.hub.tables import AuditEntry

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


COMMAND_LINE = "command line"
"""The actor of what is done on the hub's own machine."""


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

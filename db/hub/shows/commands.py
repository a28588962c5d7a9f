"""What people ask the kiosks of screens to do once, and what came of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, func, insert, select, update

from db.hub.audit import note
from db.hub.shows.desired import touch
from db.hub.tables.shows import Command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Row

LIFETIME = timedelta(minutes=10)
"""After it, a command that no kiosk has fetched is not done any more."""

KEPT = timedelta(days=30)
"""How long commands are kept, with their pictures and logs."""


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command; times are aware.

    Attributes:
        succeeded: `None` while the kiosk has not answered.
        attachment_bytes: Size of the picture or bundle of logs; 0 without one.
    """

    uid: str
    kind: str
    author: str
    created_at: datetime
    expires_at: datetime
    done_at: datetime | None
    succeeded: bool | None
    detail: str
    attachment_type: str
    attachment_bytes: int


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a kiosk says became of a command; without an attachment its type is empty."""

    succeeded: bool
    detail: str = ""
    attachment_type: str = ""
    attachment: bytes | None = None


def add_commands(
    connection: Connection, screen_ids: Sequence[int], kind: str, author: str, now: datetime
) -> list[str]:
    """Ask the kiosks of screens to do something; return the uids, in the order of the screens.

    Args:
        connection: In a transaction.
        screen_ids: Rows of the screens.
        kind: One of `db.hub.tables.shows.COMMANDS`.
        author: Who asks.
        now: Aware.
    """
    if not screen_ids:
        return []
    rows = [
        {
            "uid": uuid.uuid4().hex,
            "screen_id": screen_id,
            "kind": kind,
            "author": author,
            "created_at": now,
            "expires_at": now + LIFETIME,
            "detail": "",
            "attachment_type": "",
        }
        for screen_id in screen_ids
    ]
    connection.execute(insert(Command), rows)
    touch(connection, screen_ids, now)
    target = f"screen {screen_ids[0]}" if len(rows) == 1 else f"{len(rows)} screens"
    after = None if len(rows) == 1 else {"screens": list(screen_ids[:100])}
    note(connection, author, f"command.{kind}", target, now, after=after)
    return [cast("str", row["uid"]) for row in rows]


def open_commands(connection: Connection, screen_id: int, now: datetime) -> list[CommandInfo]:
    """Return what the kiosk of a screen is still to do, the first asked first."""
    which = (Command.screen_id == screen_id, Command.done_at.is_(None), Command.expires_at > now)
    query = _query().where(*which).order_by(Command.created_at, Command.id)
    return [_info(row) for row in connection.execute(query)]


def list_commands(connection: Connection, screen_id: int, limit: int = 20) -> list[CommandInfo]:
    """Return the latest commands to a screen, the last one first."""
    query = _query().where(Command.screen_id == screen_id)
    latest = query.order_by(Command.created_at.desc(), Command.id.desc()).limit(limit)
    return [_info(row) for row in connection.execute(latest)]


def find_command(connection: Connection, screen_id: int, uid: str) -> CommandInfo | None:
    """Return a command to a screen."""
    row = connection.execute(
        _query().where(Command.screen_id == screen_id, Command.uid == uid)
    ).first()
    return None if row is None else _info(row)


def find_attachment(connection: Connection, screen_id: int, uid: str) -> tuple[str, bytes] | None:
    """Return the type and content of what a kiosk sent for a command to its screen."""
    query = select(Command.attachment_type, Command.attachment).where(
        Command.screen_id == screen_id, Command.uid == uid, Command.attachment.is_not(None)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.attachment_type, row.attachment)


def finish_command(
    connection: Connection, screen_id: int, uid: str, answer: CommandAnswer, now: datetime
) -> bool:
    """Store what became of a command; return whether this is the first answer to it."""
    finished = connection.execute(
        update(Command)
        .where(Command.screen_id == screen_id, Command.uid == uid, Command.done_at.is_(None))
        .values(
            done_at=now,
            succeeded=answer.succeeded,
            detail=answer.detail,
            attachment_type=answer.attachment_type,
            attachment=answer.attachment,
        )
    )
    return bool(finished.rowcount)


def forget_old_commands(connection: Connection, now: datetime) -> None:
    """Delete the commands that are older than `KEPT`."""
    connection.execute(delete(Command).where(Command.created_at < now - KEPT))


def _query() -> Any:
    return select(
        *(Command.uid, Command.kind, Command.author, Command.created_at, Command.expires_at),
        *(Command.done_at, Command.succeeded, Command.detail, Command.attachment_type),
        func.coalesce(func.length(Command.attachment), 0),
    )


def _info(row: Row[Any]) -> CommandInfo:
    return CommandInfo(*row)

"""Reports that people keep: saved questions, and finished documents behind a link."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard
from sqlalchemy import delete, insert, or_, select, update

from db.hub.digests import key_digest
from db.hub.tables.people import User
from db.hub.tables.reports import SavedReport, SharedDocument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Row

KEEPING = ("editor", "approver", "operator")
"""Roles that may save, send and share reports, besides administrators."""


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A saved report.

    Attributes:
        id, uid: Row id, and its name in addresses.
        name: What people call it.
        owner, owner_id: Who saved it.
        query: What it asks, as `monitor.hub.reports.query.ReportQuery` reads it.
        rhythm, recipients: How often it is sent by mail, and to whom; `None` for never.
        next_at, sent_at, error: When it is sent next, was sent last, and why it was not.
    """

    id: int
    uid: str
    name: str
    owner: str
    owner_id: int
    query: dict[str, Any]
    rhythm: str | None
    recipients: tuple[str, ...]
    next_at: datetime | None
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link to a finished document, without its secret."""

    uid: str
    title: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    opened: int
    opened_at: datetime | None


def save_report(  # noqa: PLR0917 (the parts of one row)
    connection: Connection,
    owner_id: int,
    name: str,
    query: dict[str, Any],
    rhythm: str | None,
    recipients: Sequence[str],
    next_at: datetime | None,
    now: datetime,
) -> str:
    """Store a report, and return its uid."""
    uid = uuid.uuid4().hex
    connection.execute(
        insert(SavedReport).values(
            uid=uid,
            user_id=owner_id,
            name=name,
            query=query,
            rhythm=rhythm,
            recipients=list(recipients),
            created_at=now,
            next_at=next_at,
        )
    )
    return uid


def kept_reports(connection: Connection, *, owner_id: int | None = None) -> list[KeptReport]:
    """Return one person's saved reports, or everybody's, by name."""
    query = _kept().order_by(SavedReport.name, SavedReport.id)
    if owner_id is not None:
        query = query.where(SavedReport.user_id == owner_id)
    return [_report(row) for row in connection.execute(query)]


def find_report(connection: Connection, uid: str) -> KeptReport | None:
    """Return a saved report; `None` if there is none of that uid."""
    row = connection.execute(_kept().where(SavedReport.uid == uid)).one_or_none()
    return None if row is None else _report(row)


def due_reports(connection: Connection, now: datetime) -> list[KeptReport]:
    """Return the reports to send now, longest due first.

    Never those of an account that is disabled, or that may no longer keep reports: an agency, for
    one, must not learn of all ads from what it saved as an editor.
    """
    allowed = User.disabled_at.is_(None), User.role.in_((*KEEPING, "admin"))
    due = _kept().where(SavedReport.next_at <= now, *allowed)
    return [_report(row) for row in connection.execute(due.order_by(SavedReport.next_at))]


def note_sending(
    connection: Connection,
    uid: str,
    next_at: datetime | None,
    *,
    sent_at: datetime | None = None,
    error: str | None = None,
) -> None:
    """Note when a report was sent, or why not, and when it is sent next; `None`: as before."""
    changes: dict[str, Any] = {"error": error}
    changes |= {} if sent_at is None else {"sent_at": sent_at}
    changes |= {} if next_at is None else {"next_at": next_at}
    connection.execute(update(SavedReport).where(SavedReport.uid == uid).values(**changes))


def delete_report(connection: Connection, uid: str) -> None:
    """Delete a saved report; harmless when repeated."""
    connection.execute(delete(SavedReport).where(SavedReport.uid == uid))


def share_document(  # noqa: PLR0917 (the parts of one row)
    connection: Connection,
    title: str,
    page: str,
    author: str,
    now: datetime,
    expires_at: datetime,
) -> tuple[str, str]:
    """Store a finished page; return its uid, and the secret of its link, which is kept nowhere."""
    uid, token = uuid.uuid4().hex, secrets.token_urlsafe(32)
    connection.execute(
        insert(SharedDocument).values(
            uid=uid,
            token_sha256=key_digest(token),
            title=title,
            content=zstandard.compress(page.encode(), 9),
            created_at=now,
            created_by=author,
            expires_at=expires_at,
            opened=0,
        )
    )
    return uid, token


def open_shared(connection: Connection, token: str, now: datetime) -> str | None:
    """Return the page behind a link, and count it; `None` if it is unknown, revoked or over."""
    row = connection.execute(
        select(SharedDocument.id, SharedDocument.content).where(
            SharedDocument.token_sha256 == key_digest(token),
            SharedDocument.revoked_at.is_(None),
            SharedDocument.expires_at > now,
        )
    ).one_or_none()
    if row is None:
        return None
    seen = {"opened": SharedDocument.opened + 1, "opened_at": now}
    connection.execute(update(SharedDocument).where(SharedDocument.id == row.id).values(**seen))
    return zstandard.decompress(row.content).decode()


def shared_links(connection: Connection, *, author: str | None = None) -> list[SharedLink]:
    """Return one author's links, or everybody's, newest first."""
    table = SharedDocument
    query = select(
        *(table.uid, table.title, table.created_at, table.created_by, table.expires_at),
        *(table.revoked_at, table.opened, table.opened_at),
    ).order_by(table.id.desc())
    if author is not None:
        query = query.where(table.created_by == author)
    return [SharedLink(*row) for row in connection.execute(query)]


def revoke_link(connection: Connection, uid: str, now: datetime) -> None:
    """Make a link void, and delete its document; harmless when repeated."""
    which = (SharedDocument.uid == uid, SharedDocument.revoked_at.is_(None))
    void = {"revoked_at": now, "content": b""}
    connection.execute(update(SharedDocument).where(*which).values(**void))


def forget_links(connection: Connection, before: datetime) -> None:
    """Delete documents whose link ended before a moment."""
    ended = or_(SharedDocument.expires_at < before, SharedDocument.revoked_at < before)
    connection.execute(delete(SharedDocument).where(ended))


def _kept() -> Any:
    report = SavedReport.__table__
    return select(report, User.name.label("owner")).join(User, User.id == SavedReport.user_id)


def _report(row: Row[Any]) -> KeptReport:
    return KeptReport(
        row.id,
        row.uid,
        row.name,
        row.owner,
        row.user_id,
        row.query,
        row.rhythm,
        tuple(row.recipients),
        row.next_at,
        row.sent_at,
        row.error,
    )

"""Accounts that log in by single sign-on."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from db.hub.people.accounts import ACCOUNT, MAX_NAME_LENGTH, Account, account_from
from db.hub.tables.people import User, UserToken

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


def account_of_subject(connection: Connection, subject: str) -> tuple[Account, bool] | None:
    """Return the account linked to an identity, and whether it is disabled."""
    query = select(*ACCOUNT, User.disabled_at).where(User.subject == subject)
    row = connection.execute(query).one_or_none()
    return None if row is None else (account_from(row), row.disabled_at is not None)


def invited_by_mail(connection: Connection, email: str) -> Account | None:
    """Return the account invited by a mail address, if it has never been used."""
    which = (
        User.email == email,
        User.password_hash.is_(None),
        User.subject.is_(None),
        User.disabled_at.is_(None),
    )
    rows = connection.execute(select(*ACCOUNT).where(*which)).all()
    return account_from(rows[0]) if email and len(rows) == 1 else None


def link(connection: Connection, account: Account, subject: str) -> None:
    """Let somebody's identity log in to an account; a link that would set its password ends."""
    invitations = (UserToken.user_id == account.id, UserToken.kind == "invitation")
    connection.execute(delete(UserToken).where(*invitations))
    connection.execute(update(User).where(User.id == account.id).values(subject=subject))


def create(
    connection: Connection, now: datetime, *, name: str, email: str, role: str, subject: str
) -> Account:
    """Make an account for somebody's identity; it gets another name if this one is taken."""
    plain = "".join(letter for letter in name if letter.isprintable()).strip() or "somebody"
    plain = plain[: MAX_NAME_LENGTH - 10].strip()
    names = (plain if number == 1 else f"{plain} {number}" for number in count(1))
    free = next(
        name
        for name in names
        if connection.scalar(select(User.id).where(User.name == name)) is None
    )
    values = {"name": free, "email": email, "role": role, "subject": subject, "created_at": now}
    result = connection.execute(insert(User).values(**values))
    return Account(int(result.inserted_primary_key[0]), free, role)  # type: ignore[index]


def follow_groups(connection: Connection, account: Account, role: str) -> Account:
    """Give an account the role that its groups have."""
    connection.execute(update(User).where(User.id == account.id).values(role=role))
    return replace(account, role=role)

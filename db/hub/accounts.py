"""The accounts of a hub: people, their roles, their logins, and links to set a password."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, update

from db.errors import AccountError
from db.hub.digests import key_digest
from db.hub.tables import ROLES, User, UserToken

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

INVITATION_FOR = timedelta(hours=24)
LOGIN_FOR = timedelta(days=7)
IDLE_FOR = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=5)
"""How exactly `last_seen_at` is kept, so that not every page writes."""

MAX_NAME_LENGTH = 100

NO_FOLDER = 0
"""Matches no folder."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may use the hub.

    Attributes:
        id: Row id; 0 for a program with the hub's token.
        role: One of `db.hub.tables.ROLES`.
        folder_id: The folder of the library that an agency is limited to.
    """

    id: int
    name: str
    role: str
    folder_id: int | None = None

    @property
    def folder_scope(self) -> int | None:
        """The only folder whose ads, files and figures may be seen; `None` for all folders.

        An agency without a folder has `NO_FOLDER`.
        """
        return (self.folder_id or NO_FOLDER) if self.role == "agency" else None

    def sees_folder(self, folder_id: int | None) -> bool:
        """Whether the account may see what lies in a folder; `None`: in no folder."""
        return self.folder_scope is None or self.folder_scope == folder_id

    def may(self, *roles: str) -> bool:
        """Whether the account has one of these roles; an administrator has every right."""
        return self.role in {*roles, "admin"}


@dataclass(frozen=True, slots=True)
class Member:
    """An account as a list shows it; without a password its link has not been followed yet."""

    account: Account
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    last_seen_at: datetime | None


_ACCOUNT = (User.id, User.name, User.role, User.folder_id)


def _account(row: Any) -> Account:
    return Account(row.id, row.name, row.role, row.folder_id)


def has_administrator(connection: Connection) -> bool:
    """Whether there is an administrator, also one who has not set a password yet."""
    query = select(User.id).where(User.role == "admin", User.disabled_at.is_(None)).limit(1)
    return connection.scalar(query) is not None


def invite(
    connection: Connection, name: str, role: str | None, now: datetime
) -> tuple[str, Account]:
    """Make an account, or find it, and a token that sets its password within a day, once.

    Earlier links of the account end. Its password, if it has one, works until the link is used.

    Args:
        connection: In a transaction.
        name: Of the account.
        role: `None` keeps that of an account that exists, and makes a new one a viewer.
        now: Aware.

    Raises:
        AccountError: The name is empty, too long, has control characters or spaces at its ends, or
            the role is unknown.
    """
    if not name or len(name) > MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise AccountError(
            f"Invalid name: expected 1 to {MAX_NAME_LENGTH} printable characters without spaces at "
            f"the ends, received {name!r}."
        )
    if role is not None and role not in ROLES:
        raise AccountError(f"Invalid role: expected one of {', '.join(ROLES)}, received {role!r}.")
    row = connection.execute(select(User.id, User.role).where(User.name == name)).one_or_none()
    if row is None:
        account_role = role or "viewer"
        values = {"name": name, "role": account_role, "created_at": now}
        result = connection.execute(insert(User).values(**values))
        user_id = int(result.inserted_primary_key[0])  # type: ignore[index]
    else:
        user_id, account_role = row.id, role or row.role
        changes = {"role": account_role, "disabled_at": None}
        connection.execute(update(User).where(User.id == user_id).values(**changes))
        links = (UserToken.user_id == user_id, UserToken.kind == "invitation")
        connection.execute(delete(UserToken).where(*links))
    token = _make_token(connection, user_id, "invitation", now, INVITATION_FOR)
    return token, Account(user_id, name, account_role)


def invited(connection: Connection, token: str, now: datetime) -> Account | None:
    """Return whose link a token belongs to; `None` if it is unknown, used or over."""
    query = (
        select(*_ACCOUNT)
        .join(UserToken, UserToken.user_id == User.id)
        .where(
            UserToken.token_sha256 == key_digest(token),
            UserToken.kind == "invitation",
            UserToken.expires_at > now,
            User.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _account(row)


def set_password(
    connection: Connection, token: str, password_hash: str, now: datetime
) -> Account | None:
    """Use up a link: set the password of its account, and end all its logins.

    Of two who use it at the same moment only one gets the account; the other gets `None`, as for a
    link that is unknown, used or over.
    """
    account = invited(connection, token, now)
    if account is None:
        return None
    used = delete(UserToken).where(UserToken.token_sha256 == key_digest(token))
    if connection.execute(used).rowcount != 1:
        return None
    connection.execute(delete(UserToken).where(UserToken.user_id == account.id))
    values = {"password_hash": password_hash}
    connection.execute(update(User).where(User.id == account.id).values(**values))
    return account


def find_login(connection: Connection, name: str) -> tuple[Account, str] | None:
    """Return an account that can log in, and its password's hash."""
    query = select(*_ACCOUNT, User.password_hash).where(
        User.name == name, User.disabled_at.is_(None), User.password_hash.is_not(None)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (_account(row), row.password_hash)


def begin_login(connection: Connection, account: Account, now: datetime) -> str:
    """Return the token of a new login; logins that are over are deleted."""
    over = or_(UserToken.expires_at < now, UserToken.last_seen_at < now - IDLE_FOR)
    connection.execute(delete(UserToken).where(over))
    return _make_token(connection, account.id, "login", now, LOGIN_FOR)


def end_login(connection: Connection, token: str) -> None:
    """End a login; harmless when repeated."""
    connection.execute(delete(UserToken).where(UserToken.token_sha256 == key_digest(token)))


def account_of(connection: Connection, token: str, now: datetime) -> tuple[Account, bool] | None:
    """Return who logged in with a token, and whether `note_seen` is due; `None` if it is over."""
    query = (
        select(*_ACCOUNT, UserToken.last_seen_at)
        .join(UserToken, UserToken.user_id == User.id)
        .where(
            UserToken.token_sha256 == key_digest(token),
            UserToken.kind == "login",
            UserToken.expires_at > now,
            UserToken.last_seen_at > now - IDLE_FOR,
            User.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return _account(row), row.last_seen_at < now - SEEN_EVERY


def note_seen(connection: Connection, token: str, now: datetime) -> None:
    """Keep a login from ending as idle."""
    which = UserToken.token_sha256 == key_digest(token)
    connection.execute(update(UserToken).where(which).values(last_seen_at=now))


def members(connection: Connection) -> list[Member]:
    """Return all accounts by name, also disabled ones."""
    seen = (
        select(func.max(UserToken.last_seen_at))
        .where(UserToken.user_id == User.id, UserToken.kind == "login")
        .scalar_subquery()
    )
    query = select(User.__table__, seen.label("seen")).order_by(User.name)
    return [
        Member(
            _account(row),
            row.created_at,
            row.disabled_at,
            row.password_hash is not None,
            row.seen,
        )
        for row in connection.execute(query)
    ]


def disable(connection: Connection, name: str, now: datetime) -> Account:
    """End an account, its logins and links; a new invitation makes it work again.

    Raises:
        AccountError: There is no such account, it is disabled, or it is the last administrator.
    """
    query = select(User.id, User.role).where(User.name == name, User.disabled_at.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccountError(f"There is no account {name!r} in use.")
    others = select(User.id).where(
        User.role == "admin", User.disabled_at.is_(None), User.id != row.id
    )
    if row.role == "admin" and connection.scalar(others.limit(1)) is None:
        raise AccountError(
            f"{name} is the only administrator: invite another one first, then disable this one."
        )
    changes = {"disabled_at": now, "password_hash": None}
    connection.execute(update(User).where(User.id == row.id).values(**changes))
    connection.execute(delete(UserToken).where(UserToken.user_id == row.id))
    return Account(row.id, name, row.role)


def _make_token(
    connection: Connection, user_id: int, kind: str, now: datetime, lasts: timedelta
) -> str:
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(UserToken).values(
            user_id=user_id,
            kind=kind,
            token_sha256=key_digest(token),
            created_at=now,
            expires_at=now + lasts,
            last_seen_at=now if kind == "login" else None,
        )
    )
    return token

"""The accounts of a hub: people, their roles, their logins, and links to set a password."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, update

from db.errors import AccountError
from db.hub.digests import key_digest
from db.hub.tables.library import Folder
from db.hub.tables.people import ROLES, ApiKey, User, UserToken
from detector.texts import lazy

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

INVITATION_FOR = timedelta(hours=24)
LOGIN_FOR = timedelta(days=7)
IDLE_FOR = timedelta(hours=12)
SECOND_FACTOR_FOR = timedelta(minutes=5)
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
        role: One of `db.hub.tables.people.ROLES`.
        folder_id: The folder of the library that an agency is limited to.
        language: Code of the language that the person chose; empty for that of the browser.
        has_password: Whether the account can log in by password; not by single sign-on alone.
        has_second_factor: Whether a code is asked for after the password.
    """

    id: int
    name: str
    role: str
    folder_id: int | None = None
    language: str = ""
    has_password: bool = False
    has_second_factor: bool = False

    @property
    def folder_scope(self) -> int | None:
        """The only folder whose ads, files and figures may be seen; `None` for all folders.

        An agency without a folder has `NO_FOLDER`.
        """
        return (self.folder_id or NO_FOLDER) if self.role == "agency" else None

    def may(self, *roles: str) -> bool:
        """Whether the account has one of these roles; an administrator has every right."""
        return self.role in {*roles, "admin"}


@dataclass(frozen=True, slots=True)
class Member:
    """An account as a list shows it.

    Attributes:
        account: Who.
        created_at: Aware, as the other times.
        disabled_at: Since when nobody can log in to it; `None` while it is in use.
        last_seen_at: Latest request of its open logins.
        email: Address for mail; may be empty.
        folder: Name of the folder that it is limited to.
        has_single_sign_on: Whether it has logged in by single sign-on.
    """

    account: Account
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None
    email: str
    folder: str
    has_single_sign_on: bool


def has_administrator(connection: Connection) -> bool:
    """Whether there is an administrator, also one who has not set a password yet."""
    query = select(User.id).where(User.role == "admin", User.disabled_at.is_(None)).limit(1)
    return connection.scalar(query) is not None


def check_name(name: str) -> None:
    """Refuse a name that no account can have.

    Raises:
        AccountError: It is empty, too long, has control characters or spaces at its ends.
    """
    if not name or len(name) > MAX_NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise AccountError(
            lazy(
                "Invalid name: expected 1 to %(most)s printable characters "
                "without spaces at the ends, received %(name)s.",
                most=MAX_NAME_LENGTH,
                name=repr(name),
            )
        )


def invite(
    connection: Connection,
    name: str,
    role: str | None,
    now: datetime,
    *,
    folder_id: int | None = None,
    email: str | None = None,
) -> tuple[str, Account]:
    """Make an account, or find it, and a token that sets its password within a day, once.

    Earlier links of the account end. Its password, if it has one, works until the link is used.

    Args:
        connection: In a transaction.
        name: Of the account.
        role: `None` keeps that of an account that exists, and makes a new one a viewer.
        now: Aware.
        folder_id: The folder that an agency is limited to; `None` keeps it.
        email: Address for mail; `None` keeps it.

    Raises:
        AccountError: No account can have the name (see `check_name`), or the role is unknown.
    """
    check_name(name)
    if role is not None and role not in ROLES:
        raise AccountError(
            lazy(
                "Invalid role: expected one of %(names)s, received %(role)s.",
                names=", ".join(ROLES),
                role=repr(role),
            )
        )
    given = {"role": role, "folder_id": folder_id, "email": email}
    changes = {column: value for column, value in given.items() if value is not None}
    user_id = connection.scalar(select(User.id).where(User.name == name))
    if user_id is None:
        values = {"name": name, "role": "viewer", "created_at": now} | changes
        result = connection.execute(insert(User).values(**values))
        user_id = int(result.inserted_primary_key[0])  # type: ignore[index]
    else:
        which = update(User).where(User.id == user_id)
        connection.execute(which.values(**changes, disabled_at=None))
        links = (UserToken.user_id == user_id, UserToken.kind == "invitation")
        connection.execute(delete(UserToken).where(*links))
    token = make_token(connection, user_id, "invitation", now, INVITATION_FOR)
    return token, account_from(connection.execute(select(*ACCOUNT).where(User.id == user_id)).one())


def invited(connection: Connection, token: str, now: datetime) -> Account | None:
    """Return whose link a token belongs to; `None` if it is unknown, used or over."""
    return _holder(connection, token, "invitation", now)


def set_password(
    connection: Connection, token: str, password_hash: str, now: datetime
) -> Account | None:
    """Use up a link: set the password of its account, and end all its logins and links.

    Of two who use it at the same moment only one gets the account; the other gets `None`, as for a
    link that is unknown, used or over.
    """
    account = invited(connection, token, now)
    if account is None:
        return None
    used = delete(UserToken).where(UserToken.token_sha256 == key_digest(token))
    if connection.execute(used).rowcount != 1:
        return None
    _replace_password(connection, account.id, password_hash)
    return replace(account, has_password=True)


def change_password(connection: Connection, user_id: int, password_hash: str, keep: str) -> None:
    """Set another password, and end all logins and links of the account but one login.

    Args:
        connection: In a transaction.
        user_id: Whose.
        password_hash: Of the new password.
        keep: Token of the login that stays.
    """
    _replace_password(
        connection, user_id, password_hash, UserToken.token_sha256 != key_digest(keep)
    )


def find_login(connection: Connection, name: str) -> tuple[Account, str] | None:
    """Return an account that can log in by password, and its password's hash."""
    query = select(*ACCOUNT, User.password_hash).where(
        User.name == name, User.disabled_at.is_(None), User.password_hash.is_not(None)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (account_from(row), row.password_hash)


def begin_login(
    connection: Connection, account: Account, now: datetime, *, address: str = "", agent: str = ""
) -> str:
    """Return the token of a new login; logins that are over are deleted.

    Args:
        connection: In a transaction.
        account: Whose login it is.
        now: Aware.
        address: Network address from which it comes, for the list of logins.
        agent: The browser, as it names itself.
    """
    over = or_(UserToken.expires_at < now, UserToken.last_seen_at < now - IDLE_FOR)
    connection.execute(delete(UserToken).where(over))
    where = {"address": address[:100], "agent": agent[:300]}
    return make_token(connection, account.id, "login", now, LOGIN_FOR, **where)


def begin_second_factor(connection: Connection, account: Account, now: datetime) -> str:
    """Return a token for a login whose password was right and whose code is still missing."""
    return make_token(connection, account.id, "second_factor", now, SECOND_FACTOR_FOR)


def awaiting_second_factor(connection: Connection, token: str, now: datetime) -> Account | None:
    """Return whose password was right a moment ago; `None` if the token is unknown or over."""
    return _holder(connection, token, "second_factor", now)


def end_login(connection: Connection, token: str) -> None:
    """End a login; harmless when repeated."""
    connection.execute(delete(UserToken).where(UserToken.token_sha256 == key_digest(token)))


def account_of(connection: Connection, token: str, now: datetime) -> tuple[Account, bool] | None:
    """Return who logged in with a token, and whether `note_seen` is due; `None` if it is over."""
    query = (
        select(*ACCOUNT, UserToken.last_seen_at)
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
    return account_from(row), row.last_seen_at < now - SEEN_EVERY


def note_seen(connection: Connection, token: str, now: datetime) -> None:
    """Keep a login from ending as idle."""
    which = UserToken.token_sha256 == key_digest(token)
    connection.execute(update(UserToken).where(which).values(last_seen_at=now))


def members(connection: Connection, user_id: int | None = None) -> list[Member]:
    """Return all accounts by name, also disabled ones; or one of them."""
    seen = (
        select(func.max(UserToken.last_seen_at))
        .where(UserToken.user_id == User.id, UserToken.kind == "login")
        .scalar_subquery()
    )
    query = (
        select(
            *ACCOUNT,
            User.created_at,
            User.disabled_at,
            User.email,
            User.subject,
            Folder.name.label("folder"),
            seen.label("seen"),
        )
        .outerjoin(Folder, Folder.id == User.folder_id)
        .order_by(User.name)
    )
    if user_id is not None:
        query = query.where(User.id == user_id)
    return [
        Member(
            account_from(row),
            row.created_at,
            row.disabled_at,
            row.seen,
            row.email,
            row.folder or "",
            row.subject is not None,
        )
        for row in connection.execute(query)
    ]


def change_account(
    connection: Connection, user_id: int, *, role: str, folder_id: int | None, email: str
) -> None:
    """Give an account another role, folder or address; it counts from its next request on.

    Raises:
        AccountError: The role is unknown, an agency has no folder, or no administrator would be
            left.
    """
    if role not in ROLES:
        raise AccountError(lazy("Choose a role."))
    if role == "agency" and folder_id is None:
        raise AccountError(lazy("Choose the folder that the agency is limited to."))
    if role != "admin":
        _keep_an_administrator(connection, user_id)
    values = {"role": role, "folder_id": folder_id if role == "agency" else None, "email": email}
    connection.execute(update(User).where(User.id == user_id).values(**values))


def change_details(connection: Connection, user_id: int, *, email: str, language: str) -> None:
    """Store what people set for themselves."""
    values = {"email": email, "language": language}
    connection.execute(update(User).where(User.id == user_id).values(**values))


def disable(connection: Connection, name: str, now: datetime) -> Account:
    """End an account, its logins, links and keys; a new invitation makes only itself work again.

    Raises:
        AccountError: There is no such account, it is disabled, or it is the last administrator.
    """
    query = select(User.id, User.role).where(User.name == name, User.disabled_at.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccountError(lazy("There is no account %(name)s in use.", name=repr(name)))
    _keep_an_administrator(connection, row.id)
    changes = {"disabled_at": now, "password_hash": None}
    connection.execute(update(User).where(User.id == row.id).values(**changes))
    connection.execute(delete(UserToken).where(UserToken.user_id == row.id))
    keys = update(ApiKey).where(ApiKey.user_id == row.id, ApiKey.revoked_at.is_(None))
    connection.execute(keys.values(revoked_at=now))
    return Account(row.id, name, row.role)


def make_token(
    connection: Connection,
    user_id: int,
    kind: str,
    now: datetime,
    lasts: timedelta,
    *,
    token: str = "",
    **where: str,
) -> str:
    """Store the digest of a token, by default of a new one; return the token."""
    token = token or secrets.token_urlsafe(32)
    connection.execute(
        insert(UserToken).values(
            user_id=user_id,
            kind=kind,
            token_sha256=key_digest(token),
            created_at=now,
            expires_at=now + lasts,
            last_seen_at=now if kind == "login" else None,
            **where,
        )
    )
    return token


ACCOUNT = (
    User.id,
    User.name,
    User.role,
    User.folder_id,
    User.language,
    User.password_hash.is_not(None).label("has_password"),
    User.totp_secret.is_not(None).label("has_second_factor"),
)
"""Columns of an account, for `account_from`."""


def account_from(row: Any) -> Account:
    """Return the account in a row with the columns `ACCOUNT`."""
    flags = bool(row.has_password), bool(row.has_second_factor)
    return Account(row.id, row.name, row.role, row.folder_id, row.language, *flags)


def _holder(connection: Connection, token: str, kind: str, now: datetime) -> Account | None:
    query = (
        select(*ACCOUNT)
        .join(UserToken, UserToken.user_id == User.id)
        .where(
            UserToken.token_sha256 == key_digest(token),
            UserToken.kind == kind,
            UserToken.expires_at > now,
            User.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else account_from(row)


def _replace_password(
    connection: Connection, user_id: int, password_hash: str, *tokens: Any
) -> None:
    # Codes of recovery belong to the second factor, which stays.
    which = (UserToken.user_id == user_id, UserToken.kind != "recovery", *tokens)
    connection.execute(delete(UserToken).where(*which))
    values = {"password_hash": password_hash}
    connection.execute(update(User).where(User.id == user_id).values(**values))


def _keep_an_administrator(connection: Connection, user_id: int) -> None:
    """Refuse to go on if this account is the only administrator."""
    in_use = (User.role == "admin", User.disabled_at.is_(None))
    # Two who take each other's rights at the same moment wait for one another here.
    query = select(User.id, User.name).where(*in_use).order_by(User.id).with_for_update()
    found = {row.id: row.name for row in connection.execute(query)}
    if set(found) == {user_id}:
        raise AccountError(
            lazy("%(name)s is the only administrator: make another one first.", name=found[user_id])
        )


def choose_language(connection: Connection, account: Account, language: str) -> None:
    """Store the language of the pages for an account."""
    connection.execute(update(User).where(User.id == account.id).values(language=language))

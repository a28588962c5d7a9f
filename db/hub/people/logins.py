"""The open logins of a hub: who is logged in where, and how to end a login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from db.hub.digests import key_digest
from db.hub.people.accounts import IDLE_FOR
from db.hub.tables.people import User, UserToken

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who is logged in with a browser.

    Attributes:
        id: Its row.
        user_id: Whose it is.
        name: Of the account.
        created_at: When it began; aware.
        last_seen_at: Latest request, to five minutes.
        address: Network address from which it began; may be unknown, and then empty.
        agent: The browser, as it named itself.
        is_this: Whether it is the login of the person who asks.
    """

    id: int
    user_id: int
    name: str
    created_at: datetime
    last_seen_at: datetime
    address: str
    agent: str
    is_this: bool = False


def open_logins(
    connection: Connection, now: datetime, *, user_id: int | None = None, this: str = ""
) -> list[Login]:
    """Return the logins that work now, the latest seen first.

    Args:
        connection: To the hub's database.
        now: Aware.
        user_id: Only those of this account.
        this: Token of the login of the person who asks.
    """
    query = (
        select(UserToken, User.name)
        .join(User, User.id == UserToken.user_id)
        .where(
            UserToken.kind == "login",
            UserToken.expires_at > now,
            UserToken.last_seen_at > now - IDLE_FOR,
            User.disabled_at.is_(None),
        )
        .order_by(UserToken.last_seen_at.desc(), UserToken.id.desc())
    )
    if user_id is not None:
        query = query.where(UserToken.user_id == user_id)
    digest = key_digest(this)
    return [
        Login(
            row.id,
            row.user_id,
            row.name,
            row.created_at,
            row.last_seen_at,
            row.address,
            row.agent,
            row.token_sha256 == digest,
        )
        for row in connection.execute(query.with_only_columns(*UserToken.__table__.c, User.name))
    ]


def end_logins(
    connection: Connection, user_id: int, *, login_id: int | None = None, keep: str = ""
) -> int:
    """End the logins of an account, or one of them; return how many.

    Args:
        connection: In a transaction.
        user_id: Whose.
        login_id: Only this one.
        keep: Token of a login that stays.
    """
    which = [UserToken.kind == "login", UserToken.user_id == user_id]
    if login_id is not None:
        which.append(UserToken.id == login_id)
    which.append(UserToken.token_sha256 != key_digest(keep))
    return connection.execute(delete(UserToken).where(*which)).rowcount

"""Keys for programs, which act in the name of an account."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update

from db.hub.digests import key_digest
from db.hub.people.accounts import ACCOUNT, Account, account_from
from db.hub.tables.people import ApiKey, User

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

PREFIX = "adm_"
"""Programs that look for leaked keys know ours by it."""

USED_EVERY = timedelta(minutes=5)
"""How exactly `last_used_at` is kept, so that not every call writes."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as a list shows it; the key itself is not stored.

    Attributes:
        id: Its row.
        user_id: Whose rights it has.
        name: What it is for.
        scopes: What it may be used for, of `monitor.web.request.rights.SCOPES`.
        created_at: Aware, as the other times.
        expires_at: `None`: it does not expire.
        revoked_at: `None` while it has not been revoked.
        last_used_at: To five minutes.
    """

    id: int
    user_id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def works(self, now: datetime) -> bool:
        """Whether it opens anything, if its owner may."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def make_key(
    connection: Connection,
    user_id: int,
    name: str,
    now: datetime,
    *,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> str:
    """Make a key, and return it; only its digest is stored."""
    key = PREFIX + secrets.token_urlsafe(32)
    values = {"user_id": user_id, "name": name, "scopes": list(scopes), "created_at": now}
    row = insert(ApiKey).values(**values, key_sha256=key_digest(key), expires_at=expires_at)
    connection.execute(row)
    return key


def keys_of(connection: Connection, user_id: int) -> list[KnownKey]:
    """Return the keys of an account, the latest first."""
    query = select(*ApiKey.__table__.c).where(ApiKey.user_id == user_id).order_by(ApiKey.id.desc())
    return [_known(row) for row in connection.execute(query)]


def revoke_key(connection: Connection, user_id: int, key_id: int, now: datetime) -> KnownKey | None:
    """Make a key of an account void; return it, or `None` if there is no such one in use."""
    which = (ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    row = connection.execute(select(*ApiKey.__table__.c).where(*which)).one_or_none()
    if row is None:
        return None
    connection.execute(update(ApiKey).where(ApiKey.id == key_id).values(revoked_at=now))
    return _known(row)


def owner_of(connection: Connection, key: str, now: datetime) -> tuple[Account, KnownKey] | None:
    """Return whose rights a key has; `None` if it is unknown, over, or its owner is disabled."""
    key_columns = [column.label(f"key_{column.name}") for column in ApiKey.__table__.c]
    query = (
        select(*ACCOUNT, *key_columns)
        .join(ApiKey, ApiKey.user_id == User.id)
        .where(
            ApiKey.key_sha256 == key_digest(key),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            User.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (account_from(row), _known(row, "key_"))


def note_used(connection: Connection, key: KnownKey, now: datetime) -> None:
    """Store when a key was last used."""
    connection.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))


def _known(row: object, prefix: str = "") -> KnownKey:
    names = ("id", "user_id", "name", "scopes", "created_at", "expires_at", "revoked_at")
    values = {name: getattr(row, prefix + name) for name in (*names, "last_used_at")}
    return KnownKey(**values | {"scopes": tuple(values["scopes"])})

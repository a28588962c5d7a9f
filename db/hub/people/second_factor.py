"""Second factors of accounts: the secret of the codes, and codes for when the phone is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, update

from db.hub.digests import key_digest
from db.hub.people.accounts import make_token
from db.hub.tables.people import User, UserToken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

FOREVER = timedelta(days=36_500)


def totp_secret(connection: Connection, user_id: int) -> str | None:
    """Return the secret of an account's codes; `None` without a second factor."""
    return connection.scalar(select(User.totp_secret).where(User.id == user_id))


def set_second_factor(
    connection: Connection,
    user_id: int,
    secret: str,
    step: int,
    now: datetime,
    *,
    recovery_codes: Sequence[str],
) -> None:
    """Ask for codes of a secret from now on.

    Args:
        connection: In a transaction.
        user_id: Whose.
        secret: As the phone has it.
        step: That of the code which confirmed it; it works no more.
        now: Aware.
        recovery_codes: Each replaces one code, once; earlier ones end.
    """
    values = {"totp_secret": secret, "totp_step": step}
    connection.execute(update(User).where(User.id == user_id).values(**values))
    replace_recovery_codes(connection, user_id, recovery_codes, now)


def replace_recovery_codes(
    connection: Connection, user_id: int, codes: Sequence[str], now: datetime
) -> None:
    """Store the digests of new codes of recovery; earlier ones end."""
    connection.execute(delete(UserToken).where(*_recovery(user_id)))
    for code in codes:
        make_token(connection, user_id, "recovery", now, FOREVER, token=code)


def remove_second_factor(connection: Connection, user_id: int) -> bool:
    """Ask for no code any more; return whether one was asked for."""
    connection.execute(delete(UserToken).where(*_recovery(user_id)))
    which = (User.id == user_id, User.totp_secret.is_not(None))
    values = {"totp_secret": None, "totp_step": None}
    return connection.execute(update(User).where(*which).values(**values)).rowcount == 1


def use_step(connection: Connection, user_id: int, step: int) -> bool:
    """Use up the code of a step; return whether it works: no code of it or a later one was used."""
    unused = or_(User.totp_step.is_(None), User.totp_step < step)
    which = (User.id == user_id, unused)
    return connection.execute(update(User).where(*which).values(totp_step=step)).rowcount == 1


def use_recovery_code(connection: Connection, user_id: int, code: str) -> bool:
    """Use up a code of recovery; return whether there was such a one."""
    which = (*_recovery(user_id), UserToken.token_sha256 == key_digest(code))
    return connection.execute(delete(UserToken).where(*which)).rowcount == 1


def recovery_codes_left(connection: Connection, user_id: int) -> int:
    """Return how many codes of recovery have not been used."""
    query = select(func.count()).select_from(UserToken).where(*_recovery(user_id))
    return connection.scalar(query) or 0


def _recovery(user_id: int) -> tuple[Any, ...]:
    return UserToken.user_id == user_id, UserToken.kind == "recovery"

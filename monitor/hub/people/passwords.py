"""Passwords of accounts, stored as argon2id hashes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from monitor.errors import MonitorError
from monitor.languages import lazy

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 12
MAX_LENGTH = 1024


class PasswordError(MonitorError):
    """A password is too short or too long."""


def hash_password(password: str) -> str:
    """Return the hash to store for a new password.

    Raises:
        PasswordError: It is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordError(
            lazy(
                "The password has %(password)s characters: expected %(min_length)s to "
                "%(max_length)s. Four or five unrelated words make a good one.",
                password=len(password),
                min_length=MIN_LENGTH,
                max_length=MAX_LENGTH,
            )
        )
    return hasher().hash(password.encode("utf-8", "surrogatepass"))


def is_right(password: str, password_hash: str | None) -> bool:
    """Whether a password matches a hash; checking against `None`, no account, takes as long."""
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415 (slow to import)

    given = password[: MAX_LENGTH + 1].encode("utf-8", "surrogatepass")
    try:
        return hasher().verify(password_hash or _of_nobody(), given) and password_hash is not None
    except (Argon2Error, InvalidHashError):
        return False


@cache
def hasher() -> PasswordHasher:
    """Return what hashes passwords, with the cost that argon2-cffi recommends."""
    from argon2 import PasswordHasher  # noqa: PLC0415 (slow to import)

    return PasswordHasher()


@cache
def _of_nobody() -> str:
    return hasher().hash("nobody")

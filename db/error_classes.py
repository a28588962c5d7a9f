"""Error classification: a failing environment, a damaged file, or a bug of the program."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

BUSY_WORDS = ("locked", "busy")
"""Words for a held lock in SQLite's messages, which are always English."""

WORLD_WORDS = (*BUSY_WORDS, "full", "disk I/O", "readonly", "unable to open", "locking protocol")

DAMAGE_WORDS = ("malformed", "not a database")

_REFUSED_FOR_NOW = frozenset({"25006", "25P02", "25P03", "25P04", "55P03"})
"""SQLSTATEs: read-only (a stand-by takes over), transaction aborted or timed out, locked."""


def says(text: str, *words: str) -> bool:
    """Whether a message contains any of these words."""
    return any(word in text for word in words)


def is_environment(error: BaseException) -> bool:
    """Whether the environment failed (lock held, disk full, server away): a retry may help."""
    if not isinstance(error, exc.DBAPIError):
        # A server that hangs: the pool found no connection in time.
        return isinstance(error, exc.TimeoutError)
    if isinstance(error.orig, sqlite3.Error):
        return isinstance(error, exc.OperationalError) and says(str(error.orig), *WORLD_WORDS)
    return (
        isinstance(error, exc.OperationalError)
        or error.connection_invalidated
        or getattr(error.orig, "sqlstate", None) in _REFUSED_FOR_NOW
    )


def is_conflict(error: BaseException) -> bool:
    """Whether a server ended a transaction because of another one, so that it works if repeated."""
    # A deadlock, or a change that cannot be put in order.
    return getattr(getattr(error, "orig", None), "sqlstate", None) in {"40P01", "40001"}


def is_damage(error: BaseException) -> bool:
    """Whether SQLite reports a damaged file."""
    orig = error.orig if isinstance(error, exc.DBAPIError) else error
    return isinstance(orig, sqlite3.DatabaseError) and says(str(orig), *DAMAGE_WORDS)


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds the lock of an SQLite file."""
    orig = error.orig if isinstance(error, exc.DBAPIError) else error
    return isinstance(orig, sqlite3.Error) and says(str(orig), *BUSY_WORDS)


def describe(error: BaseException) -> str:
    """Return the message of the driver, or of Python, on one line."""
    if isinstance(error, exc.DBAPIError | sqlite3.Error):
        return " ".join(str(getattr(error, "orig", error)).split())
    return f"{type(error).__name__}: {' '.join(str(error).split())}"

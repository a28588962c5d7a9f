"""Locks of sessions that are being written; a lock ends with its process, however that ends.

In a file: the writer of session 7 of `kiosk.db` holds a `flock` on `kiosk.db-session-7.lock`. The
kernel drops it when the process dies, also by SIGKILL. A child made by a plain fork inherits it.

On PostgreSQL: an advisory lock on a separate connection, which the server drops with the
connection. `renew` takes it again; a session that was closed in between goes on
(`db.write.store.reopen_session`). Other servers have no such lock.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import exc, text

from db.engine import sqlite_path
from db.errors import DatabaseWriteError
from db.server import SESSION_LOCKS
from detector.texts import lazy

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine


def lock_file(path: Path, flags: int, mode: int = 0o644) -> int | None:
    """Open a file and lock it; return its descriptor, or `None` if a live process holds the lock.

    Raises:
        OSError: It cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def supported(engine: Engine) -> bool:
    """Return whether the sessions of this database can be locked."""
    return sqlite_path(engine) is not None or engine.dialect.name == "postgresql"


def acquire(engine: Engine, session_id: int) -> SessionLock | None:
    """Lock a session; return `None` if a live process, this one included, holds the lock.

    Raises:
        DatabaseWriteError: The lock file cannot be created.
        sqlalchemy.exc.DBAPIError: The server cannot be reached.
    """
    database = sqlite_path(engine)
    if database is None:
        lock = ServerLock(engine, session_id)
        return lock if lock.renew() else None
    path = database.with_name(f"{database.name}-session-{session_id}.lock")
    try:
        descriptor = lock_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise DatabaseWriteError(
            lazy(
                "The lock file %(path)s cannot be made (%(why)s); check the folder of "
                "the database.",
                path=path,
                why=error.strerror,
            )
        ) from error
    return None if descriptor is None else FileLock(path, descriptor)


class FileLock:
    """The lock of a session whose database is a file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def renew(self) -> bool:
        """Return whether it is still held."""
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        # Removed while still locked: the next one to open the name creates a new file. On a disk
        # that has become read-only the file stays, unlocked.
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(descriptor)


class ServerLock:
    """An advisory lock of PostgreSQL; `renew` takes it."""

    def __init__(self, engine: Engine, session_id: int) -> None:
        self._engine = engine
        self._session_id = session_id
        self._connection: Connection | None = None

    def renew(self) -> bool:
        """Take the lock on a new connection if there is none, or it is lost."""
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except exc.DBAPIError:
                self.release()
            else:
                return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        query = text("SELECT pg_try_advisory_lock(:kind, :session_id)")
        try:
            if connection.scalar(query, {"kind": SESSION_LOCKS, "session_id": self._session_id}):
                self._connection = connection
                return True
        except BaseException:
            _end(connection)
            raise
        connection.close()
        return False

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _end(connection)


SessionLock: TypeAlias = FileLock | ServerLock


def _end(connection: Connection) -> None:
    """End a connection rather than return it to the pool: its lock ends with it."""
    connection.invalidate()
    connection.close()

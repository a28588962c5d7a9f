"""Who is still writing a session: a lock that ends with the process, however it ends.

In a file: the writer of session 7 of `kiosk.db` holds a `flock` on the file
`kiosk.db-session-7.lock`. The kernel drops the lock when the process dies, also by SIGKILL, so that
nobody has to guess from process numbers, which are used again, or from heartbeats, which make two
equal replays differ. A process that inherits open files by a plain fork keeps the lock for as long
as it lives; programs started with exec do not.

On PostgreSQL: an advisory lock, on a connection of its own. The server drops it with the
connection, so it has to be taken again when the connection is lost (`renew`); a session that
somebody closed in between goes on, see `session_store.reopen_session`. Other servers have no such
lock.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import exc, text

from db.engine import sqlite_path
from db.errors import DatabaseWriteError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

_LOCK_CLASS = 0x61646D
"""First half of the keys of our advisory locks; the second is the session's id."""


class SessionLock(Protocol):
    """A lock that is held; made by `acquire`."""

    def renew(self) -> bool:
        """Make sure that it is still held; False when another process has it."""

    def release(self) -> None:
        """Give the session free; a second call does nothing."""


def supported(engine: Engine) -> bool:
    """Whether the sessions of this database can be locked."""
    return sqlite_path(engine) is not None or engine.dialect.name == "postgresql"


def acquire(engine: Engine, session_id: int) -> SessionLock | None:
    """Lock a session; `None` when a live process (this one included) holds it already.

    Raises:
        DatabaseWriteError: The lock file cannot be made.
        sqlalchemy.exc.DBAPIError: The server cannot be reached.
    """
    path = sqlite_path(engine)
    if path is not None:
        return FileLock.acquire(path, session_id)
    if engine.dialect.name == "postgresql":
        return ServerLock.acquire(engine, session_id)
    raise DatabaseWriteError(
        f"Invalid lock: expected SQLite or PostgreSQL, received {engine.dialect.name}."
    )


class FileLock:
    """A lock beside a database in a file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, database: Path, session_id: int) -> FileLock | None:
        """See `acquire`."""
        path = database.with_name(f"{database.name}-session-{session_id}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DatabaseWriteError(
                f"The lock file {path} cannot be made ({error.strerror}); check the folder of the database."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def renew(self) -> bool:
        """Nothing to do: the kernel keeps it."""
        return self._descriptor is not None

    def release(self) -> None:
        """Give the session free and remove the file; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            # Removed while still locked: whoever opens the name afterwards makes a file of its own.
            self._path.unlink(missing_ok=True)
        except OSError:
            # On a disk that has become read-only the file stays, which matters to nobody: it is not
            # locked.
            pass
        finally:
            os.close(descriptor)


class ServerLock:
    """An advisory lock of PostgreSQL."""

    def __init__(self, engine: Engine, session_id: int, connection: Connection) -> None:
        self._engine = engine
        self._session_id = session_id
        self._connection: Connection | None = connection

    @classmethod
    def acquire(cls, engine: Engine, session_id: int) -> ServerLock | None:
        """See `acquire`."""
        connection = _locked(engine, session_id)
        return None if connection is None else cls(engine, session_id, connection)

    def renew(self) -> bool:
        """Ask on its connection, and take the lock again on a new one where that is lost.

        Raises:
            sqlalchemy.exc.DBAPIError: The server cannot be reached.
        """
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except exc.DBAPIError:
                self._drop()
            else:
                return True
        self._connection = _locked(self._engine, self._session_id)
        return self._connection is not None

    def release(self) -> None:
        """Give the session free; a second call does nothing."""
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not given back to the pool: the lock ends with the connection.
            connection.invalidate()
            connection.close()


def _locked(engine: Engine, session_id: int) -> Connection | None:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        query = text("SELECT pg_try_advisory_lock(:lock_class, :session_id)")
        if connection.scalar(query, {"lock_class": _LOCK_CLASS, "session_id": session_id}):
            return connection
    except BaseException:
        connection.invalidate()
        connection.close()
        raise
    connection.close()
    return None

"""Who is still writing a session: a lock that ends with the process, however it ends.

The writer of session 7 of `kiosk.db` holds a `flock` on the file `kiosk.db-session-7.lock`. The kernel drops the lock
when the process dies, also by SIGKILL, so that nobody has to guess from process numbers, which are used again, or from
heartbeats, which make two equal replays differ. A process that inherits open files by a plain fork keeps the lock for
as long as it lives; programs started with exec do not.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from db.engine import sqlite_path
from db.errors import DatabaseWriteError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine


class SessionLock:
    """A lock that is held; made by `acquire`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @staticmethod
    def supported(engine: Engine) -> bool:
        """Whether the sessions of this database can be locked: those on a server cannot be, from here."""
        return sqlite_path(engine) is not None

    @classmethod
    def acquire(cls, engine: Engine, session_id: int) -> SessionLock | None:
        """Lock a session; `None` when a live process (this one included) holds it already.

        Raises:
            DatabaseWriteError: The lock file cannot be made.
        """
        database = sqlite_path(engine)
        if database is None:
            raise DatabaseWriteError("Invalid lock: expected a database in a file, received one on a server.")
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

    def release(self) -> None:
        """Give the session free and remove the file; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        # Removed while still locked: whoever opens the name afterwards makes a file of its own.
        self._path.unlink(missing_ok=True)
        os.close(descriptor)

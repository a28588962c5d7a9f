"""Crash recovery: quarantine a damaged database, resume outboxes, close interrupted sessions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exc

from db.engine import make_engine, make_ready, sqlite_path, writing
from db.error_classes import describe, is_damage
from db.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseOpenError,
    DatabaseUnavailableError,
    DatabaseWriteError,
)
from db.upkeep.quarantine import quarantine
from db.write import lock as session_lock
from db.write.delivery import Delivery
from db.write.outbox import Outbox, OutboxPlace
from db.write.store import find_session, interrupt_session, open_sessions
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy.engine import Engine

logger = logging.getLogger(__name__)

OPEN_PATIENCE_S = 2.0
"""How long opening waits for a locked database if records can wait on disk: the show does not."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A database to record into, and where records wait while it cannot be written.

    Attributes:
        engine: The caller disposes of it.
        recovery: What is left to do before the first write, if the database could not be used.
        quarantined: The new name of a damaged file that was replaced, if there was one.
    """

    engine: Engine
    place: OutboxPlace | None
    recovery: Recovery | None = None
    quarantined: Path | None = None


def open_to_record(url: str, folder: Path | None = None, *, spool: bool = True) -> Opened:
    """Open a database to record into, and recover from what earlier sessions left.

    A damaged file is quarantined and replaced. A database that cannot be used now is opened later.

    Args:
        url: See `db.engine.open_database`.
        folder: Where records wait while the database cannot be written; default: beside it.
        spool: Whether they may wait on disk; otherwise a database that cannot be used now is an
            error.

    Raises:
        DatabaseOpenError, SchemaVersionError: It cannot be used later either, see `open_database`.
        DatabaseUnavailableError: It cannot be used now, and records must not wait on disk.
    """
    engine = make_engine(url)
    try:
        place = OutboxPlace.of(engine, folder) if spool else None
        recovery = Recovery(engine, place, None if place is None else OPEN_PATIENCE_S)
        try:
            while not recovery.run_part():
                pass
        except (DatabaseUnavailableError, DatabaseWriteError) as error:
            if place is None:
                raise
            text = "%s The session begins without it; its records wait in %s."
            logger.warning(text, error, place.folder)
            # From now on the writer tries, again and again, with records that wait behind it.
            return Opened(engine, place, Recovery(engine, place, 0.0))
    except BaseException:
        engine.dispose()
        raise
    return Opened(engine, place, None, recovery.quarantined)


class Recovery:
    """Opens a database and finishes what earlier sessions left, a part at a time.

    A long outbox takes minutes, and the caller has new records to write meanwhile.

    Attributes:
        quarantined: The new name of a damaged file that was replaced, if there was one.
    """

    def __init__(self, engine: Engine, place: OutboxPlace | None, patience_s: float | None) -> None:
        self.quarantined: Path | None = None
        self._engine = engine
        self._place = place
        self._patience_s = patience_s
        self._parts: Generator[None, None, None] | None = None

    def run_part(self) -> bool:
        """Do the next part, or all again after an error; return whether all is done.

        Raises:
            DatabaseError: The database cannot be used.
        """
        if self._parts is None:
            self._parts = self._all_parts()
        try:
            next(self._parts)
        except StopIteration:
            return True
        except BaseException:
            self._parts = None
            raise
        return False

    def close(self) -> None:
        """Release what was acquired; a second call does nothing."""
        if self._parts is not None:
            self._parts.close()
            self._parts = None

    def _all_parts(self) -> Generator[None, None, None]:
        try:
            yield from self._recover()
        except DatabaseDamagedError:
            path = sqlite_path(self._engine)
            if path is None:
                raise
            self._engine.dispose()
            try:
                self.quarantined = quarantine(path)
            except OSError as error:
                raise DatabaseUnavailableError(
                    lazy(
                        "The damaged database %(path)s cannot be set aside (%(why)s); rename it, "
                        "or choose another path.",
                        path=path,
                        why=error.strerror,
                    )
                ) from error
            yield from self._recover()

    def _recover(self) -> Generator[None, None, None]:
        engine = self._engine
        try:
            make_ready(engine, patience_s=self._patience_s)
            if self._place is not None:
                for _ in _resuming_all(engine, self._place):
                    yield
            close_interrupted_sessions(engine)
        except DatabaseOpenError:
            raise
        except (DatabaseError, exc.DBAPIError) as error:
            # Damage that opening did not find, but reading on did.
            if is_damage(error) or is_damage(error.__cause__ or error):
                raise DatabaseDamagedError(str(error)) from error
            if isinstance(error, DatabaseError):
                raise
            raise DatabaseWriteError(
                lazy(
                    "The database %(database)s cannot be used (%(error)s).",
                    database=engine.url.database,
                    error=describe(error),
                )
            ) from error


def resume_outboxes(engine: Engine, place: OutboxPlace) -> list[int]:
    """Write the records that dead programs have left on disk, and end their sessions.

    Returns:
        Ids of these sessions.

    Raises:
        DatabaseWriteError: The database cannot be written; the rest stays where it is.
    """
    return [session_id for session_id in _resuming_all(engine, place) if session_id is not None]


def _resuming_all(engine: Engine, place: OutboxPlace) -> Generator[int | None, None, None]:
    """Yield a session's id after its last part, `None` after each part before."""
    for path in place.found():
        try:
            outbox = Outbox.resume(path)
        except (OSError, ValueError) as error:
            text = "The spool %s cannot be read (%s) and stays where it is."
            logger.warning(text, path, error)
            continue
        if outbox is None:
            continue
        if outbox.session is None:
            outbox.close(remove=True)
            continue
        yield from _resuming(engine, outbox)


def _resuming(engine: Engine, outbox: Outbox) -> Generator[int | None, None, None]:
    session, ended, waiting = outbox.session, outbox.ended, outbox.waiting
    lock = None
    try:
        with engine.connect() as connection:
            session_id = None if session is None else find_session(connection, session)
        if session_id is not None and session_lock.supported(engine):
            lock = session_lock.acquire(engine, session_id)
            if lock is None:
                logger.warning(
                    "The spool %s stays: session %d is locked by another program, or by one that "
                    "lost its power and that the server still takes for alive; the next start "
                    "tries again.",
                    outbox.path,
                    session_id,
                )
                outbox.close(remove=False)
                return
        delivery = Delivery.resume(engine, outbox, session_id, lock)
    except BaseException:
        outbox.close(remove=False)
        if lock is not None:
            lock.release()
        raise
    while not delivery.end(ended, interrupted=ended is None):
        if delivery.problem is not None:
            delivery.release(remove=False)
            raise delivery.problem
        try:
            yield None
        except GeneratorExit:
            delivery.release(remove=False)
            raise
    text = "%d records of session %d that had waited on disk were taken up."
    logger.warning(text, waiting, delivery.session.session_id)
    yield delivery.session.session_id


def close_interrupted_sessions(engine: Engine) -> list[int]:
    """Close sessions that a killed program left open; call it before the first `SessionWriter`.

    Such a session, with its open plays and gaps, ends at its last known moment (the latest time of
    its plays, readings and gaps) with the reason "interrupted". A session that a live process is
    writing stays open (see `db.write.lock`); without locks all of them do.

    Returns:
        Ids of the sessions that were closed.

    Raises:
        DatabaseWriteError: The database cannot be written.
    """
    if not session_lock.supported(engine):
        return []
    with engine.connect() as connection:
        candidates = open_sessions(connection)
    closed = []
    for session_id in candidates:
        lock = session_lock.acquire(engine, session_id)
        if lock is None:
            continue
        try:
            with writing(engine) as connection:
                if interrupt_session(connection, session_id):
                    closed.append(session_id)
        except exc.DBAPIError as error:
            raise DatabaseWriteError(
                lazy(
                    "The interrupted session %(session)s in the database %(database)s could "
                    "not be closed (%(why)s); check the disk and that no other program holds "
                    "it.",
                    session=session_id,
                    database=engine.url.database,
                    why=describe(error),
                )
            ) from error
        finally:
            lock.release()
    if closed:
        logger.warning(
            "Closed sessions that had been interrupted: %s.", ", ".join(map(str, closed))
        )
    return closed

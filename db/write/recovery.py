"""The start after a bad end: a damaged database, sessions of a killed program, records that still wait on disk."""

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
from db.upkeep.quarantine import set_aside
from db.write import lock as session_lock
from db.write.sink import SessionSink
from db.write.spool import Spool, SpoolPlace
from db.write.store import find_session, interrupt_session, open_sessions

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy.engine import Engine

logger = logging.getLogger(__name__)


OPEN_PATIENCE_S = 2.0
"""How long opening waits for a locked database where records can wait on disk: the show does not wait."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A database to record into.

    Attributes:
        engine: The caller disposes of it.
        place: Where records wait while it cannot be written; `None` for nowhere.
        prepare: What is left to do before the first write, because the database could not be used;
            `None` for nothing.
        set_aside: The new name of a damaged file whose place it took; `None` where there was none.
    """

    engine: Engine
    place: SpoolPlace | None
    prepare: Preparation | None = None
    set_aside: Path | None = None


def open_to_record(url: str, spool_folder: Path | None = None, *, spool: bool = True) -> Opened:
    """Open a database to record into, and finish what earlier sessions left: nothing that can be helped stops the show.

    A damaged file is set aside, and a new one takes its place. A database that cannot be used now
    is opened later.

    Args:
        url: See `db.engine.open_database`.
        spool_folder: Where records wait while the database cannot be written; default: beside it.
        spool: Whether they may wait on disk at all; without it a database that cannot be used now
            is an error.

    Raises:
        DatabaseOpenError, SchemaVersionError: It will not do later either, see `open_database`.
        DatabaseUnavailableError: It cannot be used now, and there is no place for a spool.
    """
    engine = make_engine(url)
    try:
        place = SpoolPlace.of(engine, spool_folder) if spool else None
        preparation = Preparation(engine, place, None if place is None else OPEN_PATIENCE_S)
        try:
            while not preparation.go_on():
                pass
        except (DatabaseUnavailableError, DatabaseWriteError) as error:
            if place is None:
                raise
            logger.warning(
                "%s The session begins without it; its records wait in %s.", error, place.folder
            )
            # From now on a writer asks, again and again, with records that wait behind it.
            return Opened(engine, place, Preparation(engine, place, 0.0))
    except BaseException:
        engine.dispose()
        raise
    return Opened(engine, place, None, preparation.set_aside)


class Preparation:
    """What has to be done before a session can be written: open the database, and finish what earlier sessions left.

    It is done a part at a time, because a long spool takes minutes, and the caller has new records
    to look after.

    Args:
        engine: From `make_engine`.
        place: Where earlier sessions may have left spools; `None` for nowhere.
        patience_s: See `make_ready`.

    Attributes:
        set_aside: The new name of the damaged file that was in the database's place; `None` where
            there was none.
    """

    def __init__(self, engine: Engine, place: SpoolPlace | None, patience_s: float | None) -> None:
        self.set_aside: Path | None = None
        self._engine = engine
        self._place = place
        self._patience_s = patience_s
        self._parts: Generator[None, None, None] | None = None

    def go_on(self) -> bool:
        """Do the next part; after an error everything begins anew.

        Returns:
            Whether all is done.

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
        """Let go of what was begun; a second call does nothing."""
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
                self.set_aside = set_aside(path)
            except OSError as error:
                raise DatabaseUnavailableError(
                    f"The damaged database {path} cannot be set aside ({error.strerror}); rename it, or choose another "
                    "path."
                ) from error
            yield from self._recover()

    def _recover(self) -> Generator[None, None, None]:
        engine = self._engine
        try:
            make_ready(engine, patience_s=self._patience_s)
            if self._place is not None:
                for _ in _taking_up_spools(engine, self._place):
                    yield
            close_interrupted_sessions(engine)
        except DatabaseOpenError:
            raise
        except (DatabaseError, exc.DBAPIError) as error:
            # Damage that opening did not find, but whoever read on.
            if is_damage(error) or is_damage(error.__cause__ or error):
                raise DatabaseDamagedError(str(error)) from error
            if isinstance(error, DatabaseError):
                raise
            raise DatabaseWriteError(
                f"The database {engine.url.database} cannot be used ({describe(error)})."
            ) from error


def take_up_spools(engine: Engine, place: SpoolPlace) -> list[int]:
    """Write the records that dead programs have left on disk, and end their sessions.

    Returns:
        Ids of these sessions.

    Raises:
        DatabaseWriteError: The database cannot be written; what is left stays where it is.
    """
    return [session_id for session_id in _taking_up_spools(engine, place) if session_id is not None]


def _taking_up_spools(engine: Engine, place: SpoolPlace) -> Generator[int | None, None, None]:
    """As `take_up_spools`, a part at a time: `None` after each but the last of a session, then its id."""
    for path in place.found():
        try:
            spool = Spool.adopt(path)
        except (OSError, ValueError) as error:
            logger.warning("The spool %s cannot be read (%s); it stays where it is.", path, error)
            continue
        if spool is None:
            continue
        if spool.session is None:
            spool.close(remove=True)
            continue
        yield from _taking_up(engine, spool)


def _taking_up(engine: Engine, spool: Spool) -> Generator[int | None, None, None]:
    """Write a spool, unless a live program has its session."""
    session, ended, waiting = spool.session, spool.ended, spool.waiting
    lock = None
    try:
        with engine.connect() as connection:
            session_id = None if session is None else find_session(connection, session)
        if session_id is not None and session_lock.supported(engine):
            lock = session_lock.acquire(engine, session_id)
            if lock is None:
                logger.warning(
                    "The spool %s stays: session %d is locked by another program, or by one that lost its power and that "
                    "the server still takes for alive; the next start tries again.",
                    spool.path,
                    session_id,
                )
                spool.close(remove=False)
                return
        sink = SessionSink.take_up(engine, spool, session_id, lock)
    except BaseException:
        spool.close(remove=False)
        if lock is not None:
            lock.release()
        raise
    while not sink.end(ended, interrupted=ended is None):
        if sink.problem is not None:
            sink.release(remove=False)
            raise sink.problem
        try:
            yield None
        except GeneratorExit:
            sink.release(remove=False)
            raise
    logger.warning(
        "%d records of session %d that had waited on disk were taken up.", waiting, sink.session_id
    )
    yield sink.session_id


def close_interrupted_sessions(engine: Engine) -> list[int]:
    """Close sessions that a killed program left open; call it before the first `SessionWriter`.

    Such a session ends at its last known moment (the latest time of its plays, readings and gaps)
    with the reason "interrupted", and so do its open plays and gaps. A session that a live process
    is writing is left alone (see `db.write.lock`); where there are no locks all sessions are.

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
                f"The interrupted session {session_id} in the database {engine.url.database} could not be closed "
                f"({describe(error)}); check the disk and that no other program holds it."
            ) from error
        finally:
            lock.release()
    if closed:
        logger.warning(
            "Closed sessions that had been interrupted: %s.", ", ".join(map(str, closed))
        )
    return closed

"""One session in its database: its records are written in their order, each exactly once.

Every transaction stores the number of its last record in the row of the session, and reads that
number first. So a transaction whose answer was lost with the server is not written twice.

A damaged file is quarantined and the session goes on in a new one; likewise if the file was deleted
or replaced, or the row of the session is gone. A gap shows from when on the readings exist.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from db.engine import make_ready, sqlite_path, writing
from db.error_classes import describe, is_busy, is_damage, is_environment
from db.errors import DatabaseDamagedError, DatabaseError, DatabaseWriteError
from db.upkeep.quarantine import identity, quarantine
from db.write import lock as session_lock
from db.write.records import (
    AdRecord,
    ClockSet,
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayStarted,
    ReadingRecord,
    SessionEnded,
)
from db.write.store import (
    SessionStore,
    begin_session,
    claim_session,
    end_session,
    interrupt_session,
    moved,
    note_progress,
    noted_losses,
    reopen_session,
)
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from db.upkeep.quarantine import Identity
    from db.write.lock import SessionLock
    from db.write.outbox import Numbered
    from db.write.record_queue import RecordQueue
    from db.write.records import Record, SessionRecord

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0
"""Repeated trouble of one sort is logged once in this time."""


class SessionGoneError(DatabaseError):
    """The database does not hold the session any more; it is begun again."""


class ThrottledWarnings:
    """Warns at most once a minute about each subject."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def is_due(self, subject: str) -> bool:
        now = time.monotonic()
        due = now - self._last.get(subject, -LOG_INTERVAL_S) >= LOG_INTERVAL_S
        if due:
            self._last[subject] = now
        return due

    def log(self, subject: str, text: str, *values: object) -> None:
        """Log a warning unless the subject had one within the last minute."""
        if self.is_due(subject):
            logger.warning(text, *values)


class DatabaseSession:
    """One session in its database; all calls come from one thread.

    Attributes:
        session_id: Row id; 0 until the session is begun, and a new one after the database was
            replaced.
        committed: Number of the last record in the database.
        known: What a new database needs before the next record.
        mistake: The last error that is a mistake of the program; it has cost records.
        clock_set: Total by which the wall clock was set during the session.
    """

    def __init__(self, engine: Engine, start: SessionRecord, queue: RecordQueue) -> None:
        self.session_id = 0
        self.committed = 0
        self.known = KnownRecords()
        self.mistake: DatabaseWriteError | None = None
        self.clock_set = timedelta(0)
        self.warnings = ThrottledWarnings()
        self._engine = engine
        self._start = start
        self._queue = queue
        self._file = self._identity()
        self._lock: SessionLock | None = None
        self._store = SessionStore(0, start.started_at)
        self._damaged = False

    @property
    def last_moment(self) -> datetime:
        """Latest time that a record in the database named; the start before the first."""
        return self._store.last_moment

    def begin(self) -> None:
        """Make sure that the session is in the database, and the database in its place."""
        if not self.session_id:
            self._file = self._identity()
            self._insert(self.known.records())
        elif self._file != self._identity():
            self._move(
                lazy("its file was deleted or replaced"),
                lazy("what was recorded before went with it"),
            )

    def resume(self, session_id: int, lock: SessionLock | None) -> int:
        """Go on with a session in the database; return how many losses it has noted."""
        self.session_id, self._lock = session_id, lock
        self._store = SessionStore(session_id, self._start.started_at)
        with self._transaction() as (connection, last_record):
            self._store.apply(connection, self.known.records(AdRecord))
            lost = noted_losses(connection, session_id)
        self.committed = last_record
        return lost

    def write(self, part: Sequence[Numbered]) -> None:
        """Write records; a record that makes a transaction fail is found, and costs no other."""
        try:
            rejected = self._commit(part)
        except Exception as error:
            if is_passing(error):
                raise
            if len(part) == 1:
                self.mistake = self.as_problem(error)
                if self.warnings.is_due("mistake"):
                    text = "A record of session %d cannot be written."
                    logger.error(text, self.session_id, exc_info=error)
                self.note_lost(1)
                return
            middle = len(part) // 2
            self.write(part[:middle])
            self.write(part[middle:])
            return
        for sentence in rejected:
            self.warnings.log(
                "rejected",
                "Session %d: a record was left out: %s",
                self.session_id,
                sentence,
            )
        self.note_lost(len(rejected))

    def note_lost(self, count: int) -> None:
        """Count records that will not be stored."""
        if count:
            self._queue.note_lost(count)
            self.warnings.log(
                "lost",
                "Session %d has lost %d records so far.",
                self.session_id,
                self._queue.lost,
            )

    def _commit(self, part: Sequence[Numbered]) -> list[str]:
        """Write records in one transaction; return a sentence on each that was left out."""
        number = part[-1][0]
        with self._transaction() as (connection, last_record):
            fresh = [record for n, record in part if n > last_record]
            if fresh:
                reopen_session(connection, self.session_id)
            # Ads are written again: the store needs the ids of their rows.
            ads = [
                record for n, record in part if n <= last_record and isinstance(record, AdRecord)
            ]
            rejected = self._store.apply(connection, [*ads, *fresh])
            progress = max(number, last_record)
            note_progress(connection, self.session_id, progress, self._queue.lost + len(rejected))
        self.committed = number
        for _, record in part:
            self.known.note(record)
            if isinstance(record, ClockSet):
                self._start = moved(self._start, record.step)
                self.clock_set += record.step
        self._damaged = False
        return rejected

    def end(self, ended: SessionEnded | None, *, interrupted: bool = False) -> None:
        """End the session, its open plays and gaps: as given, or stopped, or interrupted."""
        lost = self._queue.lost
        with self._transaction() as (connection, _):
            if interrupted:
                interrupt_session(connection, self.session_id, lost)
            else:
                how = ended or SessionEnded(self.last_moment, "stopped")
                end_session(connection, self.session_id, how, "stopped", lost)

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._lock is not None:
            self._lock.release()

    def repair(self, error: BaseException) -> bool:
        """Do what can be done about a failure; return whether to try again at once."""
        before, self._damaged = self._damaged, is_damaged(error)
        path = sqlite_path(self._engine)
        if isinstance(error, SessionGoneError):
            self._move(lazy("its row was deleted"), lazy("what was recorded before went with it"))
        elif self._damaged and not before:
            # Perhaps only what a connection has in its memory is damaged.
            self._engine.dispose()
            return True
        elif self._damaged and path is not None and self._file == self._identity():
            self._engine.dispose()
            aside = quarantine(path)
            self._move(
                lazy("the database was damaged"),
                lazy("what was recorded before is in %(file)s", file=aside.name),
            )
            return True
        elif path is not None and not is_busy(error) and "full" not in describe(error):
            # After an I/O error, or when a disk came back, only a new connection surely works.
            self._engine.dispose()
        return False

    def as_problem(self, error: BaseException) -> DatabaseWriteError:
        """Return a failure as a sentence that says what to do."""
        if isinstance(error, DatabaseError):
            problem = DatabaseWriteError(str(error))
        else:
            if not is_passing(error):
                advice = lazy("look for the cause in the log")
            elif sqlite_path(self._engine) is None:
                advice = lazy("check the server and the way to it")
            else:
                advice = lazy("check the disk and that no other program holds it")
            problem = DatabaseWriteError(
                lazy(
                    "Session %(session)s could not be written to the database %(database)s "
                    "(%(why)s); %(advice)s.",
                    session=self.session_id,
                    database=self._engine.url.database,
                    why=describe(error),
                    advice=advice,
                )
            )
        problem.__cause__ = error
        return problem

    def _insert(self, records: Sequence[Record]) -> None:
        """Commit the row of the session with what must be known; it is locked before it is seen."""
        lock = None
        try:
            with writing(self._engine) as connection:
                session_id = begin_session(connection, self._start, self.committed)
                if session_lock.supported(self._engine):
                    lock = session_lock.acquire(self._engine, session_id)
                    if lock is None:
                        raise self._is_locked(session_id)
                store = SessionStore(session_id, max(self._start.started_at, self.last_moment))
                store.apply(connection, records)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        store.on_commit()
        self._lock, self._store, self.session_id = lock, store, session_id

    def _move(self, why: str, where: str) -> None:
        """Go on in another database, or after the row of the session was deleted."""
        self._engine.dispose()
        make_ready(self._engine, patience_s=0.0)
        self.release()
        self._lock = None
        former, start = self.session_id, self._start.started_at
        cause = "database_replaced"
        detail = lazy(
            "The session was begun again in the database, because %(why)s; %(where)s.",
            why=why,
            where=where,
        )
        gap = (GapStarted(start, cause, detail), GapEnded(max(start, self.last_moment), cause))
        self._insert([*gap, *self.known.records()])
        self._file = self._identity()
        logger.warning(
            "Session %d goes on as session %d, because %s; %s.", former, self.session_id, why, where
        )

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Connection, int]]:
        """Open a transaction on the session; yields the number of its last record."""
        if self._lock is not None and not self._lock.renew():
            raise self._is_locked(self.session_id)
        try:
            with writing(self._engine) as connection:
                last_record = claim_session(connection, self.session_id)
                if last_record is None:
                    raise SessionGoneError(
                        lazy(
                            "The database does not hold session %(session)s any more.",
                            session=self.session_id,
                        )
                    )
                yield connection, last_record
        except BaseException:
            self._store.on_rollback()
            raise
        self._store.on_commit()

    def _is_locked(self, session_id: int) -> DatabaseWriteError:
        return DatabaseWriteError(
            lazy(
                "Session %(session)s in the database %(database)s is locked by another "
                "program; look for a second one on this database.",
                session=session_id,
                database=self._engine.url.database,
            )
        )

    def _identity(self) -> Identity | None:
        path = sqlite_path(self._engine)
        return None if path is None else identity(path)


class KnownRecords:
    """What a database needs before the next records: the model, the ads, open plays and gaps."""

    def __init__(self) -> None:
        self._kept: dict[type[Any], dict[Any, Record]] = {
            kind: {} for kind in (ModelRecord, AdRecord, PlayStarted, GapStarted)
        }

    def note(self, record: Record) -> None:
        """Note a record that is in the database."""
        match record:
            case ReadingRecord():
                pass
            case ModelRecord():
                self._kept[ModelRecord][0] = record
            case AdRecord():
                self._kept[AdRecord][record.ad_id] = record
            case PlayStarted():
                self._kept[PlayStarted][record.number] = record
            case PlayEnded():
                self._kept[PlayStarted].pop(record.number, None)
            case GapStarted():
                self._kept[GapStarted].setdefault(record.cause, record)
            case GapEnded():
                self._kept[GapStarted].pop(record.cause, None)
            case ClockSet():
                for kind in (PlayStarted, GapStarted):
                    kept: dict[Any, Any] = self._kept[kind]
                    for key, one in kept.items():
                        kept[key] = replace(one, started_at=one.started_at + record.step)

    def records(self, *kinds: type[Any]) -> list[Record]:
        """Return all of it, or some kinds, in an order in which it can be written."""
        return [record for kind in kinds or self._kept for record in self._kept[kind].values()]


def is_damaged(error: BaseException) -> bool:
    """Return whether a failure means that the file is damaged."""
    return is_damage(error) or isinstance(error, DatabaseDamagedError)


def is_passing(error: BaseException) -> bool:
    """Return whether the world is at fault, not the program; trying again or repairing may help."""
    return is_environment(error) or is_damage(error) or isinstance(error, (DatabaseError, OSError))

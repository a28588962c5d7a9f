"""Where the records of a session go, in their order and each exactly once: into the database, or where they can wait.

While the database can be written, records go straight into it. When it cannot (locked, disk full,
server away), they wait in memory for a moment, then in the spool on disk (`db.write.spool`), and
are written when it can be written again. Every transaction also notes the number of its last record
in the row of the session, and looks there first: a transaction of which nobody knows whether it was
committed, because the server went away with the answer, is not written twice.

When the file is damaged, it is set aside and the session goes on in a new one; likewise when it was
deleted or replaced, or when the row of the session is gone. A gap tells from when on the readings
are there.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from db.engine import make_ready, sqlite_path, writing
from db.error_classes import describe, is_busy, is_damage, is_environment
from db.errors import DatabaseDamagedError, DatabaseError, DatabaseWriteError
from db.upkeep.quarantine import identity, set_aside
from db.write import lock as session_lock
from db.write.records import (
    AdRecord,
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayStarted,
    SessionEnded,
)
from db.write.spool import Spool
from db.write.store import (
    SessionStore,
    begin_session,
    claim_session,
    end_session,
    interrupt_session,
    note_progress,
    noted_losses,
    reopen_session,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from db.upkeep.quarantine import Identity
    from db.write.lock import SessionLock
    from db.write.records import Record, SessionRecord
    from db.write.spool import Numbered, SpoolPlace

logger = logging.getLogger(__name__)

RETRY_FIRST_S = 0.05
RETRY_LONGEST_S = 2.0

SPOOL_AFTER_S = 2.0
"""So long records wait in memory before they go to the spool: a lock is usually gone by then."""

SPOOL_AFTER_RECORDS = 2000
"""So many records wait in memory."""

CHUNK = 5000
"""Records that are written in one transaction."""

SLICE_S = 0.5
"""How long a spool is emptied before new records get their turn."""

LOG_INTERVAL_S = 60.0
"""Repeated trouble of one sort is logged once in this time."""

REPLACED = "database_replaced"
"""Cause of the gap at the beginning of a session that had to be begun again, in a new database."""


class SessionGoneError(DatabaseError):
    """The database does not hold the session any more; it is begun again."""


class Preparation(Protocol):
    """What has to be done before a database can be written that could not be opened yet; see `db.write.recovery`."""

    def go_on(self) -> bool:
        """Do a part of it; whether all is done."""

    def close(self) -> None:
        """Let go of what was begun."""


class SessionSink:
    """Takes the records of one session; all calls come from one thread, attributes may be read from any.

    Args:
        engine: From `db.engine`; stays the caller's.
        session: The start of the session.
        place: Where a spool may be; `None` for nowhere.
        prepare: What to do before anything is written, a part at each attempt, while new records go
            to the spool.

    Attributes:
        session_id: Row id; 0 until the database can be reached, and another one after the database
            was replaced.
        handled: Number of the last record of which, and of all before it, it is decided whether it
            is stored or lost.
        lost: Records that came here and will not be stored.
        lost_before: Records that never came here; whoever lost them counts them.
        problem: What keeps records from being written now; `None` while all is well.
        mistake: The last error that was nobody's fault but the program's; it has cost records.
        retry_at: When to try again, `time.monotonic`.
    """

    def __init__(
        self,
        engine: Engine,
        session: SessionRecord,
        *,
        place: SpoolPlace | None = None,
        prepare: Preparation | None = None,
    ) -> None:
        self.session_id = 0
        self.handled = 0
        self.lost = 0
        self.lost_before = 0
        self.problem: DatabaseWriteError | None = None
        self.mistake: DatabaseWriteError | None = None
        self.retry_at = 0.0
        self._engine = engine
        self._session = session
        self._place = place
        self._prepare = prepare
        self._file = None if prepare else self._identity()
        self._lock: SessionLock | None = None
        self._store = SessionStore(0, session.started_at)
        self._known = _Known()
        self._waiting: deque[Numbered] = deque()
        self._taken = 0
        self._committed = 0
        self._spool: Spool | None = None
        self._adopted = False
        self._trouble_since = 0.0
        self._pause_s = RETRY_FIRST_S
        self._damaged = False
        self._last_logged: dict[str, float] = {}

    @classmethod
    def take_up(
        cls, engine: Engine, spool: Spool, session_id: int | None, lock: SessionLock | None
    ) -> SessionSink:
        """Go on with a spool that a dead program has left.

        Args:
            engine: From `db.engine`.
            spool: From `Spool.adopt`, with a session in it.
            session_id: Of the session; `None` when the database does not know it.
            lock: Of this session.

        Raises:
            sqlalchemy.exc.DBAPIError: The database cannot be used.
        """
        if spool.session is None:
            raise ValueError(
                f"Invalid spool: expected one with a session, received the empty {spool.path}."
            )
        sink = cls(engine, spool.session)
        sink._spool, sink._adopted, sink.lost = spool, True, spool.lost
        for record in spool.known:
            sink._known.note(record)
        if session_id is not None:
            sink._go_on(session_id, lock)
        return sink

    @property
    def begun(self) -> bool:
        """Whether the database holds the session."""
        return self.session_id > 0

    @property
    def waits(self) -> bool:
        """Whether anything is still to be written."""
        return bool(self._waiting) or self._spooled

    @property
    def in_memory(self) -> int:
        """Records that wait in memory."""
        return len(self._waiting)

    @property
    def in_spool(self) -> int:
        """Records that wait on disk."""
        return self._spool.waiting if self._spool is not None and self._spooled else 0

    @property
    def spool_path(self) -> Path | None:
        """Where records wait on disk; `None` where none do."""
        return self._spool.path if self._spool is not None and self._spooled else None

    @property
    def last_moment(self) -> datetime:
        """Latest time that a record in the database named; the start before the first."""
        return self._store.last_moment

    def begin(self, patience_s: float) -> None:
        """Begin the session in the database, and have a spool ready.

        A database that could not be used when it was opened is left to the first attempt, where
        there is a spool.

        Args:
            patience_s: How long to wait for a database that cannot be written.

        Raises:
            DatabaseWriteError: It cannot be begun; where there is a spool it is begun later
                instead.
        """
        self._open_spool()
        if self._prepare is not None and self._spool is not None:
            return
        deadline = time.monotonic() + patience_s
        while True:
            try:
                while not self._prepared():
                    pass
                self._begin()
            except Exception as error:
                self._store.forget()
                passing = _is_passing(error)
                if passing and not isinstance(error, DatabaseError) and time.monotonic() < deadline:
                    time.sleep(RETRY_FIRST_S)
                    continue
                if passing and self._spool is not None:
                    self._note_trouble(error)
                    return
                self.release(remove=True)
                if isinstance(error, DatabaseError) or not passing:
                    raise
                raise DatabaseWriteError(
                    f"A session could not be started in the database {self._engine.url.database} "
                    f"({describe(error)}); check the disk and that no other program holds it."
                ) from error
            return

    def offer(self, records: Sequence[Record]) -> None:
        """Take records over, and write all that waits where that can be done now."""
        self._waiting.extend(enumerate(records, self._taken + 1))
        self._taken += len(records)
        if self._spooled or self._prepare is not None:
            # They are newer than what is there; and on the disk before a slow database takes its
            # time.
            self._to_spool()
        if self.problem is None or time.monotonic() >= self.retry_at:
            self.attempt()
        long_enough = (
            time.monotonic() - self._trouble_since > SPOOL_AFTER_S
            or len(self._waiting) > SPOOL_AFTER_RECORDS
        )
        if self.problem is not None and long_enough:
            self._to_spool()
        self._note_handled()

    def attempt(self) -> bool:
        """Write what waits, for a while.

        Returns:
            Whether nothing waits any more.
        """
        try:
            if not self._prepared():
                return False
            self._begin()
            self._drain()
        except Exception as error:
            self._store.forget()
            if not _is_passing(error):
                raise
            self._note_trouble(error)
            self._repair(error)
            return False
        finally:
            self._note_handled()
        self._note_success()
        return not self.waits

    def end(self, ended: SessionEnded | None, *, interrupted: bool = False) -> bool:
        """Write what waits, for a while, and end the session when nothing waits any more.

        Args:
            ended: How it ended; by default it was stopped at the latest moment that a record named.
            interrupted: It was interrupted at its last known moment instead.

        Returns:
            Whether the session has ended; not while records wait, or the database cannot be
            written.
        """
        if not self.attempt():
            return False
        try:
            with self._claimed() as (connection, _):
                if interrupted:
                    interrupt_session(connection, self.session_id, self._all_lost)
                else:
                    how = ended or SessionEnded(self.last_moment, "stopped")
                    end_session(connection, self.session_id, how, "stopped", self._all_lost)
        except Exception as error:
            if not _is_passing(error):
                raise
            self._note_trouble(error)
            self._repair(error)
            return False
        self.release(remove=True)
        return True

    def keep(self, ended: SessionEnded | None) -> bool:
        """Have on disk what waits, with the end of the session; it is tried on nevertheless.

        Returns:
            Whether the next start could write all of it.
        """
        self._to_spool()
        if self._spool is None or self._waiting:
            return False
        how = ended or SessionEnded(self.last_moment, "stopped")
        try:
            if self._spool.ended != how:
                self._spool.append_end(self._session, self._known.records(), how, self._all_lost)
        except OSError as error:
            self.log(
                "spool", "The spool %s cannot be written (%s).", self._spool.path, error.strerror
            )
            return False
        return True

    def leave(self, ended: SessionEnded | None) -> None:
        """Give up for now: what waits stays in the spool, with the end of the session, for the next start to write."""
        self.keep(ended)
        self.note_lost(len(self._waiting))
        self._waiting.clear()
        self._note_handled()
        self.release(remove=not self._spooled)

    def release(self, *, remove: bool) -> None:
        """Let go of the session, and of its spool; a second call does nothing.

        Args:
            remove: Whether nothing in the spool is needed any more.
        """
        if self._prepare is not None:
            self._prepare.close()
        if self._spool is not None:
            self._spool.close(remove=remove)
        if self._lock is not None:
            self._lock.release()

    def note_lost(self, count: int) -> None:
        """Count records that will not be stored."""
        if count:
            self.lost += count
            self.log(
                "lost", "Session %d has lost %d records so far.", self.session_id, self._all_lost
            )

    def note_failure(self, error: Exception) -> bool:
        """Take notice of what failed for somebody who works on the same database; a damaged one is replaced.

        Returns:
            Whether it is the world's fault, and not the program's.
        """
        if not _is_passing(error):
            return False
        self._repair(error)
        return True

    def log(self, subject: str, text: str, *values: object) -> None:
        """Warn, once a minute about one subject."""
        now = time.monotonic()
        if now - self._last_logged.get(subject, -LOG_INTERVAL_S) >= LOG_INTERVAL_S:
            self._last_logged[subject] = now
            logger.warning(text, *values)

    # --- the session in its database --------------------------------------------------------------

    def _prepared(self) -> bool:
        """Do a part of what comes before the first write; whether nothing of it is left."""
        if self._prepare is not None and self._prepare.go_on():
            self._prepare = None
            self._file = self._identity()
        return self._prepare is None

    def _begin(self) -> None:
        """Have the session in the database, and the database in its place."""
        if not self.begun:
            self._insert(self._known.records())
        elif self._file != self._identity():
            self._begin_again(
                "its file was deleted or replaced", "what was recorded before went with it"
            )

    def _begin_again(self, why: str, where: str) -> None:
        """Go on with the session in another database, or after its row was deleted."""
        self._engine.dispose()
        make_ready(self._engine, patience_s=0.0)
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        former, start = self.session_id, self._session.started_at
        detail = f"The session was begun again in the database, because {why}; {where}."
        gap = (
            GapStarted(start, REPLACED, detail),
            GapEnded(max(start, self.last_moment), REPLACED),
        )
        self._insert([*gap, *self._known.records()])
        self._file = self._identity()
        logger.warning(
            "Session %d goes on as session %d, because %s; %s.", former, self.session_id, why, where
        )

    def _insert(self, records: Sequence[Record]) -> None:
        """Commit the row of the session and what else has to be known; it is locked before anybody else can see it."""
        lock = None
        try:
            with writing(self._engine) as connection:
                session_id = begin_session(connection, self._session, self._committed)
                if session_lock.supported(self._engine):
                    lock = session_lock.acquire(self._engine, session_id)
                    if lock is None:
                        raise DatabaseWriteError(
                            f"Session {session_id} in the database {self._engine.url.database} is being written by "
                            "another process although it has just been made; look for a second program on this database."
                        )
                store = SessionStore(session_id, max(self._session.started_at, self.last_moment))
                store.apply(connection, records)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        store.settle()
        self._lock, self._store, self.session_id = lock, store, session_id

    def _go_on(self, session_id: int, lock: SessionLock | None) -> None:
        """Go on with a session that the database knows."""
        self.session_id, self._lock = session_id, lock
        self._store = SessionStore(session_id, self._session.started_at)
        with self._claimed() as (connection, last_record):
            ads = [record for record in self._known.records() if isinstance(record, AdRecord)]
            self._store.apply(connection, ads)
            # Two counts of the same losses: whichever was kept later is the larger.
            self.lost = max(self.lost, noted_losses(connection, session_id))
        self._store.settle()
        self._committed = self._taken = self.handled = last_record

    @contextmanager
    def _claimed(self) -> Iterator[tuple[Connection, int]]:
        """A transaction on the session, with the number of the last record that the database holds.

        Raises:
            SessionGoneError: It does not hold the session.
        """
        if self._lock is not None and not self._lock.renew():
            raise DatabaseWriteError(
                f"Session {self.session_id} in the database {self._engine.url.database} is locked by another program; "
                "look for a second one on this database."
            )
        with writing(self._engine) as connection:
            last_record = claim_session(connection, self.session_id)
            if last_record is None:
                raise SessionGoneError(
                    f"The database does not hold session {self.session_id} any more."
                )
            yield connection, last_record

    def _repair(self, error: Exception) -> None:
        """Do what can be done about a failure, before the next attempt."""
        damaged, self._damaged = (
            self._damaged,
            is_damage(error) or isinstance(error, DatabaseDamagedError),
        )
        path = sqlite_path(self._engine)
        try:
            if isinstance(error, SessionGoneError):
                self._begin_again("its row was deleted", "what was recorded before went with it")
            elif self._damaged and not damaged:
                # Perhaps only what a connection has in its memory is damaged.
                self._engine.dispose()
                self.retry_at = 0.0
            elif self._damaged and path is not None and self._file == self._identity():
                self._engine.dispose()
                aside = set_aside(path)
                self._begin_again(
                    "the database was damaged", f"what was recorded before is in {aside.name}"
                )
                self.retry_at = 0.0
            elif path is not None and not is_busy(error) and "full" not in describe(error):
                # After an I/O error, or when the disk came back, only a new connection is sure to
                # work.
                self._engine.dispose()
        except Exception as another:
            if not _is_passing(another):
                raise
            self._note_trouble(another)

    def _identity(self) -> Identity | None:
        path = sqlite_path(self._engine)
        return None if path is None else identity(path)

    # --- writing ----------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Write what waits, the spool first, for a while."""
        until = time.monotonic() + SLICE_S
        while self._spool is not None and self._spooled:
            part = self._spool.read(CHUNK)
            if part:
                self._write(part)
                self._spool.forget(part[-1][0])
            if self._spool.empty or not part:
                self._leave_spool(self._spool)
            if time.monotonic() > until:
                return
        while self._waiting:
            part = list(islice(self._waiting, CHUNK))
            self._write(part)
            for _ in part:
                self._waiting.popleft()

    def _write(self, part: Sequence[Numbered]) -> None:
        """Write records; one that makes all of them fail is found, logged and counted, and costs no other."""
        try:
            self._commit(part)
        except Exception as error:
            if _is_passing(error):
                raise
            self._store.forget()
            if len(part) == 1:
                self._note_mistake(error)
                return
            middle = len(part) // 2
            self._write(part[:middle])
            self._write(part[middle:])

    def _commit(self, part: Sequence[Numbered]) -> None:
        number = part[-1][0]
        with self._claimed() as (connection, last_record):
            fresh = [record for n, record in part if n > last_record]
            if fresh:
                reopen_session(connection, self.session_id)
            # Ads are told once more: the ids of their rows are needed also where the database has
            # them already.
            known = [
                record for n, record in part if n <= last_record and isinstance(record, AdRecord)
            ]
            rejected = self._store.apply(connection, [*known, *fresh])
            note_progress(
                connection,
                self.session_id,
                max(number, last_record),
                self._all_lost + len(rejected),
            )
        self._store.settle()
        self._committed = number
        for _, record in part:
            self._known.note(record)
        for sentence in rejected:
            self.log("rejected", "Session %d: a record was left out: %s", self.session_id, sentence)
        self.note_lost(len(rejected))

    # --- the spool --------------------------------------------------------------------------------

    @property
    def _spooled(self) -> bool:
        return self._spool is not None and not self._spool.empty

    def _open_spool(self) -> None:
        if self._spool is not None or self._place is None:
            return
        try:
            self._spool = Spool.create(self._place, self._session)
        except OSError as error:
            self.log(
                "spool", "No spool can be made in %s (%s).", self._place.folder, error.strerror
            )

    def _to_spool(self) -> None:
        """Move what waits in memory to the disk; where that fails it stays in memory."""
        self._open_spool()
        if self._spool is None or not self._waiting:
            return
        begins = self._spool.empty
        try:
            lost = self._spool.append(
                self._session, self._known.records(), self._waiting, self._all_lost
            )
        except OSError as error:
            self.log(
                "spool", "The spool %s cannot be written (%s).", self._spool.path, error.strerror
            )
            return
        if begins and self._spooled:
            logger.warning("Records of session %d wait in %s.", self.session_id, self._spool.path)
        self._waiting.clear()
        self.note_lost(lost)

    def _leave_spool(self, spool: Spool) -> None:
        """All that could be read of the spool is in the database."""
        self.note_lost(spool.torn)
        spool.torn = 0
        if self._adopted:
            # The file stays until the end of the session is in the database, too.
            spool.skip()
        else:
            spool.clear()
        logger.info("The records of session %d that waited are in the database.", self.session_id)

    # --- what is known about how it goes ----------------------------------------------------------

    @property
    def _all_lost(self) -> int:
        """Records of the session that will not be stored, whoever lost them."""
        return self.lost + self.lost_before

    def _note_handled(self) -> None:
        if self._spooled:
            self.handled = self._committed
        else:
            self.handled = self._waiting[0][0] - 1 if self._waiting else self._taken

    def _note_success(self) -> None:
        self.problem = None
        self._damaged = False
        self._pause_s = RETRY_FIRST_S

    def _note_trouble(self, error: BaseException) -> None:
        now = time.monotonic()
        if self.problem is None:
            self._trouble_since = now
        self.problem = self._as_problem(error)
        self.retry_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, RETRY_LONGEST_S)
        self.log("retry", "%s Trying again.", self.problem)

    def _note_mistake(self, error: Exception) -> None:
        self.mistake = self._as_problem(error)
        now = time.monotonic()
        if now - self._last_logged.get("mistake", -LOG_INTERVAL_S) >= LOG_INTERVAL_S:
            self._last_logged["mistake"] = now
            logger.error(
                "A record of session %d cannot be written.", self.session_id, exc_info=error
            )
        self.note_lost(1)

    def _as_problem(self, error: BaseException) -> DatabaseWriteError:
        if isinstance(error, DatabaseError):
            problem = DatabaseWriteError(str(error))
        else:
            if not _is_passing(error):
                advice = "look for the cause in the log"
            elif sqlite_path(self._engine) is None:
                advice = "check the server and the way to it"
            else:
                advice = "check the disk and that no other program holds it"
            problem = DatabaseWriteError(
                f"Session {self.session_id} could not be written to the database {self._engine.url.database} "
                f"({describe(error)}); {advice}."
            )
        problem.__cause__ = error
        return problem


class _Known:
    """What a database has to be told before the next records: the model, the ads, and what is open."""

    def __init__(self) -> None:
        self._model: ModelRecord | None = None
        self._ads: dict[str, AdRecord] = {}
        self._plays: dict[int, PlayStarted] = {}
        self._gaps: dict[str, GapStarted] = {}

    def note(self, record: Record) -> None:
        """Take notice of a record that is in the database."""
        if isinstance(record, ModelRecord):
            self._model = record
        elif isinstance(record, AdRecord):
            self._ads[record.ad_id] = record
        elif isinstance(record, PlayStarted):
            self._plays[record.number] = record
        elif isinstance(record, PlayEnded):
            self._plays.pop(record.number, None)
        elif isinstance(record, GapStarted):
            self._gaps.setdefault(record.cause, record)
        elif isinstance(record, GapEnded):
            self._gaps.pop(record.cause, None)

    def records(self) -> list[Record]:
        """All of it, in an order in which it can be written."""
        model = [] if self._model is None else [self._model]
        return [*model, *self._ads.values(), *self._plays.values(), *self._gaps.values()]


def _is_passing(error: BaseException) -> bool:
    """Whether it is the world's fault, also where something can be done about it."""
    return is_environment(error) or is_damage(error) or isinstance(error, (DatabaseError, OSError))

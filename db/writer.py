"""The one write thread of a session, and the clean-up after a program that was killed.

Records wait in a bounded queue; the thread `db-writer` writes all that wait in one transaction, at most
`commit_interval_s` after the first of them came. What goes wrong is sorted three ways:

* A record that contradicts an earlier one (a reading of a play that was never started) is left out, counted and logged.
* The world failed (database locked, disk full): the batch is kept and tried again, with growing pauses, until it works
  or the writer is closed; meanwhile the queue fills, and what no longer fits is counted as lost.
* Anything else is a mistake of the program: the writer keeps the error, counts everything from then on as lost, and
  raises the error when it is closed.

The number of lost records ends up in the row of the session.

Between two batches the thread also rolls up plays that are over (`db.rollups`): those of this session, and what earlier ones
left. When that fails, nothing is lost: it is tried again, and a report can do without.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy import exc

from db.engine import BUSY_TIMEOUT_MS, is_environment, writing
from db.errors import DatabaseWriteError, WriterClosedError
from db.records import Record, SessionEnded
from db.rollups import store_roll_ups
from db.session_lock import SessionLock
from db.session_store import SessionStore, begin_session, end_session, interrupt_session, open_sessions

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.engine import Engine

    from db.records import SessionRecord
    from db.rollups import RollUp

logger = logging.getLogger(__name__)

QUEUE_SIZE = 10_000
"""Several minutes of a busy kiosk, and about 10 MB."""

MAX_COMMIT_INTERVAL_S = 1.0

FULL_WAIT_S = {"run": 0.1, "replay": 60.0}
"""How long `submit` waits for room. A kiosk must not stand still; a replay has time, and must lose nothing."""

LOG_INTERVAL_S = 60.0
"""Repeated trouble of one sort is logged once in this time."""

RETRY_FIRST_S = 0.05
RETRY_LONGEST_S = 2.0
START_TIMEOUT_S = 10.0
"""How long a new session waits for a database that somebody else is writing."""

ROLL_UP_INTERVAL_S = 5.0
"""How often plays are rolled up; a few at a time, so that records do not wait for it."""

LATE_READINGS = timedelta(seconds=3)
"""So long after its end a play may still get readings, because a frame takes a while from the camera to here."""

_RECORD_TYPES = get_args(Record)


class SessionWriter:
    """Writes one session; use it as a context manager, or call `close`.

    The row of the session is committed when the constructor returns. All methods may be called from any thread.

    Args:
        engine: From `open_database`, not read-only; stays the caller's.
        session: The start of the session.
        queue_size: Records that may wait, at least 1.
        commit_interval_s: Longest wait of a record before it is written, above 0 and at most 1.
        full_wait_s: How long `submit` waits while the queue is full; default 0.1 for a run and 60 for a replay.
        roll_up: Adds up the readings of plays that are over; without it that is left to others.

    Attributes:
        session_id: Row id of the session.

    Raises:
        DatabaseWriteError: The session could not be written.

    Example:
        with SessionWriter(engine, session) as writer:
            writer.submit(ad)
            writer.submit(PlayStarted(1, ad.ad_id, now, "next in the list"))
            writer.close(SessionEnded(later, "finished", frames=900))
    """

    session_id: int

    def __init__(
        self,
        engine: Engine,
        session: SessionRecord,
        *,
        queue_size: int = QUEUE_SIZE,
        commit_interval_s: float = 0.5,
        full_wait_s: float | None = None,
        roll_up: RollUp | None = None,
    ) -> None:
        if queue_size < 1:
            raise ValueError(f"Invalid queue_size: expected at least 1, received {queue_size}.")
        if not 0 < commit_interval_s <= MAX_COMMIT_INTERVAL_S:
            raise ValueError(
                f"Invalid commit_interval_s: expected above 0 and at most {MAX_COMMIT_INTERVAL_S:g}, "
                f"received {commit_interval_s}."
            )
        self._engine = engine
        self._queue_size = queue_size
        self._interval_s = commit_interval_s
        self._full_wait_s = FULL_WAIT_S[session.kind] if full_wait_s is None else full_wait_s

        guard = threading.Lock()
        self._wake = threading.Condition(guard)
        """Tells the thread: records, a flush, or the end."""
        self._progress = threading.Condition(guard)
        """Tells the others: room in the queue, or a batch done."""
        self._pending: deque[Record] = deque()
        self._pending_since = 0.0
        self._submitted = 0
        self._handled = 0
        self._flush_up_to = 0
        self._lost = 0
        self._closed = False
        self._give_up_at = 0.0
        self._ended: SessionEnded | None = None
        self._error: DatabaseWriteError | None = None
        self._failed = False
        self._gave_up = False
        self._last_logged: dict[str, float] = {}
        self._roll_up = roll_up
        self._rolled_up_at = 0.0

        self._closing = threading.Lock()
        self._finished = False
        self.session_id, self._lock = _begin(engine, session)
        self._store = SessionStore(self.session_id, session.started_at)
        self._thread = threading.Thread(target=self._run, name="db-writer", daemon=True)
        self._thread.start()

    @property
    def error(self) -> DatabaseWriteError | None:
        """What keeps records from being written now; `None` while all is well, and again after a passing trouble."""
        with self._wake:
            return self._error

    @property
    def lost(self) -> int:
        """Records that were not and will not be stored."""
        with self._wake:
            return self._lost

    def submit(self, record: Record) -> bool:
        """Hand over a record; it is written after those submitted before it.

        Returns:
            False when it was lost, because the queue stayed full or the writer has failed.

        Raises:
            WriterClosedError: The writer has been closed.
            TypeError: Not a record.
        """
        if not isinstance(record, _RECORD_TYPES):
            raise TypeError(f"Invalid record: expected one of db.records, received {type(record).__name__}.")
        with self._wake:
            self._check_open()
            if not self._has_room():
                self._wake.notify()
                self._progress.wait_for(lambda: self._closed or self._has_room(), self._full_wait_s)
                self._check_open()
            if self._failed or not self._has_room():
                self._lose(1)
                return False
            if not self._pending:
                self._pending_since = time.monotonic()
            self._pending.append(record)
            self._submitted += 1
            if len(self._pending) in {1, self._early_size}:
                self._wake.notify()
            return True

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was submitted before is committed.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            Whether it is; False after the timeout, and when the writer has failed.
        """
        with self._wake:
            target = self._submitted
            self._flush_up_to = max(self._flush_up_to, target)
            self._wake.notify()
            reached = self._progress.wait_for(lambda: self._handled >= target, timeout)
            return reached and not self._failed

    def close(self, ended: SessionEnded | None = None, timeout: float = 10.0) -> None:
        """Write what waits, end the session with the plays and gaps still open (as "stopped"), and end the thread.

        A second call does nothing.

        Args:
            ended: The end of the session; default: "stopped" at the latest moment that a record named.
            timeout: Longest wait in seconds.

        Raises:
            DatabaseWriteError: Records could not be written, or not in time.
        """
        with self._closing:
            if self._finished:
                return
            with self._wake:
                if not self._closed:
                    self._closed = True
                    self._ended = ended
                # The last attempt may itself wait for a lock, and must end within the limit.
                self._give_up_at = time.monotonic() + max(0.0, timeout - BUSY_TIMEOUT_MS / 1000)
                self._wake.notify_all()
                self._progress.notify_all()
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise DatabaseWriteError(
                    f"The thread db-writer of session {self.session_id} did not end within {timeout:g} s; "
                    "the records that still wait may be lost; check the disk of the database."
                )
            self._finished = True
            if self._lock is not None:
                self._lock.release()
            if self._error is not None:
                raise self._error

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.close(SessionEnded(self._store.last_moment, "failed"))

    @property
    def _early_size(self) -> int:
        """With so many records waiting the thread starts before the interval is over, to keep room in the queue."""
        return max(1, self._queue_size // 2)

    def _has_room(self) -> bool:
        return len(self._pending) < self._queue_size

    def _check_open(self) -> None:
        if self._closed:
            raise WriterClosedError(
                f"The writer of session {self.session_id} is closed; submit records before closing."
            )

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._write(batch)
                self._roll_up_some()
            self._end()
            self._roll_up_rest()
        except Exception as error:  # noqa: BLE001 (top of the thread)
            self._fail(error, 0)

    def _next_batch(self) -> list[Record] | None:
        """Wait for records, and then until they are due; `None` after the last."""
        with self._wake:
            self._wake.wait_for(lambda: self._pending or self._closed)
            self._wake.wait_for(self._is_due, max(0.0, self._pending_since + self._interval_s - time.monotonic()))
            if not self._pending:
                return None
            batch = list(self._pending)
            self._pending.clear()
            self._progress.notify_all()
            return batch

    def _is_due(self) -> bool:
        return self._closed or self._flush_up_to > self._handled or len(self._pending) >= self._early_size

    def _write(self, batch: list[Record]) -> None:
        """Write a batch in one transaction, however many attempts that takes."""
        if self._failed or self._gave_up:
            self._handle(len(batch), lost=len(batch))
            return
        pause = RETRY_FIRST_S
        while True:
            try:
                with writing(self._engine) as connection:
                    rejected = self._store.apply(connection, batch)
                break
            except Exception as error:  # noqa: BLE001 (top of the thread: a bug must not leave the submitters waiting)
                self._store.forget()
                if not is_environment(error):
                    self._fail(error, len(batch))
                    return
                if not self._wait_to_retry(error, pause):
                    self._gave_up = True
                    self._handle(len(batch), lost=len(batch))
                    return
            pause = min(2 * pause, RETRY_LONGEST_S)
        self._store.settle()
        with self._wake:
            self._error = None
        for sentence in rejected:
            self._log("rejected", "Session %d: a record was left out: %s", self.session_id, sentence)
        self._handle(len(batch), lost=len(rejected))

    def _end(self) -> None:
        if self._gave_up:
            return  # The next start closes the session as interrupted.
        ended = self._ended or SessionEnded(self._store.last_moment, "stopped")
        pause = RETRY_FIRST_S
        while True:
            try:
                with writing(self._engine) as connection:
                    end_session(connection, self.session_id, ended, "stopped", self.lost)
                break
            except exc.OperationalError as error:
                if not is_environment(error) or not self._wait_to_retry(error, pause):
                    raise
            pause = min(2 * pause, RETRY_LONGEST_S)
        if not self._failed:
            with self._wake:
                self._error = None

    def _roll_up_some(self) -> None:
        """Roll up a few plays, now and then."""
        now = time.monotonic()
        if now - self._rolled_up_at < ROLL_UP_INTERVAL_S or self._failed or self._gave_up:
            return
        self._rolled_up_at = now
        self._rolled_up(ended_before=self._store.last_moment - LATE_READINGS, once=True)

    def _roll_up_rest(self) -> None:
        """Roll up all of this session, which has just ended."""
        if not self._failed and not self._gave_up:
            self._rolled_up(session_id=self.session_id)

    def _rolled_up(self, **which: Any) -> None:
        if self._roll_up is None:
            return
        try:
            store_roll_ups(self._engine, self._roll_up, **which)
        except Exception as error:
            if is_environment(error):
                self._log("roll-up", "%s Reports are slower until it works.", self._problem(error))
                return
            # A mistake of the program; the records do not depend on it.
            self._roll_up = None
            logger.exception("Plays cannot be rolled up; reports on session %d are slower.", self.session_id)

    def _wait_to_retry(self, error: BaseException, pause: float) -> bool:
        """Keep the error in sight and wait; False when the time for closing is over."""
        problem = self._problem(error)
        self._log("retry", "%s Trying again.", problem)
        with self._wake:
            self._error = problem
            if self._closed:
                pause = min(pause, self._give_up_at - time.monotonic())
                if pause <= 0:
                    return False
                # Closed already: nothing can shorten the pause any more.
                self._wake.wait_for(lambda: False, pause)
            else:
                self._wake.wait_for(lambda: self._closed, pause)
            return True

    def _problem(self, error: BaseException) -> DatabaseWriteError:
        text = str(error.orig) if isinstance(error, exc.DBAPIError) else f"{type(error).__name__}: {error}"
        name = self._engine.url.database
        advice = (
            "check the disk and that no other program holds it"
            if isinstance(error, exc.OperationalError)
            else ("look for the cause in the log")
        )
        problem = DatabaseWriteError(
            f"Session {self.session_id} could not be written to the database {name} ({text}); {advice}."
        )
        problem.__cause__ = error
        return problem

    def _fail(self, error: BaseException, count: int) -> None:
        """Give up for good: keep the error, and count all that waits and comes as lost."""
        logger.error("The writer of session %d failed.", self.session_id, exc_info=error)
        with self._wake:
            self._failed = True
            self._error = self._problem(error)
        self._handle(count, lost=count)

    def _handle(self, count: int, *, lost: int) -> None:
        with self._wake:
            self._handled += count
            if lost:
                self._lose(lost)
            self._progress.notify_all()

    def _lose(self, count: int) -> None:
        """Count lost records; the guard is held."""
        self._lost += count
        self._log("lost", "Session %d has lost %d records so far.", self.session_id, self._lost)

    def _log(self, subject: str, text: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._last_logged.get(subject, -LOG_INTERVAL_S) >= LOG_INTERVAL_S:
            self._last_logged[subject] = now
            logger.warning(text, *values)


def close_interrupted_sessions(engine: Engine) -> list[int]:
    """Close sessions that a killed program left open; call it before the first `SessionWriter`.

    Such a session ends at its last known moment (the latest time of its plays, readings and gaps) with the reason
    "interrupted", and so do its open plays and gaps. A session that a live process is writing is left alone (see
    `db.session_lock`); on a server all sessions are, because their writers may live on other machines.

    Returns:
        Ids of the sessions that were closed.

    Raises:
        DatabaseWriteError: The database cannot be written.
    """
    if not SessionLock.supported(engine):
        return []
    with engine.connect() as connection:
        candidates = open_sessions(connection)
    closed = []
    for session_id in candidates:
        lock = SessionLock.acquire(engine, session_id)
        if lock is None:
            continue
        try:
            with writing(engine) as connection:
                if interrupt_session(connection, session_id):
                    closed.append(session_id)
        except exc.DBAPIError as error:
            raise DatabaseWriteError(
                f"The interrupted session {session_id} in the database {engine.url.database} could not be closed "
                f"({error.orig}); check the disk and that no other program holds it."
            ) from error
        finally:
            lock.release()
    if closed:
        logger.warning("Closed sessions that had been interrupted: %s.", ", ".join(map(str, closed)))
    return closed


def _begin(engine: Engine, session: SessionRecord) -> tuple[int, SessionLock | None]:
    """Commit the row of a new session; it is locked before anybody else can see it."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        lock = None
        try:
            with writing(engine) as connection:
                session_id = begin_session(connection, session)
                if SessionLock.supported(engine):
                    lock = SessionLock.acquire(engine, session_id)
                    if lock is None:
                        raise DatabaseWriteError(
                            f"Session {session_id} in the database {engine.url.database} is being written by another "
                            "process although it has just been made; look for a second program on this database."
                        )
            return session_id, lock
        except exc.DBAPIError as error:
            if lock is not None:
                lock.release()
            if not is_environment(error) or time.monotonic() > deadline:
                raise DatabaseWriteError(
                    f"A session could not be started in the database {engine.url.database} ({error.orig}); "
                    "check the disk and that no other program holds it."
                ) from error
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        time.sleep(RETRY_FIRST_S)

"""The one write thread of a session.

Records wait in a bounded queue; the thread `db-writer` takes all that wait at most
`commit_interval_s` after the first of them came, and hands them to the session's sink
(`db.write.sink`), which writes them in one transaction, or keeps them where they can wait. What
goes wrong is sorted three ways:

* A record that contradicts an earlier one (a reading of a play that was never started) is left out,
  counted and logged.
* The world failed (database locked, disk full, server away, file damaged): the records are kept and
  tried again, with growing pauses, until it works or the writer is closed; they wait in memory,
  then on disk, and what has room in neither is counted as lost.
* Anything else is a mistake of the program: the records that make it are lost and counted, the
  others are written, and the error is raised when the writer is closed.

The number of lost records ends up in the row of the session.

Between two batches the thread also rolls up plays that are over (`db.read.rollups`): those of this
session, and what earlier ones left; and deletes what is older than it may become
(`db.upkeep.retention`). When that fails, nothing is lost: it is tried again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, get_args

from db.error_classes import describe
from db.errors import DatabaseWriteError, WriterClosedError
from db.read.rollups import PLAYS_IN_PASSING, store_roll_ups
from db.upkeep.retention import purge_some
from db.write.records import Record, SessionEnded
from db.write.sink import SessionSink

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.engine import Engine

    from db.write.records import SessionRecord
    from db.write.sink import Preparation
    from db.write.spool import SpoolPlace

logger = logging.getLogger(__name__)

QUEUE_SIZE = 10_000
"""More than a minute of a crowd, and about 10 MB."""

MAX_COMMIT_INTERVAL_S = 1.0

FULL_WAIT_S = {"run": 0.1, "replay": 60.0}
"""How long `submit` waits for room. A kiosk must not stand still; a replay has time, and must lose nothing.

While nothing can be written, a kiosk does not wait at all: each record would, one after the other.
"""

LAST_ATTEMPT_S = 4.0
"""So long before the limit of `close` the last attempt begins at the latest.

It may itself wait for a lock (two seconds) or a server (three).
"""

START_TIMEOUT_S = 10.0
"""How long a new session waits for a database that somebody else is writing, where it cannot do without."""

START_PATIENCE_S = 2.0
"""The same where it can begin later: the show does not wait."""

ROLL_UP_INTERVAL_S = 5.0
"""How often plays are rolled up; a few at a time, so that records do not wait for it."""

ROLL_UP_PAUSE_S = 1.0
"""The same while there are more of them to catch up with."""

LATE_READINGS = timedelta(seconds=3)
"""So long after its end a play may still get readings, because a frame takes a while from the camera to here."""

PURGE_INTERVAL_S = 24 * 3600.0
PURGE_AFTER_S = 60.0
"""What is too old is deleted once a day, the first time a minute after the start."""

PURGE_PAUSE_S = 1.0
"""Between two parts of it, so that other programs on the database get their turn as well."""

_RECORD_TYPES = get_args(Record)


class SessionWriter:
    """Writes one session; use it as a context manager, or call `close`.

    The row of the session is committed when the constructor returns, unless there is a place for a
    spool and the database cannot be used: then the session is begun once it can. All methods may be
    called from any thread.

    Args:
        engine: From `open_database`, not read-only; stays the caller's.
        session: The start of the session.
        queue_size: Records that may wait in memory, at least 1.
        commit_interval_s: Longest wait of a record before it is written, above 0 and at most 1.
        full_wait_s: How long `submit` waits while the queue is full; default 0.1 for a run and 60
            for a replay. A run does not wait while nothing can be written.
        spool: Where records wait on disk while the database cannot be written; `None` for nowhere.
        prepare: Makes a database ready that could not be used when it was opened, see
            `db.write.recovery`; done by the thread.
        keep: How old readings may become before they are deleted, once they are rolled up; `None`
            keeps them.

    Raises:
        DatabaseWriteError: The session could not be written.

    Example:
        with SessionWriter(engine, session) as writer:
            writer.submit(ad)
            writer.submit(PlayStarted(1, ad.ad_id, now, "next in the list"))
            writer.close(SessionEnded(later, "finished", frames=900))
    """

    def __init__(
        self,
        engine: Engine,
        session: SessionRecord,
        *,
        queue_size: int = QUEUE_SIZE,
        commit_interval_s: float = 0.5,
        full_wait_s: float | None = None,
        spool: SpoolPlace | None = None,
        prepare: Preparation | None = None,
        keep: timedelta | None = None,
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
        self._live = session.kind == "run"
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
        self._give_up_at = math.inf
        self._kept = False
        self._ended: SessionEnded | None = None
        self._error: DatabaseWriteError | None = None
        self._died = False
        self._can_roll_up = True
        self._roll_up_at = 0.0
        self._keep = keep
        self._purge_at = time.monotonic() + PURGE_AFTER_S

        self._closing = threading.Lock()
        self._finished = False
        self._sink = SessionSink(engine, session, place=spool, prepare=prepare)
        self._sink.begin(START_TIMEOUT_S if spool is None else START_PATIENCE_S)
        self._error = self._sink.problem
        self._thread = threading.Thread(target=self._run, name="db-writer", daemon=True)
        self._thread.start()

    @property
    def session_id(self) -> int:
        """Row id of the session; 0 until the database can be reached, and another one after the database was replaced."""
        return self._sink.session_id

    @property
    def error(self) -> DatabaseWriteError | None:
        """What keeps records from being written now; `None` while all is well, and again after a passing trouble."""
        with self._wake:
            return self._error

    @property
    def lost(self) -> int:
        """Records that were not and will not be stored."""
        with self._wake:
            return self._lost + self._sink.lost

    @property
    def waiting(self) -> int:
        """Records that wait to be written, in memory or on disk."""
        with self._wake:
            return len(self._pending) + self._sink.in_memory + self._sink.in_spool

    def submit(self, record: Record) -> bool:
        """Hand over a record; it is written after those submitted before it.

        Returns:
            False when it was lost, because there was no room for it.

        Raises:
            WriterClosedError: The writer has been closed.
            TypeError: Not a record.
        """
        if not isinstance(record, _RECORD_TYPES):
            raise TypeError(
                f"Invalid record: expected one of db.write.records, received {type(record).__name__}."
            )
        with self._wake:
            self._check_open()
            if not self._has_room():
                self._wake.notify()
                self._progress.wait_for(self._need_not_wait, self._full_wait_s)
                self._check_open()
            if self._died or not self._has_room():
                self._lost += 1
                self._sink.log(
                    "full", "Session %d: a record found no room and is lost.", self.session_id
                )
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
            Whether it is, or had to be left out; False after the timeout, and when something is
            wrong.
        """
        with self._wake:
            target = self._submitted
            self._flush_up_to = max(self._flush_up_to, target)
            self._wake.notify()
            reached = self._progress.wait_for(lambda: self._handled >= target, timeout)
            return reached and self._error is None

    def close(self, ended: SessionEnded | None = None, timeout: float = 10.0) -> None:
        """Write what waits, end the session with the plays and gaps still open (as "stopped"), and end the thread.

        A second call does nothing.

        Args:
            ended: The end of the session; default: "stopped" at the latest moment that a record
                named.
            timeout: Longest wait in seconds.

        Raises:
            DatabaseWriteError: Records could not be written, or not in time; those that wait on
                disk are written by the next start.
        """
        with self._closing:
            if self._finished:
                return
            with self._wake:
                if not self._closed:
                    self._closed = True
                    self._ended = ended
                self._give_up_at = time.monotonic() + max(0.0, timeout - LAST_ATTEMPT_S)
                self._wake.notify_all()
                self._progress.notify_all()
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise DatabaseWriteError(
                    f"The thread db-writer of session {self.session_id} did not end within {timeout:g} s; "
                    f"{self._what_becomes_of_the_rest()}."
                )
            self._finished = True
            if self._error is not None:
                raise self._error

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.close(SessionEnded(self._sink.last_moment, "failed"))

    @property
    def _early_size(self) -> int:
        """With so many records waiting the thread starts before the interval is over, to keep room in the queue."""
        return max(1, self._queue_size // 2)

    def _has_room(self) -> bool:
        return len(self._pending) + self._sink.in_memory < self._queue_size

    def _need_not_wait(self) -> bool:
        """Whether there is room in the queue, or none to be expected soon enough."""
        return self._closed or self._has_room() or (self._live and self._sink.problem is not None)

    def _check_open(self) -> None:
        if self._closed:
            raise WriterClosedError(
                f"The writer of session {self.session_id} is closed; submit records before closing."
            )

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._sink.lost_before = self._lost
                self._sink.offer(batch)
                self._report()
                if self._sink.begun and not self._sink.waits:
                    self._roll_up_some()
                    self._purge_some()
            self._finish()
        except Exception as error:
            logger.exception("The writer of session %d failed.", self.session_id)
            self._sink.release(remove=False)
            with self._wake:
                self._died = True
                self._error = DatabaseWriteError(
                    f"The writer of session {self.session_id} failed ({type(error).__name__}: {error}); look for the "
                    "cause in the log."
                )
                self._error.__cause__ = error
                self._lost += len(self._pending)
                self._pending.clear()
                self._handled = self._submitted
                self._progress.notify_all()

    def _next_batch(self) -> list[Record] | None:
        """Wait until something is to be done: records are due, or a new attempt is; `None` after the last."""
        with self._wake:
            while not self._closed and (pause := self._due_at() - time.monotonic()) > 0:
                self._wake.wait(min(pause, threading.TIMEOUT_MAX))
            if self._closed and not self._pending:
                return None
            batch = list(self._pending)
            self._pending.clear()
            self._progress.notify_all()
            return batch

    def _due_at(self) -> float:
        """When something is to be done next, `time.monotonic`."""
        retry_at = self._sink.retry_at if self._sink.waits or not self._sink.begun else math.inf
        if not self._pending:
            return retry_at
        at_once = (
            self._flush_up_to > self._submitted - len(self._pending)
            or len(self._pending) >= self._early_size
        )
        return min(retry_at, 0.0 if at_once else self._pending_since + self._interval_s)

    def _report(self) -> None:
        """Tell the others how it goes."""
        with self._wake:
            self._handled = self._sink.handled
            self._error = self._sink.problem or self._sink.mistake
            self._progress.notify_all()

    def _finish(self) -> None:
        """End the session, or leave it to the next start when the time for closing is over."""
        tried = False
        while True:
            self._sink.lost_before = self._lost
            if self._sink.problem is not None:
                # On the disk first: an attempt may take longer than whoever closes has time.
                self._kept = self._sink.keep(self._ended)
                tried = True
            if tried and time.monotonic() >= self._give_up_at:
                self._sink.leave(self._ended)
                self._report()
                self._say_what_is_left()
                return
            if self._sink.end(self._ended):
                break
            tried = True
            self._report()
            if self._sink.problem is not None:
                time.sleep(max(0.0, min(self._sink.retry_at, self._give_up_at) - time.monotonic()))
        self._report()
        self._rolled_up(session_id=self.session_id)

    def _what_becomes_of_the_rest(self) -> str:
        """Of the records that wait while the thread is still busy."""
        path = self._sink.spool_path
        if path is None or not self._kept:
            return "the records that still wait may be lost; check the disk of the database"
        return f"{self._sink.in_spool} records wait in {path} and are written by the next start"

    def _say_what_is_left(self) -> None:
        path = self._sink.spool_path
        if path is None:
            return
        with self._wake:
            self._error = DatabaseWriteError(
                f"Session {self.session_id} could not be finished in the database {self._engine.url.database}; "
                f"{self._sink.in_spool} records wait in {path} and are written by the next start."
            )
            self._error.__cause__ = self._sink.problem

    def _roll_up_some(self) -> None:
        """Roll up a few plays, now and then."""
        if not self._can_roll_up or time.monotonic() < self._roll_up_at:
            return
        more = self._rolled_up(ended_before=self._sink.last_moment - LATE_READINGS, once=True)
        self._roll_up_at = time.monotonic() + (ROLL_UP_PAUSE_S if more else ROLL_UP_INTERVAL_S)

    def _rolled_up(self, **which: Any) -> bool:
        """Roll plays up; whether there may be more of them."""
        if not self._can_roll_up:
            return False
        try:
            return store_roll_ups(self._engine, **which) == PLAYS_IN_PASSING
        except Exception as error:
            if self._sink.note_failure(error):
                text = "Plays could not be rolled up (%s); reports are slower until it works."
                self._sink.log("roll-up", text, describe(error))
                return False
            # A mistake of the program; the records do not depend on it.
            self._can_roll_up = False
            logger.exception(
                "Plays cannot be rolled up; reports on session %d are slower.", self.session_id
            )
            return False

    def _purge_some(self) -> None:
        """Delete a part of what is too old, once a day, until nothing is."""
        if self._keep is None or time.monotonic() < self._purge_at:
            return
        try:
            # The wall clock: what is too old is so also after months without a start.
            deleted = purge_some(self._engine, datetime.now(timezone.utc) - self._keep)
        except Exception as error:
            if not self._sink.note_failure(error):
                self._keep = None
                logger.exception("Old readings cannot be deleted; `ad-monitor purge` deletes them.")
                return
            self._sink.log(
                "purge",
                "Old readings could not be deleted (%s); it is tried again.",
                describe(error),
            )
            deleted = 1
        self._purge_at = time.monotonic() + (PURGE_PAUSE_S if deleted else PURGE_INTERVAL_S)

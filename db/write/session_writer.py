"""The write thread of a session, `db-writer`.

It writes records at most `commit_interval_s` after the first of them came. Failures are of three
kinds:

* A record contradicts an earlier one, such as a reading of a play that was never started: it is
  left out, counted and logged.
* The world failed (database locked, disk full, server away, file damaged): the records wait in
  memory, then on disk, and are tried again until it works or the writer is closed. A record that
  has room in neither is lost and counted.
* Anything else is a mistake of the program: the records that cause it are lost and counted, the
  others are written, and `close` raises the error.

Between batches the thread also rolls up plays that are over (`db.read.rollups`) and deletes what
has become too old (`db.upkeep.retention`).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args

from db.error_classes import describe
from db.errors import DatabaseWriteError
from db.read.rollups import PLAYS_IN_PASSING, store_roll_ups
from db.upkeep.retention import clock_doubt, purge_shadow_counts, purge_some
from db.write.delivery import Delivery
from db.write.record_queue import RecordQueue
from db.write.records import Record, SessionEnded
from detector.texts import lazy, nlazy

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.engine import Engine

    from db.write.outbox import OutboxPlace
    from db.write.records import SessionRecord
    from db.write.recovery import Recovery

logger = logging.getLogger(__name__)

LAST_ATTEMPT_S = 4.0
"""The last attempt of `close` begins this long before its limit: it may itself wait for a lock (two
seconds) or a server (three)."""

START_TIMEOUT_S = 10.0
"""How long a new session without an outbox waits for a locked database."""

START_PATIENCE_S = 2.0
"""How long one with an outbox does: the show does not wait."""

ROLL_UP_INTERVAL_S = 5.0
"""How often plays are rolled up; a few at a time, so records do not wait for it."""

PURGE_AFTER_S = 60.0
"""When old readings are deleted first, after the start; from then on once a day."""

PURGE_PAUSE_S = 1.0
"""The pause between two parts of it."""

_RECORD_TYPES = get_args(Record)


class State(StrEnum):
    """Where a writer is between its start and its end."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
    """The thread ended by a mistake of the program; all records are lost."""


class SessionWriter:
    """Writes one session; use it as a context manager, or call `close`.

    The row of the session is committed when the constructor returns. With a place for an outbox, a
    database that cannot be used does not matter: the session is begun later. All methods may be
    called from any thread.

    Args:
        engine: From `open_database`, not read-only; stays the caller's.
        queue_size: Records that may wait in memory; the default is a minute of a crowd, 10 MB.
        commit_interval_s: Longest wait of a record before it is written, at most 1.
        full_wait_s: How long `submit` waits while the queue is full; default: 0.1 for a run, which
            must not stand still, and 60 for a replay, which must lose nothing. A run does not wait
            at all while nothing can be written.
        spool: Where records wait on disk while the database cannot be written; `None` for nowhere.
        recovery: Prepares a database that could not be used when it was opened; see
            `db.write.recovery`. The thread runs it.
        keep: Age at which rolled-up readings are deleted; `None` keeps them.

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
        queue_size: int = 10_000,
        commit_interval_s: float = 0.5,
        full_wait_s: float | None = None,
        spool: OutboxPlace | None = None,
        recovery: Recovery | None = None,
        keep: timedelta | None = None,
    ) -> None:
        if queue_size < 1:
            raise ValueError(f"Invalid queue_size: expected at least 1, received {queue_size}.")
        if not 0 < commit_interval_s <= 1.0:
            raise ValueError(
                "Invalid commit_interval_s: expected above 0 and at most 1, "
                f"received {commit_interval_s}."
            )
        self._engine = engine
        self._is_run = session.kind == "run"
        default_wait_s = 0.1 if self._is_run else 60.0
        self._full_wait_s = default_wait_s if full_wait_s is None else full_wait_s
        self._state = State.OPEN
        self._error: DatabaseWriteError | None = None
        self._ended: SessionEnded | None = None
        self._give_up_at = math.inf
        self._is_persisted = False
        self._closing = threading.Lock()
        self._queue = RecordQueue(queue_size, commit_interval_s)
        self._delivery = Delivery(engine, session, self._queue, spool, recovery)
        self._upkeep = Upkeep(engine, self._delivery, keep)
        self._delivery.begin(START_TIMEOUT_S if spool is None else START_PATIENCE_S)
        self._thread = threading.Thread(target=self._run, name="db-writer", daemon=True)
        self._thread.start()

    @property
    def session_id(self) -> int:
        """Row id; 0 until the session is begun, and a new one after the database was replaced."""
        return self._delivery.session.session_id

    @property
    def error(self) -> DatabaseWriteError | None:
        """What keeps records from being written now; `None` while all is well."""
        return self._error or self._delivery.problem or self._delivery.session.mistake

    @property
    def lost(self) -> int:
        """Records that were not and will not be stored."""
        return self._queue.lost

    @property
    def waiting(self) -> int:
        """Records that wait to be written, in memory or on disk."""
        return len(self._queue) + self.waiting_on_disk

    @property
    def waiting_on_disk(self) -> int:
        """Records that wait on disk."""
        return self._delivery.on_disk

    def submit(self, record: Record) -> bool:
        """Hand over a record; return False if there was no room for it and it is lost.

        Raises:
            WriterClosedError: The writer has been closed.
            TypeError: Not a record.
        """
        if not isinstance(record, _RECORD_TYPES):
            raise TypeError(
                "Invalid record: expected one of db.write.records, "
                f"received {type(record).__name__}."
            )
        if self._queue.put(record, self._full_wait_s, self._is_hopeless):
            return True
        text = "Session %d: a record found no room and is lost."
        self._delivery.session.warnings.log("full", text, self.session_id)
        return False

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was submitted is committed or left out.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            False after the timeout, and if something is wrong.
        """
        return self._queue.flush(timeout) and self.error is None

    def close(self, ended: SessionEnded | None = None, timeout: float = 10.0) -> None:
        """Write what waits, and end the session and its open plays; a second call does nothing.

        Args:
            ended: Default: "stopped" at the latest moment that a record named.
            timeout: Longest wait in seconds.

        Raises:
            DatabaseWriteError: Records could not be written, or not in time; those that wait on
                disk are written by the next start.
        """
        with self._closing:
            if self._state is State.CLOSED:
                return
            if self._state is State.OPEN:
                self._state = State.CLOSING
                self._ended = ended
            self._give_up_at = time.monotonic() + max(0.0, timeout - LAST_ATTEMPT_S)
            self._queue.close(
                f"The writer of session {self.session_id} is closed; submit records before closing."
            )
            self._thread.join(timeout)
            if self._thread.is_alive():
                rest: str = lazy(
                    "the records that still wait may be lost; check the disk of the database"
                )
                if self._is_persisted and self.waiting_on_disk:
                    rest = self._where_the_rest_waits()
                raise DatabaseWriteError(
                    lazy(
                        "The thread db-writer of session %(session)s did not end within "
                        "%(seconds)s s; %(what)s.",
                        session=self.session_id,
                        seconds=f"{timeout:g}",
                        what=rest,
                    )
                )
            self._state = State.CLOSED
            if (error := self.error) is not None:
                raise error

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failed = SessionEnded(self._delivery.session.last_moment, "failed")
        self.close(None if kind is None else failed)

    def _is_hopeless(self) -> bool:
        no_writing = self._is_run and self._delivery.problem is not None
        return no_writing or self._state is State.FAILED

    def _run(self) -> None:
        try:
            while self._queue.wait(self._delivery.retry_at):
                self._delivery.run_once()
                if self._delivery.is_idle:
                    self._upkeep.run()
            self._finish()
        except Exception as error:
            logger.exception("The writer of session %d failed.", self.session_id)
            self._delivery.release(remove=False)
            self._error = DatabaseWriteError(
                lazy(
                    "The writer of session %(session)s failed (%(why)s); look for the cause in the "
                    "log.",
                    session=self.session_id,
                    why=f"{type(error).__name__}: {error}",
                )
            )
            self._error.__cause__ = error
            self._state = State.FAILED
            self._queue.abandon()

    def _finish(self) -> None:
        """End the session, or leave it to the next start when time is up."""
        delivery, has_tried = self._delivery, False
        while True:
            if delivery.problem is not None:
                # On the disk first: an attempt may take longer than the caller waits.
                self._is_persisted = delivery.persist(self._ended)
                has_tried = True
            if has_tried and time.monotonic() >= self._give_up_at:
                delivery.abandon(self._ended)
                if self.waiting_on_disk:
                    self._error = DatabaseWriteError(
                        lazy(
                            "Session %(session)s could not be finished in the database "
                            "%(database)s; %(where)s.",
                            session=self.session_id,
                            database=self._engine.url.database,
                            where=self._where_the_rest_waits(),
                        )
                    )
                    self._error.__cause__ = delivery.problem
                return
            if delivery.end(self._ended):
                break
            has_tried = True
            if delivery.problem is not None:
                pause_s = min(delivery.retry_at, self._give_up_at) - time.monotonic()
                time.sleep(max(0.0, pause_s))
        self._upkeep.roll_up(session_id=self.session_id)

    def _where_the_rest_waits(self) -> str:
        return nlazy(
            "%(num)s record waits in %(path)s and is written by the next start",
            "%(num)s records wait in %(path)s and are written by the next start",
            self.waiting_on_disk,
            path=self._delivery.outbox_path,
        )


class Upkeep:
    """Rolls up plays and deletes old readings between batches; failures are tried again."""

    def __init__(self, engine: Engine, delivery: Delivery, keep: timedelta | None) -> None:
        self._engine = engine
        self._delivery = delivery
        self._can_roll_up = True
        self._keep = keep
        self._roll_up_at = 0.0
        self._purge_at = time.monotonic() + PURGE_AFTER_S
        self._began_at, self._began_s = datetime.now(UTC), _seconds_since_boot()

    def run(self) -> None:
        """Do a part of what is due."""
        if time.monotonic() >= self._roll_up_at:
            # A play may get readings after its end: a frame takes a while from the camera to here.
            over = self._delivery.session.last_moment - timedelta(seconds=3)
            has_more = self.roll_up(ended_before=over, once=True)
            self._roll_up_at = time.monotonic() + (1.0 if has_more else ROLL_UP_INTERVAL_S)
        if time.monotonic() >= self._purge_at:
            has_more = self._purge()
            # The pauses leave other programs their turn on the database.
            self._purge_at = time.monotonic() + (PURGE_PAUSE_S if has_more else 24 * 3600.0)

    def roll_up(self, **which: Any) -> bool:
        """Roll up some plays; return whether there may be more of them."""
        if not self._can_roll_up:
            return False
        try:
            return store_roll_ups(self._engine, **which) == PLAYS_IN_PASSING
        except Exception as error:
            if self._delivery.handle(error):
                text = "Plays could not be rolled up (%s); reports are slower until it works."
                self._delivery.session.warnings.log("roll-up", text, describe(error))
                return False
            # A mistake of the program; the records do not depend on it.
            self._can_roll_up = False
            logger.exception("Plays cannot be rolled up; reports are slower.")
            return False

    def _clock_doubt(self, now: datetime, keep: timedelta) -> str:
        """Return why the clock cannot tell what is old; empty if it can."""
        ran = timedelta(seconds=_seconds_since_boot() - self._began_s)
        if ran >= keep:
            return ""  # Everything from before this start is too old, whatever the clock says.
        session = self._delivery.session
        set_by = now - self._began_at - ran
        if abs(set_by - session.clock_set) > timedelta(hours=1):
            return "The clock of this machine was just set"
        return clock_doubt(self._engine, now, session.session_id)

    def _purge(self) -> bool:
        """Delete a part of what is too old; return whether there may be more."""
        if self._keep is None:
            return False
        try:
            # The wall clock: what is too old is so also after months without a start.
            now = datetime.now(UTC)
            doubt = self._clock_doubt(now, self._keep)
            if doubt:
                text = "%s. No old reading is deleted before several starts agree; set the clock."
                self._delivery.session.warnings.log("clock", text, doubt)
                return False
            if purge_some(self._engine, now - self._keep):
                return True
            purge_shadow_counts(self._engine, now - self._keep)
            return False
        except Exception as error:
            if self._delivery.handle(error):
                text = "Old readings could not be deleted (%s); it is tried again."
                self._delivery.session.warnings.log("purge", text, describe(error))
                return True
            self._keep = None
            logger.exception("Old readings cannot be deleted; `ad-monitor purge` deletes them.")
            return False


def _seconds_since_boot() -> float:
    """Return the monotonic time, including sleep where a clock counts it."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)

"""Moves the records of a session from memory to its database, or to the outbox while it is away.

Records wait in one queue in memory. While the database can be written they go straight into it.
When it cannot (locked, disk full, server away), they stay in memory for a moment, then move to the
outbox on disk, and are written once the database is back.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Protocol, cast

from db.error_classes import describe
from db.errors import DatabaseError, DatabaseWriteError
from db.write.outbox import Outbox
from db.write.record_queue import RecordQueue
from db.write.records import SessionEnded
from db.write.session import DatabaseSession, is_passing
from detector.texts import lazy

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.write.lock import SessionLock
    from db.write.outbox import OutboxPlace
    from db.write.records import SessionRecord

logger = logging.getLogger(__name__)

RETRY_FIRST_S = 0.05
RETRY_MAX_S = 2.0

PERSIST_AFTER_S = 2.0
"""How long records wait in memory before they move to the outbox: most locks are gone by then."""

CHUNK = 5000
"""Records in one transaction."""

SLICE_S = 0.5
"""How long an outbox is emptied before new records get their turn."""


class RecoverySteps(Protocol):
    """What has to be done before anything is written, see `db.write.recovery.Recovery`."""

    def run_part(self) -> bool:
        """Do the next part; return whether all is done."""

    def close(self) -> None:
        """Release what was acquired."""


class Delivery:
    """Delivers the records of one session; all calls come from one thread.

    Args:
        place: Where its outbox may be; `None` for nowhere.
        recovery: Run before anything is written, a part at each attempt, while new records go to
            the outbox.

    Attributes:
        problem: What keeps records from being written now; `None` while all is well.
    """

    def __init__(
        self,
        engine: Engine,
        start: SessionRecord,
        queue: RecordQueue,
        place: OutboxPlace | None = None,
        recovery: RecoverySteps | None = None,
    ) -> None:
        self.session = DatabaseSession(engine, start, queue)
        self.problem: DatabaseWriteError | None = None
        self._engine = engine
        self._start = start
        self._queue = queue
        self._place = place
        self._recovery = recovery
        self._outbox: Outbox | None = None
        self._resumed = False
        self._retry_at = 0.0
        self._pause_s = RETRY_FIRST_S
        self._trouble_since = 0.0

    @classmethod
    def resume(
        cls, engine: Engine, outbox: Outbox, session_id: int | None, lock: SessionLock | None
    ) -> Delivery:
        """Go on with the outbox of a dead program, and its session if the database knows it.

        Raises:
            sqlalchemy.exc.DBAPIError: The database cannot be used.
        """
        delivery = cls(engine, cast("SessionRecord", outbox.session), RecordQueue())
        delivery._outbox, delivery._resumed = outbox, True
        delivery._queue.lost = outbox.lost
        for record in outbox.known:
            delivery.session.known.note(record)
        if session_id is not None:
            # Two counts of the same losses: the later one is the larger.
            noted = delivery.session.resume(session_id, lock)
            delivery._queue.lost = max(outbox.lost, noted)
        return delivery

    @property
    def is_idle(self) -> bool:
        """Whether the session is begun and no record waits."""
        return bool(self.session.session_id) and not self._queue and not self.on_disk

    @property
    def on_disk(self) -> int:
        """Records that wait on disk."""
        return 0 if self._outbox is None else self._outbox.waiting

    @property
    def outbox_path(self) -> Path | None:
        """The file of the outbox, if there is one."""
        return None if self._outbox is None else self._outbox.path

    @property
    def retry_at(self) -> float:
        """When the next attempt is due, `time.monotonic`."""
        return math.inf if self.is_idle else self._retry_at

    def begin(self, patience_s: float) -> None:
        """Begin the session, waiting a while; with an outbox a failure is left to `attempt`.

        Raises:
            DatabaseWriteError: It cannot be begun, and there is no outbox.
        """
        self._create_outbox()
        if self._recovery is not None and self._outbox is not None:
            return
        deadline = time.monotonic() + patience_s
        while True:
            try:
                while not self._is_recovered():
                    pass
                self.session.begin()
            except Exception as error:
                known = isinstance(error, DatabaseError)
                passing = is_passing(error)
                if passing and not known and time.monotonic() < deadline:
                    time.sleep(RETRY_FIRST_S)
                    continue
                if passing and self._outbox is not None:
                    self._note_trouble(error)
                    return
                self.release(remove=True)
                if known or not passing:
                    raise
                raise DatabaseWriteError(
                    lazy(
                        "A session could not be started in the database %(database)s (%(why)s); "
                        "check the disk and that no other program holds it.",
                        database=self._engine.url.database,
                        why=describe(error),
                    )
                ) from error
            return

    def run_once(self) -> None:
        """Write all that waits, for a while; or move it to the outbox if it cannot be written."""
        if self.on_disk or self._recovery is not None:
            # These are newer than what is on disk; and safe there while a slow database answers.
            self._persist()
        if self.problem is None or time.monotonic() >= self._retry_at:
            self.attempt()
        if self.problem is not None and (
            time.monotonic() - self._trouble_since > PERSIST_AFTER_S or len(self._queue) > 2000
        ):
            self._persist()
        self._note_handled()

    def attempt(self) -> bool:
        """Write what waits, for a while; return whether nothing waits any more."""
        try:
            if not self._is_recovered():
                return False
            self.session.begin()
            self._drain()
            self.problem = None
            self._pause_s = RETRY_FIRST_S
        except Exception as error:
            if not self._has_trouble(error):
                raise
            return False
        finally:
            # Last: callers that wait for it also ask for the problem.
            self._note_handled()
        return self.is_idle

    def end(self, ended: SessionEnded | None, *, interrupted: bool = False) -> bool:
        """Write what waits, for a while, and end the session once nothing waits.

        Returns:
            Whether it has ended; False while records wait or the database cannot be written.
        """
        if not self.attempt():
            return False
        try:
            self.session.end(ended, interrupted=interrupted)
        except Exception as error:
            if not self._has_trouble(error):
                raise
            return False
        self.release(remove=True)
        return True

    def persist(self, ended: SessionEnded | None) -> bool:
        """Store on disk what waits, and the end; return whether the next start can write it all."""
        self._persist()
        if self._outbox is None or self._queue:
            return False
        how = ended or SessionEnded(self.session.last_moment, "stopped")
        try:
            if self._outbox.ended != how:
                known = self.session.known.records()
                self._outbox.append_end(known, how, self._queue.lost)
        except (OSError, ValueError) as error:
            self._warn_of_disk(error)
            return False
        return True

    def abandon(self, ended: SessionEnded | None) -> None:
        """Give up: what waits stays in the outbox for the next start; the rest is lost."""
        self.persist(ended)
        self._queue.abandon()
        self._note_handled()
        self.release(remove=not self.on_disk)

    def release(self, *, remove: bool) -> None:
        """Release the session and its outbox, or remove that; a second call does nothing."""
        if self._recovery is not None:
            self._recovery.close()
        if self._outbox is not None:
            self._outbox.close(remove=remove)
        self.session.release()

    def handle(self, error: BaseException) -> bool:
        """Repair what can be after a failure; return False for a mistake of the program."""
        if not is_passing(error):
            return False
        try:
            if self.session.repair(error):
                self._retry_at = 0.0
        except Exception as another:
            if not is_passing(another):
                raise
            self._note_trouble(another)
        return True

    def _has_trouble(self, error: Exception) -> bool:
        """Note and repair a failure; return False for a mistake of the program."""
        if is_passing(error):
            self._note_trouble(error)
        return self.handle(error)

    def _is_recovered(self) -> bool:
        if self._recovery is not None and self._recovery.run_part():
            self._recovery = None
        return self._recovery is None

    def _drain(self) -> None:
        until = time.monotonic() + SLICE_S
        while self._outbox is not None and self._outbox.waiting:
            outbox = self._outbox
            part = outbox.read(CHUNK)
            if part:
                self.session.write(part)
                outbox.forget(part[-1][0])
            if not outbox.waiting or not part:
                self._leave(outbox)
            if time.monotonic() > until:
                return
        while part := self._queue.read(CHUNK):
            self.session.write(part)
            self._queue.forget(part[-1][0])

    def _create_outbox(self) -> None:
        if self._outbox is not None or self._place is None:
            return
        try:
            self._outbox = Outbox.create(self._place, self._start)
        except OSError as error:
            self.session.warnings.log(
                "outbox",
                "No spool can be made in %s (%s); name another folder with --spool",
                self._place.folder,
                error.strerror,
            )

    def _persist(self) -> None:
        """Move what waits in memory to the disk; if that fails it stays in memory."""
        self._create_outbox()
        records = self._queue.read(self._queue.submitted)
        if self._outbox is None or not records:
            return
        was_empty = not self._outbox.waiting
        try:
            known = self.session.known.records()
            lost = self._outbox.append(known, records, self._queue.lost)
        except (OSError, ValueError) as error:
            self._warn_of_disk(error)
            return
        if was_empty and self._outbox.waiting:
            logger.warning(
                "Records of session %d wait in %s.", self.session.session_id, self._outbox.path
            )
        self._queue.forget(records[-1][0])
        self.session.note_lost(lost)

    def _leave(self, outbox: Outbox) -> None:
        """Empty the outbox: all in it that could be read is in the database."""
        self.session.note_lost(outbox.unreadable)
        outbox.unreadable = 0
        if self._resumed:
            # The file stays until the end of the session is in the database, too.
            outbox.waiting = 0
        else:
            outbox.clear()
        logger.info(
            "The records of session %d that waited are in the database.", self.session.session_id
        )

    def _note_handled(self) -> None:
        self._queue.note_handled(self.session.committed if self.on_disk else None)

    def _note_trouble(self, error: BaseException) -> None:
        now = time.monotonic()
        if self.problem is None:
            self._trouble_since = now
        self.problem = self.session.as_problem(error)
        self._retry_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, RETRY_MAX_S)
        self.session.warnings.log("retry", "%s Trying again.", self.problem)

    def _warn_of_disk(self, error: OSError | ValueError) -> None:
        reason = getattr(error, "strerror", None) or error
        self.session.warnings.log(
            "outbox", "The spool %s cannot be written (%s).", self.outbox_path, reason
        )

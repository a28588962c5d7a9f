"""Stores what kiosks send: one thread that puts all that waits into one transaction.

A transaction costs a flush of the disk, whether it stores one envelope or fifty.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from db.error_classes import describe, is_conflict, is_environment
from db.errors import DatabaseUnavailableError
from db.hub.intake import store_arrivals
from detector.sources.passwords import hide_passwords
from monitor.languages import lazy

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.hub.intake import Arrival, Outcome
    from monitor.hub.intake.counters import IntakeMetrics

    Entry = tuple[Arrival, Future[Outcome]]

logger = logging.getLogger(__name__)

AT_ONCE = 50
"""Envelopes in one transaction."""

GATHER_S = 0.1
"""From one transaction of several envelopes to the next, at least: about half of the work is the
same for one envelope as for ten."""

SMALL = 10
"""Records of an envelope that is not of a backlog."""

RECORDS_AT_ONCE = 100
"""Records of backlogs in one transaction, about a quarter of a second of work."""

MAX_BACKLOGS = 8
"""Envelopes of backlogs that may wait; their kiosks are told to come back."""


class CommitterFullError(Exception):
    """As many envelopes wait as are allowed, or the hub is stopping."""


class Committer:
    """The thread; ends with `close`.

    Args:
        engine: The hub's database.
        waiting: Envelopes of usual size that may wait; those of backlogs are taken in between, a
            few at a time, so that what happens now does not wait for what happened yesterday.
        metrics: Is told what becomes of envelopes.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        waiting: int = 4 * AT_ONCE,
        metrics: IntakeMetrics | None = None,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._most = waiting
        self._live: deque[Entry] = deque()
        self._backlogs: deque[Entry] = deque()
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="hub-committer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many envelopes wait, about."""
        return len(self._live) + len(self._backlogs)

    def submit(self, arrival: Arrival) -> Future[Outcome]:
        """Queue an envelope; the result comes once it is stored.

        The future raises `DatabaseUnavailableError` if the database cannot be used now.

        Raises:
            CommitterFullError: Too many wait, or the hub is stopping.
        """
        is_live = len(arrival.envelope.records) <= SMALL
        queue, most = (self._live, self._most) if is_live else (self._backlogs, MAX_BACKLOGS)
        future: Future[Outcome] = Future()
        with self._changed:
            if self._is_closing or len(queue) >= most:
                raise CommitterFullError
            queue.append((arrival, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Store what waits, then end the thread; harmless when repeated."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(15)

    def _run(self) -> None:
        while batches := self._next_batches():
            began = time.monotonic()
            for found in batches:
                batch = [one for one in found if one[1].set_running_or_notify_cancel()]
                if batch:
                    self._commit(batch)
            if len(batches[0]) > 1:  # A kiosk that is alone need not wait for others.
                time.sleep(max(0.0, began + GATHER_S - time.monotonic()))

    def _next_batches(self) -> list[list[Entry]]:
        """Wait for envelopes; return what to store next, or nothing when the hub stops.

        Those of backlogs get a separate transaction, so that the others have their answers
        before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._live or self._backlogs or self._is_closing)
            live = [self._live.popleft() for _ in range(min(AT_ONCE, len(self._live)))]
            backlogs: list[Entry] = []
            records = 0
            while self._backlogs and records < RECORDS_AT_ONCE:
                records += len(self._backlogs[0][0].envelope.records)
                backlogs.append(self._backlogs.popleft())
        return [batch for batch in (live, backlogs) if batch]

    def _commit(self, batch: list[Entry]) -> None:
        arrivals = [arrival for arrival, _ in batch]
        began = time.monotonic()
        try:
            outcomes = self._store(arrivals)
        except Exception as error:
            if is_environment(error):
                logger.warning(
                    "Envelopes cannot be stored now: %s", hide_passwords(describe(error))
                )
                failure: Exception = DatabaseUnavailableError(
                    lazy("The hub's database cannot be used now.")
                )
            elif len(batch) > 1:  # One of them is to blame; the others must not suffer.
                for one in batch:
                    self._commit([one])
                return
            else:
                logger.exception("An envelope cannot be stored")
                failure = error
            if self._metrics is not None:
                self._metrics.failed(len(batch))
            for _, future in batch:
                future.set_exception(failure)
            return
        if self._metrics is not None:
            self._metrics.committed(arrivals, outcomes, time.monotonic() - began)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)

    def _store(self, arrivals: list[Arrival]) -> list[Outcome]:
        try:
            return store_arrivals(self._engine, arrivals, datetime.now(UTC))
        except Exception as error:
            if not is_conflict(error):
                raise
            return store_arrivals(self._engine, arrivals, datetime.now(UTC))

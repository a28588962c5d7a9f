"""Stores what kiosks send: one thread that puts all that waits into one transaction.

A transaction costs a flush of the disk, whether it stores one envelope or fifty.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from db.error_classes import describe, is_conflict, is_environment
from db.errors import DatabaseUnavailableError
from db.hub.intake import store_arrivals
from detector.sources.passwords import hide_passwords

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.hub.intake import Arrival, Outcome
    from monitor.hub.metrics import IntakeMetrics

logger = logging.getLogger(__name__)

AT_ONCE = 50
"""Envelopes in one transaction."""


class CommitterFullError(Exception):
    """As many envelopes wait as are allowed, or the hub is stopping."""


class Committer:
    """The thread; ends with `close`.

    Args:
        engine: The hub's database.
        waiting: Envelopes that may wait.
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
        self._waiting: queue.Queue[tuple[Arrival, Future[Outcome]] | None] = queue.Queue(waiting)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub-committer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many envelopes wait, about."""
        return self._waiting.qsize()

    def submit(self, arrival: Arrival) -> Future[Outcome]:
        """Queue an envelope; the result comes once it is stored.

        The future raises `DatabaseUnavailableError` if the database cannot be used now.

        Raises:
            CommitterFullError: Too many wait, or the hub is stopping.
        """
        if self._closing.is_set():
            raise CommitterFullError
        future: Future[Outcome] = Future()
        try:
            self._waiting.put_nowait((arrival, future))
        except queue.Full:
            raise CommitterFullError from None
        return future

    def close(self) -> None:
        """Store what waits, then end the thread; harmless when repeated."""
        self._closing.set()
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(15)

    def _run(self) -> None:
        while True:
            found, is_last = self._next_batch()
            batch = [one for one in found if one[1].set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)
            if is_last:
                return

    def _next_batch(self) -> tuple[list[tuple[Arrival, Future[Outcome]]], bool]:
        """Wait for an envelope; return it with those behind it, and whether the hub stops."""
        batch = []
        entry = self._waiting.get()
        while entry is not None:
            batch.append(entry)
            if len(batch) == AT_ONCE:
                return batch, False
            try:
                entry = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[tuple[Arrival, Future[Outcome]]]) -> None:
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
                    "The hub's database cannot be used now."
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

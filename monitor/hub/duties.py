"""What a hub does by itself, in one of its processes at a time."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from db.engine import writing
from db.error_classes import describe, is_environment
from db.hub.leases import release, take
from detector.sources.passwords import hide_passwords

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

logger = logging.getLogger(__name__)

MIN_LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do again and again.

    Attributes:
        name: Of its lease; at most 32 characters.
        every_s: Seconds from the end of one run to the begin of the next.
        run: Does it, with the hub's database and the time, aware. Two processes may run it at once
            where one was stopped for longer than its lease, so it must bear that.
    """

    name: str
    every_s: float
    run: Callable[[Engine, datetime], None]

    @property
    def lease_s(self) -> float:
        """How long another process waits after this one has died."""
        return max(MIN_LEASE_S, 2 * self.every_s)


class Duties:
    """Runs each duty in a thread, while this process has its lease; ends with `close`.

    Another thread renews the leases, also while a run takes long.

    Args:
        engine: The hub's database.
        duties: Each with another name; see `monitor.hub.all_duties`.
    """

    def __init__(self, engine: Engine, duties: tuple[Duty, ...]) -> None:
        self._engine = engine
        self._holder = f"{socket.gethostname()[:20]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._stopping = threading.Event()
        self._running: set[Duty] = set()
        self._threads = [
            threading.Thread(target=self._perform, args=(duty,), name=f"hub-{duty.name}")
            for duty in duties
        ]
        self._threads.append(threading.Thread(target=self._renew, name="hub-leases"))
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def close(self) -> None:
        """End the threads and the leases; a run that takes long is not waited for."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        deadline = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return  # Its lease must not go to another process yet.
        try:
            with writing(self._engine) as connection:
                release(connection, self._holder)
        except Exception as error:
            if not is_environment(error):
                raise

    def _perform(self, duty: Duty) -> None:
        while not self._stopping.wait(min(duty.every_s, duty.lease_s / 3)):
            if self._take(duty):
                self._running.add(duty)
                try:
                    self._run_once(duty)
                finally:
                    self._running.discard(duty)

    def _run_once(self, duty: Duty) -> None:
        try:
            duty.run(self._engine, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 (logged; the next run may work)
            _log(f"The hub's duty {duty.name} failed", error)

    def _renew(self) -> None:
        while not self._stopping.wait(MIN_LEASE_S / 3):
            for duty in tuple(self._running):
                if not self._take(duty):
                    logger.warning("Another process took the duty %s meanwhile", duty.name)

    def _take(self, duty: Duty) -> bool:
        try:
            with writing(self._engine) as connection:
                return take(connection, duty.name, self._holder, duty.lease_s)
        except Exception as error:  # noqa: BLE001 (logged; the next attempt may work)
            _log(f"The lease of the hub's duty {duty.name} cannot be taken", error)
            return False


def _log(what: str, error: Exception) -> None:
    if is_environment(error):
        logger.warning("%s: %s", what, hide_passwords(describe(error)))
    else:
        logger.error("%s", what, exc_info=error)

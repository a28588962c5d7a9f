"""What tests that take the database away share: a stream of readings as a crowd gives them, a lock,
and patience.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tests.helpers.waiting import Stopwatch

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.engine import Engine

    from db.write.session_writer import SessionWriter

PLAY_S = 8
VIEWERS = 12
"""At ten readings a second each: 120 readings a second."""


@contextmanager
def locked(path):
    """Another program is writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@dataclass
class Feeder:
    """Submits readings of twelve viewers, ten a second each, and a play every eight seconds, until
    it is left.

    Attributes:
        submitted: Readings so far.
        refused: Readings that the writer would not take.
        longest_submit_s: The longest time that handing over a record waited; a kiosk's frame must
            not. What the thread computed, or waited for a core, is the machine's speed.
    """

    writer: SessionWriter
    make: Any
    rate: float = 10.0
    submitted: int = 0
    refused: int = 0
    plays: int = 0
    longest_submit_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Feeder:
        self.writer.submit(self.make.ad())
        self._thread = threading.Thread(target=self._run, name="feeder")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        step = 0
        started = time.monotonic()
        while not self._stop.wait(max(0.0, started + step / self.rate - time.monotonic())):
            second = step / self.rate
            if second >= PLAY_S * self.plays:
                if self.plays:
                    self.writer.submit(self.make.play_end(self.plays, second))
                self.plays += 1
                self.writer.submit(self.make.play(self.plays, second))
            for viewer in range(1, VIEWERS + 1):
                reading = self.make.reading(
                    second, viewer, self.plays, position_ms=second * 1000 % (1000 * PLAY_S)
                )
                watch, worked_s = Stopwatch(), time.thread_time()
                taken = self.writer.submit(reading)
                worked_s = time.thread_time() - worked_s
                self.longest_submit_s = max(self.longest_submit_s, watch.seconds - worked_s)
                self.submitted += taken
                self.refused += not taken
            step += 1


def stored(engine: Engine) -> tuple[int, int, int]:
    """Readings in the database, how many of them differ in viewer or time, and plays."""
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT (SELECT count(*) FROM readings), "
                "(SELECT count(*) FROM (SELECT DISTINCT viewer_id, at FROM readings) AS different), "
                "(SELECT count(*) FROM plays)"
            )
        ).one()
    return row[0], row[1], row[2]

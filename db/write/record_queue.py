"""The one queue in which the records of a session wait in memory, and the one count of losses."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from db.errors import WriterClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.write.outbox import Numbered
    from db.write.records import Record


class RecordQueue:
    """The records of a session that wait in memory, numbered from 1; for all threads.

    Args:
        size: How many may wait, at least 1.
        interval_s: Longest wait of a record before it is due.

    Attributes:
        lost: Records of the session that are not and will not be stored; the one count of them.
        submitted: Number of the last record.
    """

    def __init__(self, size: int = 1, interval_s: float = 0.0) -> None:
        self.lost = 0
        self.submitted = 0
        self._size = size
        self._interval_s = interval_s
        guard = threading.Lock()
        self._work = threading.Condition(guard)  # for the write thread: records, a flush, the end
        self._progress = threading.Condition(guard)  # for the others: room, or records stored
        self._records: deque[Numbered] = deque()
        self._seen = 0  # number of the last record that the write thread has seen
        self._fresh_since = 0.0
        self._handled = 0
        self._flush_up_to = 0
        self._closed = ""

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Record, patience_s: float, is_hopeless: Callable[[], bool]) -> bool:
        """Add a record; return False if there was no room, after a wait that is not hopeless.

        Raises:
            WriterClosedError: The queue is closed.
        """
        with self._work:
            if not self._closed and not self._has_room():
                self._work.notify()
                self._progress.wait_for(
                    lambda: self._closed or self._has_room() or is_hopeless(), patience_s
                )
            if self._closed:
                raise WriterClosedError(self._closed)
            if not self._has_room():
                self.lost += 1
                return False
            self.submitted += 1
            self._records.append((self.submitted, record))
            fresh = self.submitted - self._seen
            if fresh == 1:
                self._fresh_since = time.monotonic()
            if fresh in {1, self._size // 2}:
                self._work.notify()
            return True

    def read(self, count: int) -> list[Numbered]:
        """Return the first records that `wait` has seen, at most `count`; they stay."""
        with self._work:
            seen = self._seen - self._records[0][0] + 1 if self._records else 0
            return list(islice(self._records, max(0, min(count, seen))))

    def forget(self, number: int) -> None:
        """Remove the records up to this one."""
        with self._work:
            records = self._records
            while records and records[0][0] <= number:
                records.popleft()
            self._progress.notify_all()

    def note_lost(self, count: int) -> None:
        """Count records that will not be stored."""
        with self._work:
            self.lost += count

    def note_handled(self, number: int | None) -> None:
        """Note that all records up to this one are stored or lost; `None`: all but those here."""
        with self._work:
            if number is None:
                number = self._records[0][0] - 1 if self._records else self.submitted
            self._handled = number
            self._progress.notify_all()

    def abandon(self) -> None:
        """Lose all that waits, and refuse what comes."""
        with self._work:
            self.lost += len(self._records)
            self._records.clear()
            self._size = 0
            self._handled = self.submitted
            self._progress.notify_all()

    def close(self, sentence: str) -> None:
        """Refuse further records, with this sentence; the write thread stops waiting."""
        with self._work:
            self._closed = self._closed or sentence
            self._work.notify_all()
            self._progress.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all records so far are stored or lost; return whether they are."""
        with self._work:
            target = self._flush_up_to = self.submitted
            self._work.notify()
            return self._progress.wait_for(lambda: self._handled >= target, timeout)

    def wait(self, until: float) -> bool:
        """Wait until records are due, or a time; return False if closed and all have been seen."""
        with self._work:
            while not self._closed and (pause := min(until, self._due_at()) - time.monotonic()) > 0:
                self._work.wait(min(pause, threading.TIMEOUT_MAX))
            if self._closed and self._seen == self.submitted:
                return False
            self._seen = self.submitted
            return True

    def _has_room(self) -> bool:
        return len(self._records) < self._size

    def _due_at(self) -> float:
        fresh = self.submitted - self._seen
        if not fresh:
            return math.inf
        if self._flush_up_to > self._seen or fresh >= max(1, self._size // 2):
            return 0.0  # early, to keep room in the queue
        return self._fresh_since + self._interval_s

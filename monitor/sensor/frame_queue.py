"""Hands frames from the thread that captures them to the thread that analyses them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameQueue(Generic[T]):
    """A queue between one producer and one consumer.

    A lossless queue makes its producer wait while it is full: the result of a recording must not
    depend on the speed of the machine. In a live one a newer item replaces the one that waits,
    which counts as `dropped`.
    """

    def __init__(self, *, lossless: bool, capacity: int = 4) -> None:
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._lossless = lossless
        self._capacity = capacity
        self.dropped = 0
        self.closed = False

    def put(self, item: T) -> None:
        """Add an item, waiting for room in a lossless queue; ignored once the queue is closed."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: len(self._items) < self._capacity or self.closed)
            if self.closed:
                return
            if not self._lossless and self._items:
                self.dropped += 1
                self._items.clear()
            self._items.append(item)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """Return the next item, or `None` if none came in time or the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self.closed, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake both threads; items that wait can still be taken. Harmless when repeated."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

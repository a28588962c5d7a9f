"""How frames get from the thread that captures them to the thread that analyses them.

Two links with the same three methods: the slot keeps only the newest item, for live sources; the
lossless link makes the producer wait, for recordings, whose result must not depend on the speed of
the machine.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Link(Protocol[T]):
    """A hand-over between one producing and one consuming thread."""

    dropped: int

    def put(self, item: T) -> None:
        """Hand an item over; ignored once the link is closed."""
        ...

    def take(self, timeout_s: float) -> T | None:
        """The next item, or `None` when none came in time or the link is closed and empty."""
        ...

    def close(self) -> None:
        """Wake everybody; items already handed over can still be taken. Harmless when repeated."""
        ...


class LatestSlot(Generic[T]):
    """One place; a newer item replaces the one that waits, and the loss is counted.

    Attributes:
        dropped: Items that were replaced before they were taken.
        closed: Whether the link is closed.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self.dropped = 0
        self.closed = False

    def put(self, item: T) -> None:
        """Hand an item over without waiting."""
        with self._changed:
            if self.closed:
                return
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._changed.notify()

    def take(self, timeout_s: float) -> T | None:
        """The newest item, waiting for it at most `timeout_s` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self.closed, timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake the consumer; later items are ignored."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class LosslessLink(Generic[T]):
    """A short queue whose producer waits while it is full.

    Args:
        capacity: Items that may wait, at least 1. Defaults to 4.

    Attributes:
        dropped: Always 0; here so that both links look alike.
        closed: Whether the link is closed.
    """

    def __init__(self, capacity: int = 4) -> None:
        if capacity < 1:
            raise ValueError(f"Invalid capacity: expected at least 1, received {capacity}.")
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._capacity = capacity
        self.dropped = 0
        self.closed = False

    def put(self, item: T) -> None:
        """Hand an item over, waiting for room until the link is closed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self.closed)
            if not self.closed:
                self._items.append(item)
                self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """The oldest item, waiting for it at most `timeout_s` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self.closed, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake producer and consumer; what waits can still be taken."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

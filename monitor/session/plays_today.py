"""Counts the plays since the venue's midnight."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ads.show.playback import Play, PlaybackListener, PlayEnd


class PlaysToday:
    """Counts plays by the venue's date, from `local_now`; thread-safe, and a `PlaybackListener`.

    `then` also hears of every play.
    """

    def __init__(self, local_now: Callable[[], datetime], then: PlaybackListener) -> None:
        self._local_now = local_now
        self._then = then
        self._lock = threading.Lock()
        self._day = local_now().date()
        self._count = 0

    @property
    def count(self) -> int:
        """Plays that began today."""
        with self._lock:
            self._turn_page()
            return self._count

    def seed(self, count: int) -> None:
        """Set the number of plays so far today, such as those before a restart."""
        with self._lock:
            self._turn_page()
            self._count = count

    def play_started(self, play: Play) -> None:
        """Count a play."""
        with self._lock:
            self._turn_page()
            self._count += 1
        self._then.play_started(play)

    def play_ended(self, end: PlayEnd) -> None:
        """Pass the end of a play on."""
        self._then.play_ended(end)

    def _turn_page(self) -> None:
        today = self._local_now().date()
        if today != self._day:
            self._day, self._count = today, 0

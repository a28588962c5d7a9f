"""The one clock of a session: from monotonic nanoseconds to UTC, even if the wall clock is set.

A machine without a clock battery starts in 1970, or when it was switched off, and learns the time
minutes later. So a session runs on the monotonic clock, and UTC is tied to it: when the wall clock
is set, the tie moves, and with it every moment of the session, including stored ones.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_STEP = timedelta(seconds=2)
"""A larger difference means that the wall clock was set; a smaller one may be a leap second."""

MICROSECOND_NS = 1000


class SessionClock:
    """Ties a monotonic clock to UTC at the start of a session.

    For a recording, `ns` is 0 at its first frame. Not thread-safe: `Recorder` guards it.
    """

    def __init__(self, utc: datetime, ns: int) -> None:
        self.ns = ns
        self._ties = [(ns, utc)]

    @classmethod
    def now(cls) -> SessionClock:
        """Tie the system's two clocks now."""
        now = Clocks.read()
        return cls(now.wall, now.monotonic_ns)

    @property
    def utc(self) -> datetime:
        """When the session began, by the wall clock as it is set now."""
        return self._ties[0][1]

    def at(self, ns: int) -> datetime:
        """Return the UTC time of a moment on the monotonic clock, with microseconds."""
        place = bisect_right(self._ties, ns, key=lambda tie: tie[0])
        since_ns, utc = self._ties[max(0, place - 1)]
        return utc + timedelta(microseconds=round((ns - since_ns) / MICROSECOND_NS))

    def skip(self, ns: int, slept: timedelta) -> None:
        """Note that the machine slept just before a moment; it and later moments shift by that."""
        self._ties.append((ns, self.at(ns) + slept))

    def move(self, by: timedelta) -> None:
        """Move the whole session, because the wall clock was wrong."""
        self._ties = [(ns, utc + by) for ns, utc in self._ties]


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of the machine at one moment, in ns: wall, monotonic, and awake or asleep."""

    wall_ns: int
    monotonic_ns: int
    boot_ns: int

    @property
    def wall(self) -> datetime:
        """The wall clock in UTC, to the microsecond."""
        since = timedelta(microseconds=self.wall_ns // MICROSECOND_NS)
        return datetime(1970, 1, 1, tzinfo=UTC) + since

    @classmethod
    def read(cls) -> Clocks:
        """Read them. Where no clock counts sleep, as on macOS, sleep looks like a set clock."""
        monotonic_ns = time.monotonic_ns()
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        boot_ns = monotonic_ns if boot is None else time.clock_gettime_ns(boot)
        return cls(time.time_ns(), monotonic_ns, boot_ns)


class ClockWatch:
    """Notices that the machine slept or that its wall clock was set."""

    def __init__(self, clock: SessionClock, read: Callable[[], Clocks] = Clocks.read) -> None:
        self._clock = clock
        self._read = read
        now = read()
        self._asleep_ns = now.boot_ns - now.monotonic_ns

    def poll(self) -> timedelta | None:
        """Account for sleep; return by how much the wall clock was set, or `None` if it was not.

        The same step is returned until the session's clock has been moved.
        """
        now = self._read()
        asleep_ns = now.boot_ns - now.monotonic_ns
        if asleep_ns - self._asleep_ns > 1_000_000_000:
            slept = timedelta(microseconds=(asleep_ns - self._asleep_ns) // MICROSECOND_NS)
            self._clock.skip(now.monotonic_ns, slept)
            self._asleep_ns = asleep_ns
        step = now.wall - self._clock.at(now.monotonic_ns)
        return step if abs(step) > MIN_STEP else None

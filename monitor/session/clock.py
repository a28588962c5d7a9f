"""From the clock everything is measured on to the time of day that is stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone


@dataclass(frozen=True, slots=True)
class SessionClock:
    """Ties a monotonic clock to UTC once, at the start of a session, so that a corrected wall clock moves no reading.

    Attributes:
        utc: Time of day of the tie.
        ns: The same moment on the monotonic clock; 0 for a recording, whose clock starts with its
            first frame.
    """

    utc: datetime
    ns: int

    @classmethod
    def now(cls) -> SessionClock:
        """Tie the system's two clocks at this moment."""
        return cls(datetime.now(timezone.utc), time.monotonic_ns())

    def at(self, ns: int) -> datetime:
        """UTC, with microseconds, of a moment on the monotonic clock."""
        return self.utc + timedelta(microseconds=round((ns - self.ns) / 1000))

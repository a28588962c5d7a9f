"""The one clock of a session: from monotonic nanoseconds to UTC."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class SessionClock:
    """Ties a monotonic clock to UTC at the start of a session; a corrected clock moves no reading.

    For a recording, `ns` is 0 at its first frame.
    """

    utc: datetime
    ns: int

    @classmethod
    def now(cls) -> SessionClock:
        """Tie the system's two clocks now."""
        return cls(datetime.now(UTC), time.monotonic_ns())

    def at(self, ns: int) -> datetime:
        """Return the UTC time of a moment on the monotonic clock, with microseconds."""
        return self.utc + timedelta(microseconds=round((ns - self.ns) / 1000))

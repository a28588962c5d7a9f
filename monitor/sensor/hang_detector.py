"""Tells a process that is stuck from one that is only slow, by how long it has said nothing and what it did meanwhile.

A process that says nothing for almost two seconds is stuck if it was stopped, if it sleeps, or if
it computed all the time. It is not stuck while it waits for a processor that others have, or for a
disk: then it gets more time, because a new one would be no faster. Where the system does not tell
what a process does (only Linux has /proc), the longer time counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICK_S = 0.2
"""How often the silence is looked at."""

SILENCE_LIMIT_S = 1.8
"""A sensor that said nothing for so long, although it could, is stuck; it reports twice a second."""

STARVED_LIMIT_S = 10.0
"""The same for one that got no processor, or of which nothing is known."""

STARTUP_LIMIT_S = 60.0
"""Loading native libraries and models from a slow disk may take this long; the sensor says nothing before."""

BUSY_SHARE = 0.4
"""A process that computed for this share of its silence runs in a circle, and does not wait for a processor."""

PROC: Final = Path("/proc")
_TICKS_PER_S = 100
"""Linux counts processor time in hundredths of a second for programs, whatever the kernel's own clock (man 5 proc)."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process does.

    Attributes:
        states: One letter for each thread, as in `man 5 proc`: R runs or wants to, D waits for a
            disk, S sleeps, T stopped.
        computed_s: Processor time that it has used so far.
    """

    states: str
    computed_s: float

    @property
    def wants_to_work(self) -> bool:
        """Whether some thread waits for a processor or a disk, or has one."""
        return "R" in self.states or "D" in self.states


def activity(pid: int) -> Activity | None:
    """What a process does now; `None` where the system does not tell, or it is gone."""
    states, ticks = "", 0
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            # The name in brackets may hold anything, spaces and brackets too.
            values = (thread / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            states += values[0]
            ticks += int(values[11]) + int(values[12])
    except (OSError, ValueError, IndexError):
        return None
    return Activity(states, ticks / _TICKS_PER_S) if states else None


class HangDetector:
    """Adds up how long one process has been silent.

    Only time in which the caller itself came to look counts: neither a machine that slept nor a
    kiosk that was held up makes the other side stuck.
    """

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._looked_s = 0.0
        self._before: Activity | None = None
        self.silent_s = 0.0

    def is_stuck(
        self, waiting_since_s: float | None, now_s: float, doing: Activity | None, *, started: bool
    ) -> bool:
        """Whether the process counts as dead; to be asked every `TICK_S`.

        Args:
            waiting_since_s: When the reader began to wait for the message that has not come; `None`
                while it does not wait.
            now_s: Now, of the same monotonic clock.
            doing: What the process does.
            started: Whether it has begun to talk, and has more to say.
        """
        if waiting_since_s is None or waiting_since_s != self._since_s:
            self._since_s, self._before, self.silent_s = waiting_since_s, doing, 0.0
        else:
            self.silent_s += min(now_s - self._looked_s, 2 * TICK_S)
        self._looked_s = now_s
        return self.silent_s >= (self._limit_s(doing) if started else STARTUP_LIMIT_S)

    def _limit_s(self, doing: Activity | None) -> float:
        if doing is None or self._before is None:
            return STARVED_LIMIT_S
        idle = doing.computed_s - self._before.computed_s < BUSY_SHARE * self.silent_s
        return STARVED_LIMIT_S if doing.wants_to_work and idle else SILENCE_LIMIT_S

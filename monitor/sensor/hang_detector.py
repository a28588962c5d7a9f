"""Tells a hung process from a slow one, by how long it is silent and what it does meanwhile.

While a process waits for a processor or a disk it gets more time: a new one would be no faster.
So it does where the system does not say what a process does (only Linux has /proc).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICK_S = 0.2
"""How often the silence is checked."""

SILENCE_LIMIT_S = 1.8
"""A sensor silent for this long, although it could speak, hangs; it reports twice a second."""

STARVED_LIMIT_S = 10.0
"""The same for one that got no processor, or of which nothing is known."""

STARTUP_LIMIT_S = 60.0
"""Loading native libraries and models from a slow disk may take this long, in silence."""

PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process does, and the processor time it has used."""

    states: str
    """One letter for each thread, as in `man 5 proc`."""
    computed_s: float

    @property
    def wants_to_work(self) -> bool:
        """Whether some thread has a processor, or waits for one or for a disk."""
        return "R" in self.states or "D" in self.states


def activity(pid: int) -> Activity | None:
    """Return what a process does now; `None` where the system does not say, or if it is gone."""
    states, ticks = "", 0
    try:
        for thread in (PROC / str(pid) / "task").iterdir():
            # The name in brackets may hold spaces and brackets too.
            values = (thread / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            states += values[0]
            ticks += int(values[11]) + int(values[12])
    except (OSError, ValueError, IndexError):
        return None
    # Linux counts in hundredths of a second for programs, whatever the kernel's clock (man 5 proc).
    return Activity(states, ticks / 100) if states else None


class HangDetector:
    """Adds up how long a process has been silent, in `silent_s`.

    Only time in which the caller itself could check counts, so neither a machine that slept nor a
    kiosk that was held up makes the other side hang.
    """

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._looked_s = 0.0
        self._before: Activity | None = None
        self.silent_s = 0.0

    def is_stuck(
        self, waiting_since_s: float | None, now_s: float, doing: Activity | None, *, started: bool
    ) -> bool:
        """Return whether the process hangs; call it every `TICK_S`.

        The reader waits for a message since `waiting_since_s` (`None` if it does not); `started` is
        whether the process has begun to talk and has more to say.
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
        # One that computed for much of its silence runs in a circle.
        idle = doing.computed_s - self._before.computed_s < 0.4 * self.silent_s
        return STARVED_LIMIT_S if doing.wants_to_work and idle else SILENCE_LIMIT_S

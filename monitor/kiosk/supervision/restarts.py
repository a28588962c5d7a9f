"""When a kiosk that died is started again, and when it is better not to measure any more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MOST_DOUBLINGS = 30


@dataclass(slots=True)
class Restarts:
    """Counts deaths and answers with pauses; knows no clock of its own.

    The pauses double from death to death. After too many of them within a while, only the ads are
    shown: the camera's side is the part that a kiosk can do without. When even that dies too often,
    it is tried again with long pauses, for ever.

    Attributes:
        limit: Deaths within the window after which only the ads are shown, at least 1.
        window_s: That window, in seconds.
        first_s: Pause after the first death.
        longest_s: Longest pause while the limit is not reached.
        hopeless_s: Pause once the ads alone have reached it too.
        measure_again_s: So long after measuring was given up it is tried again.
        ads_only: Whether measuring was given up.
    """

    limit: int = 5
    window_s: float = 600.0
    first_s: float = 0.5
    longest_s: float = 5.0
    hopeless_s: float = 60.0
    measure_again_s: float = 86_400.0
    ads_only: bool = False
    _deaths: deque[float] = field(default_factory=deque)
    _gave_up_s: float = 0.0

    def died(self, now_s: float) -> float:
        """Note a death; returns how long to wait before the next start, in seconds."""
        while self._deaths and now_s - self._deaths[0] > self.window_s:
            self._deaths.popleft()
        self._deaths.append(now_s)
        if len(self._deaths) < self.limit:
            return float(
                min(
                    self.first_s * 2.0 ** min(len(self._deaths) - 1, MOST_DOUBLINGS), self.longest_s
                )
            )
        if self.ads_only:
            # No more than the limit is needed to know that it is reached.
            self._deaths.popleft()
            return self.hopeless_s
        self.ads_only = True
        self._gave_up_s = now_s
        self._deaths.clear()
        return self.first_s

    def measuring_due(self, now_s: float) -> bool:
        """Whether measuring, which was given up, should be tried again."""
        return self.ads_only and now_s - self._gave_up_s >= self.measure_again_s

    def measure_again(self) -> None:
        """Forget what was."""
        self.ads_only = False
        self._deaths.clear()

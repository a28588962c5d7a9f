"""When the kiosk speaks to its hub."""

from __future__ import annotations

import random


class TokenBucket:
    """Lets through `burst` at once, and one more every `every_s` seconds on average."""

    def __init__(self, every_s: float, burst: int) -> None:
        self._every_s = every_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Return in how many seconds the next one may pass; 0 for now."""
        if self._filled_s is not None:
            filled = max(0.0, now_s - self._filled_s) / self._every_s
            self._tokens = min(self._burst, self._tokens + filled)
        self._filled_s = now_s
        return max(0.0, (1.0 - self._tokens) * self._every_s)

    def take(self, now_s: float) -> bool:
        """Let one pass if there is room; return whether it did."""
        # A token that is a rounding error short is one.
        if self.wait_s(now_s) > 1e-6:
            return False
        self._tokens -= 1.0
        return True


class Pace:
    """Decides when an envelope is due: regularly, at once after a change, and bounded in any case.

    Args:
        every_s: Pause between two envelopes while nothing happens.
        draws: Spreads the kiosks that started together.
    """

    def __init__(self, every_s: float = 60.0, draws: random.Random | None = None) -> None:
        self._every_s = every_s
        self._draws = draws or random.Random()  # noqa: S311 (no secret)
        # A full envelope has half a megabyte, so catching up takes at most 0.8 Mbit/s.
        self._bucket = TokenBucket(every_s=5.0, burst=3)
        self._due_s: float | None = None

    def is_due(self, now_s: float, *, changed: bool) -> bool:
        """Return whether to send now, and count it if so."""
        if self._due_s is None:
            # The first envelope announces the kiosk.
            self._due_s = now_s + self._draws.uniform(0.0, 2.0)
        return (changed or now_s >= self._due_s) and self._bucket.take(now_s)

    def sent(self, now_s: float, *, more: bool) -> None:
        """Plan the next one: at once, as the bucket lets it pass, if more waits."""
        pause_s = 0.0 if more else self._every_s * self._draws.uniform(0.9, 1.1)
        self._due_s = now_s + pause_s

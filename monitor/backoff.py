"""How long to wait before the next attempt. Standard library only: the supervisor uses it too."""

from __future__ import annotations

import random
from collections import deque


class Backoff:
    """Pauses between attempts: each twice as long as the one before, up to a limit.

    `jitter` is the largest share by which a pause is shortened at random, so that the screens of
    one venue do not ask one server at the same instant.
    """

    def __init__(
        self,
        first_s: float,
        longest_s: float,
        *,
        jitter: float = 0.2,
        draws: random.Random | None = None,
    ) -> None:
        if not 0 < first_s <= longest_s:
            limits = f"received {first_s} and {longest_s}"
            raise ValueError(f"Invalid pauses: expected 0 < first_s <= longest_s, {limits}.")
        self._first_s, self._longest_s, self._jitter = first_s, longest_s, jitter
        self._draws = draws or random.Random()  # noqa: S311 (no secret)
        self._attempts = 0

    def pause_s(self) -> float:
        """Count an attempt and return the pause before the next one."""
        self._attempts += 1
        # Thirty doublings exceed every limit.
        full_s = min(self._first_s * 2.0 ** min(self._attempts - 1, 30), self._longest_s)
        return full_s * (1 - self._jitter * self._draws.random())

    def reset(self, attempts: int = 0) -> None:
        """Start over, as after so many attempts."""
        self._attempts = attempts


class RestartBackoff:
    """Pauses before restarting a process, by how often it died lately; knows no clock.

    A process that died `limit` times within `window_s` is `exhausted`, and every further pause is
    `exhausted_s`; before that, pauses double from `first_s` up to `longest_s`.
    """

    def __init__(
        self, limit: int, window_s: float, *, first_s: float, longest_s: float, exhausted_s: float
    ) -> None:
        self._limit, self._window_s, self._exhausted_s = limit, window_s, exhausted_s
        self._backoff = Backoff(first_s, longest_s, jitter=0.0)
        self._deaths: deque[float] = deque(maxlen=limit)
        self.exhausted = False

    @property
    def deaths(self) -> int:
        """Deaths within the window, at most `limit`."""
        return len(self._deaths)

    def pause_s(self, now_s: float) -> float:
        """Note a death and return the pause before the next start."""
        while self._deaths and now_s - self._deaths[0] > self._window_s:
            self._deaths.popleft()
        self._deaths.append(now_s)
        self.exhausted = len(self._deaths) >= self._limit
        if self.exhausted:
            return self._exhausted_s
        self._backoff.reset(len(self._deaths) - 1)
        return self._backoff.pause_s()

    def reset(self) -> None:
        """Forget all deaths."""
        self._deaths.clear()
        self.exhausted = False

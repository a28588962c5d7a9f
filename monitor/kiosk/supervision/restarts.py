"""When to restart a kiosk that died, and when to stop measuring."""

from __future__ import annotations

from monitor.sensor.backoff import RestartBackoff


class Restarts:
    """Answers each death of the kiosk with a pause; knows no clock.

    After `limit` deaths within `window_s` only the ads are shown: a kiosk can do without its
    camera. If even that dies as often, it is retried for ever with long pauses.
    """

    def __init__(
        self,
        limit: int = 5,
        *,
        window_s: float = 600.0,
        first_s: float = 0.5,
        longest_s: float = 5.0,
        measure_again_s: float = 86_400.0,
    ) -> None:
        self.limit, self.window_s = limit, window_s
        self.ads_only = False
        self._first_s, self._measure_again_s = first_s, measure_again_s
        self._gave_up_s = 0.0
        self._backoff = RestartBackoff(
            limit, window_s, first_s=first_s, longest_s=longest_s, exhausted_s=60.0
        )

    def died(self, now_s: float) -> float:
        """Note a death; return the pause before the next start, in seconds."""
        pause_s = self._backoff.pause_s(now_s)
        if not self._backoff.exhausted or self.ads_only:
            return pause_s
        self.ads_only, self._gave_up_s = True, now_s
        self._backoff.reset()
        return self._first_s

    def measuring_due(self, now_s: float) -> bool:
        """Return whether measuring, which was given up, should be tried again."""
        return self.ads_only and now_s - self._gave_up_s >= self._measure_again_s

    def measure_again(self) -> None:
        """Forget the deaths and measure again."""
        self.ads_only = False
        self._backoff.reset()

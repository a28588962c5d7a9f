"""How often each face is classified, and when to do less: before frames lag, not after.

Expressions build up over half a second, so classifying every frame gains nothing: viewers take
turns, and wait longer while the machine cannot keep up.
"""

from __future__ import annotations

import math

import cv2

EMOTIONS_PER_SECOND = 10.0
"""Classifications per second and viewer, besides those while an expression changes clearly; the
slowest change that matters takes half a second."""


def limit_threads() -> None:
    """Limit OpenCV to one thread in this process: with two, ten faces took 11% longer."""
    cv2.setNumThreads(1)


class ClassificationSchedule:
    """When to classify each viewer: at fixed moments, so a replay repeats exactly."""

    def __init__(self, per_second: float = EMOTIONS_PER_SECOND) -> None:
        if per_second <= 0:
            raise ValueError(
                f"Invalid per_second: expected a number above 0, received {per_second}."
            )
        self._per_second = per_second

    def slot(self, viewer: int, captured_ns: int, share: float = 1.0) -> int:
        """Return the slot of a moment; a new number asks for a new classification.

        `share` reduces the rate under load, above 0 to 1.
        """
        # Multiples of the golden ratio spread any number of viewers evenly (Weyl's sequence).
        offset = viewer * (math.sqrt(5) - 1) / 2
        return math.floor(captured_ns * self._per_second * share / 1e9 + offset)


class LoadGovernor:
    """Finds the share of the work that the machine can do; `level` is an index into `LEVELS`."""

    LEVELS = (1.0, 0.66, 0.4, 0.25)
    """Share of the work done at each level of load, from none to highest."""

    BUSY, IDLE = 0.85, 0.5
    """Share of the time between frames above which to do less, below which to do more; their ratio
    exceeds that of any two levels, so the level does not oscillate."""

    RAISE_AFTER_NS, LOWER_AFTER_NS = 500_000_000, 5_000_000_000
    """Minimum time at a level before doing less, and before doing more again."""

    MEMORY_NS = 300_000_000
    """Time constant of the mean load: single slow frames change nothing."""

    def __init__(self) -> None:
        self.level = 0
        self._load = 0.0
        self._before_ns: int | None = None
        self._changed_ns = 0

    @property
    def share(self) -> float:
        """Share of the work to do, above 0 to 1."""
        return self.LEVELS[self.level]

    def observe(self, captured_ns: int, busy_ns: int) -> None:
        """Add the time that the analysis of a frame took."""
        before, self._before_ns = self._before_ns, captured_ns
        if before is None or captured_ns <= before:
            self._changed_ns = captured_ns
            return
        interval_ns = captured_ns - before
        weight = 1.0 - math.exp(-interval_ns / self.MEMORY_NS)
        self._load += weight * (busy_ns / interval_ns - self._load)
        stayed_ns = captured_ns - self._changed_ns
        level = self.level
        if self._load > self.BUSY and stayed_ns >= self.RAISE_AFTER_NS:
            level = min(level + 1, len(self.LEVELS) - 1)
        elif self._load < self.IDLE and stayed_ns >= self.LOWER_AFTER_NS:
            level = max(level - 1, 0)
        if level != self.level:
            self.level, self._changed_ns = level, captured_ns

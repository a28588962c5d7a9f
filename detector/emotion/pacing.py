"""How often each face is classified, and when to do less: before frames lag, not after.

Expressions build up over half a second, so that a classification of every frame buys nothing.
Viewers are classified a few times a second, each at moments of its own, and less often while the
machine cannot keep up.
"""

from __future__ import annotations

import math

import cv2

EMOTIONS_PER_SECOND = 15.0
"""Classifications a second and viewer; the slowest change that matters takes half a second."""

LEVELS = (1.0, 0.66, 0.4, 0.25)
"""Share of the work that is done at each level of load, none to highest."""

BUSY = 0.85
"""Share of the time between frames that may be spent on a frame; above it the next level is taken."""

IDLE = 0.5
"""Below this share the level before is taken; less than `BUSY` times the ratio of two levels, so that it does not swing."""

RAISE_AFTER_NS = 500_000_000
LOWER_AFTER_NS = 5_000_000_000
"""Least time at a level before more is spared, and before more is done again."""

MEMORY_NS = 300_000_000
"""Time constant of the mean that is compared: single slow frames change nothing."""

GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of the golden ratio spread evenly over a period, however many there are (Weyl's sequence)."""


def hold_threads() -> None:
    """Hold OpenCV to one thread in this process.

    Its pictures are small here: on two cores, ten faces took a ninth longer with two threads than
    with one. The network's runtime has a fixed number of its own.
    """
    cv2.setNumThreads(1)


class ClassificationSchedule:
    """When each viewer is to be classified: fixed moments of the clock, so that a replay repeats itself.

    Args:
        per_second: Turns a second and viewer, above 0. Defaults to 15.

    Raises:
        ValueError: The rate is not positive.
    """

    def __init__(self, per_second: float = EMOTIONS_PER_SECOND) -> None:
        if per_second <= 0:
            raise ValueError(
                f"Invalid per_second: expected a number above 0, received {per_second}."
            )
        self._per_second = per_second

    def slot(self, viewer: int, captured_ns: int, share: float = 1.0) -> int:
        """The turn that a moment belongs to; a new number is a new turn.

        Args:
            viewer: Number of the viewer.
            captured_ns: The moment.
            share: Of the rate, above 0 to 1; less under load. Defaults to 1.
        """
        return math.floor(captured_ns * self._per_second * share / 1e9 + viewer * GOLDEN)


class LoadGovernor:
    """Finds the share of the work that the machine can do while frames keep coming.

    Attributes:
        level: Place in `LEVELS`, 0 without load.
    """

    def __init__(self) -> None:
        self.level = 0
        self._load = 0.0
        self._before_ns: int | None = None
        self._changed_ns = 0

    @property
    def share(self) -> float:
        """Share of the work to do, above 0 to 1."""
        return LEVELS[self.level]

    def observe(self, captured_ns: int, busy_ns: int) -> None:
        """Take in what a frame cost.

        Args:
            captured_ns: When the frame was captured.
            busy_ns: How long its analysis took.
        """
        before, self._before_ns = self._before_ns, captured_ns
        if before is None or captured_ns <= before:
            self._changed_ns = captured_ns
            return
        interval_ns = captured_ns - before
        weight = 1.0 - math.exp(-interval_ns / MEMORY_NS)
        self._load += weight * (busy_ns / interval_ns - self._load)
        stayed_ns = captured_ns - self._changed_ns
        if self._load > BUSY and self.level < len(LEVELS) - 1 and stayed_ns >= RAISE_AFTER_NS:
            self.level += 1
            self._changed_ns = captured_ns
        elif self._load < IDLE and self.level > 0 and stayed_ns >= LOWER_AFTER_NS:
            self.level -= 1
            self._changed_ns = captured_ns

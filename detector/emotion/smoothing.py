"""Smooth each viewer's probabilities, with a stated delay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELAY_S = 0.15
"""Delay of the smoothed probabilities after a clear change: expressions build up over half a second
or more, noise changes with every frame."""

CLEAR_CHANGE, MAX_DELAYS = 0.36, 4.0
"""Share of the probability, 0 to 1, that has to move for a change not to be noise, and how many
times the delay smaller changes are smoothed for. With 0.2 s, 0.4 and twice, a film's labels changed
13 times a minute instead of 10, averaged over ten moments at which to begin, 0.01 s later."""


class ExponentialSmoother:
    """First-order low-pass of one viewer's probabilities, by time rather than by frames.

    A clear step reaches 63% after `delay_s` (0 disables smoothing); small changes take up to
    `MAX_DELAYS` times as long. `changing` says whether the last update was a clear change.
    """

    def __init__(self, delay_s: float = DELAY_S) -> None:
        if delay_s < 0:
            raise ValueError(f"Invalid delay_s: expected at least 0, received {delay_s}.")
        self._delay_s = delay_s
        self._value: NDArray[np.float64] | None = None
        self._updated_ns = 0
        self.changing = False

    def update(self, probabilities: NDArray[np.float64], captured_ns: int) -> NDArray[np.float64]:
        """Add `(7,)` probabilities of the next frame; return the smoothed ones."""
        self.changing = False
        if self._value is None or self._delay_s == 0:
            self._value = np.array(probabilities, dtype=np.float64)
        else:
            change = probabilities - self._value
            moved = float(np.abs(change).sum()) / 2
            self.changing = moved > CLEAR_CHANGE
            small = max(0.0, 1 - moved / CLEAR_CHANGE)
            delay_s = self._delay_s * (1 + (MAX_DELAYS - 1) * small)
            share = 1.0 - math.exp(-max(0, captured_ns - self._updated_ns) / 1e9 / delay_s)
            self._value = self._value + share * change
        self._updated_ns = captured_ns
        return self._value

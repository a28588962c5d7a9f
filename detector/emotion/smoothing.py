"""Smooth each viewer's probabilities, with a stated delay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELAY_S = 0.2
"""Mean delay of the smoothed probabilities: expressions build up over half a second or more, noise
changes with every frame."""


class ExponentialSmoother:
    """First-order low-pass of one viewer's probabilities, by time rather than by frames.

    A step reaches 63 % after `delay_s` (0 disables smoothing), which is also the delay of a slow
    change.
    """

    def __init__(self, delay_s: float = DELAY_S) -> None:
        if delay_s < 0:
            raise ValueError(f"Invalid delay_s: expected at least 0, received {delay_s}.")
        self._delay_s = delay_s
        self._value: NDArray[np.float64] | None = None
        self._updated_ns = 0

    def update(self, probabilities: NDArray[np.float64], captured_ns: int) -> NDArray[np.float64]:
        """Add `(7,)` probabilities of the next frame; return the smoothed ones."""
        if self._value is None or self._delay_s == 0:
            self._value = np.array(probabilities, dtype=np.float64)
        else:
            share = 1.0 - math.exp(-max(0, captured_ns - self._updated_ns) / 1e9 / self._delay_s)
            self._value = self._value + share * (probabilities - self._value)
        self._updated_ns = captured_ns
        return self._value

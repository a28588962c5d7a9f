"""The only order of the emotions, and the two numbers derived from their probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's order; every array with an emotion axis in this project follows it."""

NEGATIVE = ("angry", "disgust", "fear", "sad")
"""The emotions whose strongest one is subtracted in the valence."""


def valence(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return `p(happy)` minus the strongest of `NEGATIVE`, -1 (unpleasant) to 1 (pleasant).

    `(..., 7)` probabilities in the order of `EMOTIONS` become `(...)`.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    negative = p[..., [EMOTIONS.index(name) for name in NEGATIVE]].max(axis=-1)
    return np.asarray(p[..., EMOTIONS.index("happy")] - negative)


def expressiveness(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return `1 - p(neutral)`, 0 to 1: `(..., 7)` probabilities become `(...)`."""
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(1.0 - p[..., EMOTIONS.index("neutral")])

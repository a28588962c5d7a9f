"""The one and only order of the emotions, and the two numbers derived from a reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's order; every array with an emotion axis in this project follows it."""

NEGATIVE = ("angry", "disgust", "fear", "sad")
"""The emotions whose strongest one is subtracted in the valence."""

_HAPPY = EMOTIONS.index("happy")
_NEUTRAL = EMOTIONS.index("neutral")
_NEGATIVE = [EMOTIONS.index(name) for name in NEGATIVE]


def valence(probabilities: ArrayLike) -> NDArray[np.float64]:
    """How pleasant an expression is: `p(happy) - max(p(angry), p(disgust), p(fear), p(sad))`.

    Args:
        probabilities: Shape `(..., 7)`, in the order of `EMOTIONS`, each 0 to 1.

    Returns:
        Shape `(...)`, -1 (unpleasant) to 1 (pleasant).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(p[..., _HAPPY] - p[..., _NEGATIVE].max(axis=-1))


def expressiveness(probabilities: ArrayLike) -> NDArray[np.float64]:
    """How far an expression is from neutral: `1 - p(neutral)`.

    Args:
        probabilities: Shape `(..., 7)`, in the order of `EMOTIONS`, each 0 to 1.

    Returns:
        Shape `(...)`, 0 to 1.
    """
    return np.asarray(1.0 - np.asarray(probabilities, dtype=np.float64)[..., _NEUTRAL])

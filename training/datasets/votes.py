"""Labels from the votes of FER+'s ten taggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.labels import EMOTIONS
from training.datasets.faces import NO_LABEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOTE_LABELS = (*EMOTIONS, "contempt")
"""The eight FER+ emotions, the usual seven first: dropping the last column leaves those."""


def majority(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the FER+ authors' majority label (Barsoum et al., 2016) of `(n, 10)` votes.

    Single votes are dropped; a label needs more than half of the remaining votes. Rows without one,
    and rows won by unknown or not-a-face, get `NO_LABEL`.
    """
    kept = np.where(votes > 1, votes, 0.0)
    winner = kept.argmax(axis=1)
    won = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(won & (winner < len(VOTE_LABELS)), winner, NO_LABEL)


def plurality(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the emotion with the most of `(n, 10)` votes, the first on a tie, or `NO_LABEL`."""
    emotions = votes[:, : len(VOTE_LABELS)]
    return np.where(emotions.max(axis=1) > 0, emotions.argmax(axis=1), NO_LABEL)


def soft_labels(votes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return `(n, 8)` distributions of `(n, 10)` votes over the emotions, single votes dropped.

    The second result tells which rows are usable: those won by unknown or not-a-face, or without
    any vote for an emotion, are not, and are uniform.
    """
    kept = np.where(votes > 1, votes, 0.0)
    emotions = kept[:, : len(VOTE_LABELS)]
    total = emotions.sum(axis=1, keepdims=True)
    usable = (total[:, 0] > 0) & (kept.argmax(axis=1) < len(VOTE_LABELS))
    uniform = np.full_like(emotions, 1.0 / len(VOTE_LABELS))
    return np.where(usable[:, None], emotions / np.maximum(total, 1.0), uniform), usable

"""Whether 70 % means 70 %: bins of confidence, the temperature, and the point below which a verdict is a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from detector.emotion.classifier import probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

ECE_BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Wide enough for a network that is sure of everything; beyond, it is not its temperature that is wrong."""
SMALLEST_WINDOW = 20
"""Rows; fewer are no evidence that a confidence deserves no trust."""


@dataclass(frozen=True)
class ReliabilityBins:
    """Confidence against accuracy, over equal bins from 0 to 1; a bin without rows has zeros.

    Attributes:
        counts: `(bins,)` rows.
        confidence: `(bins,)` mean confidence of the rows, 0 to 1.
        correctness: `(bins,)` mean accuracy of the rows, 0 to 1.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    correctness: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al., 2015): mean gap between the two; NaN without rows."""
        rows = self.counts.sum()
        if rows == 0:
            return float("nan")
        return float((self.counts * np.abs(self.confidence - self.correctness)).sum() / rows)


def reliability_bins(
    confidence: NDArray[np.float64], correctness: NDArray[np.float64], bins: int = ECE_BINS
) -> ReliabilityBins:
    """Sort predictions into bins of confidence.

    Args:
        confidence: `(n,)` probability of the predicted label, 0 to 1.
        correctness: `(n,)` 1 where the prediction is right, 0 where it is wrong; or the share of the
            votes that the predicted label got.
        bins: Bins of equal width over 0 to 1. Defaults to 15.
    """
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(which, minlength=bins)
    divisor = np.maximum(counts, 1)
    return ReliabilityBins(
        counts,
        np.bincount(which, weights=confidence, minlength=bins) / divisor,
        np.bincount(which, weights=correctness, minlength=bins) / divisor,
    )


def calibration_error(
    confidence: NDArray[np.float64], correctness: NDArray[np.float64], bins: int = ECE_BINS
) -> float:
    """Expected calibration error, see `ReliabilityBins.error` and, for the arguments, `reliability_bins`.

    Returns:
        0 (what is said with 70 % certainty is right in 70 % of the cases) to 1; NaN without rows.
    """
    return reliability_bins(confidence, correctness, bins).error


def fit_temperature(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """The temperature that makes the probabilities fit the targets best (Guo et al., 2017, on soft labels).

    Args:
        logits: `(n, classes)`.
        targets: `(n, classes)` votes, a distribution, or a one at the label; rows of nothing but
            zeros do not count.

    Returns:
        The minimiser of the cross-entropy with the targets' distributions, 0.05 to 20; 1 without
        any row that counts.
    """
    total = targets.sum(axis=1)
    counted = total > 0
    if not counted.any():
        return 1.0
    wanted = targets[counted] / total[counted, None]
    kept = logits[counted]

    def cross_entropy(log_temperature: float) -> float:
        predicted = probabilities(kept, float(np.exp(log_temperature)))
        return float(-(wanted * np.log(np.maximum(predicted, 1e-12))).sum(axis=1).mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(
        cross_entropy, bounds=(low, high), method="bounded", options={"xatol": 1e-5}
    )
    return float(np.exp(found.x))


def uncertain_threshold(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The confidence at which predictions stop being wrong more often than right.

    Args:
        confidence: `(n,)` highest probability of each row.
        correct: `(n,)` whether the prediction is right.

    Returns:
        The highest confidence, rounded to two digits, around which fewer than half of the
        predictions are right (running mean over a fortieth of the rows, at least 20); 0 if there is
        none.
    """
    window = max(SMALLEST_WINDOW, len(confidence) // 40)
    if len(confidence) < window:
        return 0.0
    order = np.argsort(confidence, kind="stable")
    around = np.convolve(correct[order], np.full(window, 1 / window), mode="valid")
    mostly_wrong = np.flatnonzero(around < 0.5)
    return (
        round(float(confidence[order][mostly_wrong[-1] + window // 2]), 2)
        if len(mostly_wrong)
        else 0.0
    )

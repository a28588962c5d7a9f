"""Calibration: reliability bins, the temperature, and the threshold of uncertainty."""

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
"""Wide enough for a network that is sure of everything."""


@dataclass(frozen=True)
class ReliabilityBins:
    """Rows, mean confidence and mean correctness in equal bins from 0 to 1; zeros without rows."""

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    correctness: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al., 2015), 0 to 1; NaN without rows."""
        if not self.counts.any():
            return float("nan")
        return float(np.average(np.abs(self.confidence - self.correctness), weights=self.counts))


def reliability_bins(
    confidence: NDArray[np.float64], correctness: NDArray[np.float64], bins: int = ECE_BINS
) -> ReliabilityBins:
    """Sort predictions into bins of confidence.

    `confidence` is the probability of the predicted label, `correctness` 1 or 0, or the share of
    the votes for it.
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
    """Return `ReliabilityBins.error`, 0 (70% certain is right in 70% of the cases) to 1."""
    return reliability_bins(confidence, correctness, bins).error


def fit_temperature(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return the temperature, 0.05 to 20, that fits soft labels best (Guo et al., 2017).

    `(n, classes)` targets are votes, distributions or one-hot; all-zero rows do not count. 1
    without rows.
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

    found = minimize_scalar(
        cross_entropy, bounds=tuple(np.log(TEMPERATURES)), method="bounded", options={"xatol": 1e-5}
    )
    return float(np.exp(found.x))


def uncertain_threshold(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Return the confidence at which predictions stop being wrong more often than right.

    It is the highest, to two digits, around which fewer than half of the predictions are right, by
    a running mean over a fortieth of the rows, at least 20; 0 if there is none.
    """
    window = max(20, len(confidence) // 40)
    if len(confidence) < window:
        return 0.0
    order = np.argsort(confidence, kind="stable")
    around = np.convolve(correct[order], np.full(window, 1 / window), mode="valid")
    mostly_wrong = np.flatnonzero(around < 0.5)
    if len(mostly_wrong) == 0:
        return 0.0
    return round(float(confidence[order][mostly_wrong[-1] + window // 2]), 2)

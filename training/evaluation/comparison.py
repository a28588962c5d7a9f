"""Compare two models on the same faces, with a paired test and an interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest

from training.evaluation.evaluate import confusion_matrix, document, predict, restricted, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.emotion.classifier import EmotionClassifier
    from training.datasets.faces import FaceDataset
    from training.evaluation.evaluate import Against

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scores:
    """What one model reached; see `training.evaluation.evaluate.document`."""

    model: str
    accuracy: float
    macro_f1: float
    ece: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same `n` rows.

    `both_right` to `both_wrong` count rows by who was right; `p_value` is that of the exact McNemar
    test (1947); `difference` is accuracy of the second minus the first, `low` to `high` its 95%
    interval (Newcombe, 1998, method 10).
    """

    first: Scores
    second: Scores
    n: int
    against: str
    labels: tuple[str, ...]
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float
    difference: float
    low: float
    high: float

    def document(self) -> dict[str, Any]:
        """Return the comparison as JSON can hold it."""
        return asdict(self) | {"labels": list(self.labels)}

    def sentence(self) -> str:
        """Return the result as a sentence."""
        points, low, high = (100 * value for value in (self.difference, self.low, self.high))
        more = "more" if points >= 0 else "less"
        sure = "hardly chance" if self.p_value < 1 - CONFIDENCE else "may well be chance"
        return (
            f"{self.second.model} is right on {abs(points):.1f} points {more} of the faces than "
            f"{self.first.model} (95% interval {low:+.1f} to {high:+.1f}, p = {self.p_value:.3g}: "
            f"{sure}; {self.n:,} faces, against {self.against})."
        )


def compare(
    first: EmotionClassifier,
    second: EmotionClassifier,
    faces: FaceDataset,
    against: Against = "majority",
    labels: Sequence[str] | None = None,
) -> Comparison:
    """Measure two models on the same faces; see `evaluate`."""
    known = [label for label in first.card.labels if label in second.card.labels]
    selection = select(faces, against, labels, known)
    images = faces.images[selection.rows]
    scores, right = [], []
    for classifier in (first, second):
        found = restricted(predict(classifier, images), classifier.card.labels, selection.labels)
        figures = document(selection, found)
        scores.append(
            Scores(classifier.card.name, figures["accuracy"], figures["macro_f1"], figures["ece"])
        )
        right.append((found.argmax(axis=1) == selection.truth).astype(np.int64))
    table = confusion_matrix(right[0], right[1], 2).tolist()
    (both_wrong, only_second), (only_first, both_right) = table
    low, high = paired_interval(both_right, only_first, only_second, both_wrong)
    return Comparison(
        first=scores[0],
        second=scores[1],
        n=len(selection),
        against=against,
        labels=selection.labels,
        both_right=both_right,
        only_first=only_first,
        only_second=only_second,
        both_wrong=both_wrong,
        p_value=mcnemar(only_first, only_second),
        difference=(only_second - only_first) / len(selection),
        low=low,
        high=high,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value of the exact McNemar test on the rows where only one is right."""
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)


def paired_interval(
    both_right: int,
    only_first: int,
    only_second: int,
    both_wrong: int,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the interval of a difference of paired shares, second minus first.

    Newcombe (1998), method 10: Wilson intervals of both shares, joined with their correlation,
    corrected for continuity. It stays within -1 to 1 and holds its coverage where few rows differ.
    """
    first, second = both_right + only_first, both_right + only_second
    n = first + only_second + both_wrong
    low_first, high_first = wilson_interval(first, n, confidence)
    low_second, high_second = wilson_interval(second, n, confidence)
    together = float(both_right) * both_wrong - float(only_first) * only_second
    if together > 0:
        together = max(together - n / 2, 0.0)
    scale = math.sqrt(float(first) * (n - first) * second * (n - second))
    correlation = together / scale if scale else 0.0
    share_first, share_second = first / n, second / n
    below, above = share_second - low_second, high_second - share_second
    below_first, above_first = share_first - low_first, high_first - share_first
    down = math.sqrt(max(0.0, below**2 - 2 * correlation * below * above_first + above_first**2))
    up = math.sqrt(max(0.0, above**2 - 2 * correlation * above * below_first + below_first**2))
    difference = share_second - share_first
    return difference - down, difference + up


def wilson_interval(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of a share (Wilson, 1927)."""
    low, high = binomtest(hits, n).proportion_ci(confidence, "wilson")
    return float(low), float(high)

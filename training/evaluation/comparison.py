"""Is one model better than another: both on the same faces, with a paired test and an interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scipy.stats import binomtest, norm

from training.evaluation.evaluate import document, judge, predict, restricted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.emotion.classifier import EmotionClassifier
    from training.datasets.faces import FaceDataset
    from training.evaluation.evaluate import Against

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scores:
    """What one model reached.

    Attributes:
        model: Its name.
        accuracy: Share of right predictions, 0 to 1.
        macro_f1: Mean F1 over the labels, 0 to 1.
        ece: Expected calibration error, see `training.evaluation.evaluate.document`.
    """

    model: str
    accuracy: float
    macro_f1: float
    ece: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        first, second: Their scores.
        n: Rows.
        against: Which labels were the truth.
        labels: The labels that were told apart. both_right, only_first, only_second, both_wrong:
        Rows by who was right; they sum to `n`. p_value: Of the exact McNemar test (1947): how
        likely so uneven a split of the rows on which only one is right would
            be, were both models equally good.
        difference: Accuracy of the second minus that of the first.
        low, high: 95 % interval of the difference (Newcombe, 1998, method 10).
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
        """The comparison as JSON can hold it."""
        return asdict(self) | {"labels": list(self.labels)}

    def sentence(self) -> str:
        """The verdict for people."""
        points, low, high = (100 * value for value in (self.difference, self.low, self.high))
        who = f"{self.second.model} is right on {abs(points):.1f} points {'more' if points >= 0 else 'less'} of the faces "
        sure = "hardly chance" if self.p_value < 1 - CONFIDENCE else "may well be chance"
        return (
            f"{who}than {self.first.model} (95 % interval {low:+.1f} to {high:+.1f}, p = {self.p_value:.3g}: {sure}; "
            f"{self.n:,} faces, against {self.against})."
        )


def compare(
    first: EmotionClassifier,
    second: EmotionClassifier,
    faces: FaceDataset,
    against: Against = "majority",
    labels: Sequence[str] | None = None,
) -> Comparison:
    """Measure two models on the same faces.

    Args:
        first: One model.
        second: The other.
        faces: Rows to measure on.
        against: Which labels are the truth. Defaults to the FER+ majority.
        labels: Labels to tell apart. Defaults to all that both models and the truth share.

    Raises:
        DatasetError: See `training.evaluation.evaluate.judge`.
    """
    known = [label for label in first.card.labels if label in second.card.labels]
    judged = judge(faces, against, labels, known)
    images = faces.images[judged.rows]
    scores, right = [], []
    for classifier in (first, second):
        found = restricted(predict(classifier, images), classifier.card.labels, judged.labels)
        figures = document(judged, found)
        scores.append(
            Scores(classifier.card.name, figures["accuracy"], figures["macro_f1"], figures["ece"])
        )
        right.append(found.argmax(axis=1) == judged.truth)
    both_right = int((right[0] & right[1]).sum())
    only_first = int((right[0] & ~right[1]).sum())
    only_second = int((~right[0] & right[1]).sum())
    both_wrong = len(judged) - both_right - only_first - only_second
    low, high = paired_interval(both_right, only_first, only_second, both_wrong)
    return Comparison(
        first=scores[0],
        second=scores[1],
        n=len(judged),
        against=against,
        labels=judged.labels,
        both_right=both_right,
        only_first=only_first,
        only_second=only_second,
        both_wrong=both_wrong,
        p_value=mcnemar(only_first, only_second),
        difference=(only_second - only_first) / len(judged),
        low=low,
        high=high,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact McNemar test: two-sided binomial test of the rows on which only one is right; 1 without such a row."""
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)


def paired_interval(
    both_right: int,
    only_first: int,
    only_second: int,
    both_wrong: int,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Interval of the difference of two paired shares, second minus first (Newcombe, 1998, method 10).

    Wilson intervals of both shares, joined with the correlation between them, which is corrected
    for continuity. It stays within -1 to 1 and holds its coverage where few rows differ.

    Args:
        both_right, only_first, only_second, both_wrong: Rows by who was right; at least one row.
        confidence: Of the interval, 0 to 1. Defaults to 0.95.
    """
    n = both_right + only_first + only_second + both_wrong
    share_second, share_first = (both_right + only_second) / n, (both_right + only_first) / n
    low_second, high_second = wilson_interval(both_right + only_second, n, confidence)
    low_first, high_first = wilson_interval(both_right + only_first, n, confidence)
    correlation = _correlation(both_right, only_first, only_second, both_wrong)
    below, above = share_second - low_second, high_second - share_second
    below_first, above_first = share_first - low_first, high_first - share_first
    down = math.sqrt(max(0.0, below**2 - 2 * correlation * below * above_first + above_first**2))
    up = math.sqrt(max(0.0, above**2 - 2 * correlation * above * below_first + below_first**2))
    difference = share_second - share_first
    return difference - down, difference + up


def wilson_interval(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of a share (Wilson, 1927)."""
    z = float(norm.ppf((1 + confidence) / 2))
    share = hits / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _correlation(both_right: int, only_first: int, only_second: int, both_wrong: int) -> float:
    first, second = both_right + only_first, both_right + only_second
    n = first + only_second + both_wrong
    scale = math.sqrt(float(first) * (n - first) * second * (n - second))
    if scale == 0:
        return 0.0
    together = float(both_right) * both_wrong - float(only_first) * only_second
    corrected = max(together - n / 2, 0.0) if together > 0 else together
    return corrected / scale

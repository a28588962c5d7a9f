"""How well faces of different groups are found and read, by labels that a table gives.

Groups are only ever read from the table: nothing here, or elsewhere, estimates the group of a
person. Pictures stay in memory, one at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student_t

from detector.emotion.classifier import classify, crop_geometry
from detector.emotion.preprocessing import face_crops
from detector.errors import PictureDecodeError
from detector.faces.detector import MediaPipeFaceDetector
from detector.faces.head_pose import head_pose
from detector.faces.quality import CHECKS, QualityGate
from detector.sources.image_decoder import decode_picture
from training.datasets.folders import MAX_FILE_BYTES
from training.datasets.report import SkippedError
from training.errors import DatasetError
from training.evaluation.comparison import CONFIDENCE, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from training.evaluation.group_labels import GroupTable, LabelledPicture

MIN_PICTURES = 30
"""Figures that rest on fewer pictures are withheld: their intervals would be about as wide as any
difference between groups that has been published."""


@dataclass(frozen=True)
class Look:
    """What the pipeline made of a picture; values are `None` where there is nothing to measure.

    Attributes:
        found: Whether a face was found.
        detection: Confidence of the detection of the largest face.
        withheld: Why its expression is not read, one of `CHECKS`.
        confidence: Highest probability of the expressions.
        uncertain: Whether that is below the model card's threshold.
        right: Whether the expression is that of the table.
    """

    found: bool
    detection: float | None = None
    withheld: str | None = None
    confidence: float | None = None
    uncertain: bool | None = None
    right: bool | None = None


@dataclass(frozen=True)
class Measure:
    """A figure by group: its key in the document, what to call it, and its value for a picture.

    `share` tells shares of pictures from means of values between 0 and 1.
    """

    key: str
    title: str
    value: Callable[[Look], float | bool | None]
    share: bool


MEASURES = (
    Measure("found", "faces found", lambda look: look.found, True),
    Measure("detection_confidence", "confidence of detection", lambda look: look.detection, False),
    Measure(
        "withheld",
        "expressions not read",
        lambda look: look.withheld is not None if look.found else None,
        True,
    ),
    Measure("confidence", "confidence of the expression", lambda look: look.confidence, False),
    Measure("uncertain", "uncertain expressions", lambda look: look.uncertain, True),
    Measure("accuracy", "expressions read right", lambda look: look.right, True),
)


@dataclass(frozen=True)
class Estimate:
    """The mean of a measure over `n` pictures, with its 95% interval.

    Shares have Wilson's interval, means Student's.
    """

    n: int
    mean: float
    spread: float
    share: bool

    @classmethod
    def of(cls, values: Sequence[float], *, share: bool) -> Estimate:
        """Return the estimate from the values of at least one picture."""
        numbers = np.asarray(values, dtype=np.float64)
        spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan
        return cls(len(numbers), float(numbers.mean()), spread, share)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the interval of the mean, within 0 and 1."""
        if self.share:
            return wilson_interval(round(self.mean * self.n), self.n, confidence)
        if self.n < 2:
            return 0.0, 1.0
        half = self.spread / math.sqrt(self.n)
        half *= float(student_t.ppf((1 + confidence) / 2, self.n - 1))
        return max(0.0, self.mean - half), min(1.0, self.mean + half)

    def document(self) -> dict[str, Any]:
        """Return the estimate as JSON can hold it."""
        low, high = self.interval()
        return {"n": self.n, "value": self.mean, "low": low, "high": high}


def look_at(
    pictures: GroupTable,
    classifier: EmotionClassifier,
    tell: Callable[[int, int], None] | None = None,
) -> list[Look | None]:
    """Find, check and read the largest face of each picture, as the camera's pipeline does.

    Pictures that cannot be read give `None`; the table's `reading` counts them. `tell` is called
    after each picture with the number done and their total. Raises `DatasetError` if none can be
    read.
    """
    looks: list[Look | None] = []
    with MediaPipeFaceDetector() as detector:
        for picture in pictures.pictures:
            try:
                image = _read(picture)
            except SkippedError as error:
                pictures.reading.skip(error.reason, f"{picture.file.name}: {error}")
                pictures.reading.read -= 1
                looks.append(None)
            else:
                looks.append(_look(detector, classifier, image, picture.expression))
            if tell is not None:
                tell(len(looks), len(pictures.pictures))
    if not any(looks):
        raise DatasetError(
            "None of the pictures can be read; files are looked for relative to the table of group "
            f"labels. {' '.join(pictures.reading.sentences())}"
        )
    return looks


def _read(picture: LabelledPicture) -> NDArray[np.uint8]:
    try:
        if not picture.file.is_file():
            reason = "is no file" if picture.file.exists() else "there is no such file"
            raise SkippedError("files that cannot be read", reason)
        if picture.file.stat().st_size > MAX_FILE_BYTES:
            raise SkippedError("files that are too large", f"expected at most {MAX_FILE_BYTES:,} B")
        return decode_picture(picture.file.read_bytes(), name=picture.file.name)
    except OSError as error:
        raise SkippedError("files that cannot be read", error.strerror or "unknown") from error
    except PictureDecodeError as error:
        raise SkippedError("files that are no pictures, or damaged", str(error)) from error


def _look(
    detector: MediaPipeFaceDetector,
    classifier: EmotionClassifier,
    image: NDArray[np.uint8],
    expression: str | None,
) -> Look:
    found = detector.detect_still(image)
    if not found:
        return Look(found=False)
    height, width = image.shape[:2]
    face = max(found, key=lambda face: face.box.width * face.box.height)
    pose = head_pose(face.keypoints, width, height)
    crops = face_crops(image, [face.box], crop_geometry(classifier.card), [pose.roll])
    withheld = QualityGate().check(crops, [face.box], width, height, [pose])[0].reason
    if withheld is not None:
        return Look(True, face.confidence, withheld)
    card, scores = classifier.card, classify(classifier, crops)[0]
    known = expression in card.labels
    right = card.labels[int(scores.argmax())] == expression if known else None
    confidence = float(scores.max())
    return Look(True, face.confidence, None, confidence, confidence < card.uncertain_below, right)


def by_group(
    table: GroupTable, looks: Sequence[Look | None], *, min_pictures: int = MIN_PICTURES
) -> dict[str, Any]:
    """Return the document of `evaluate --groups --json`.

    `groups` holds for each column the `groups` with their estimates, `differences` between them,
    and `sentences` that say the latter in words. Groups with fewer than `min_pictures` pictures
    have only their number of pictures and a sentence.
    """
    seen = [
        (picture, look)
        for picture, look in zip(table.pictures, looks, strict=True)
        if look is not None
    ]
    measures = [it for it in MEASURES if it.key != "accuracy" or table.has_expressions]
    return {
        "pictures": len(seen),
        "min_pictures": min_pictures,
        "overall": _figures([look for _, look in seen], measures, min_pictures)[0],
        "groups": {
            column: _column(
                {
                    group: [look for picture, look in seen if picture.groups.get(column) == group]
                    for group in _in_order(
                        picture.groups[column] for picture, _ in seen if column in picture.groups
                    )
                },
                measures,
                min_pictures,
            )
            for column in table.columns
        },
        "reading": table.reading.sentences(),
    }


def _in_order(names: Iterable[str]) -> list[str]:
    """Return the names once each; bands such as 3-9, 10-19 and more than 70 by their number."""

    def key(name: str) -> tuple[float, str]:
        digits = "".join(c if c.isdigit() else " " for c in name).split()
        return (int(digits[0]) if digits else -1, name.casefold())

    return sorted(set(names), key=key)


def _column(
    groups: dict[str, list[Look]], measures: Sequence[Measure], min_pictures: int
) -> dict[str, Any]:
    documents, estimates = [], {}
    small = []
    for group, looks in groups.items():
        figures, found = _figures(looks, measures, min_pictures)
        documents.append({"group": group} | figures)
        estimates[group] = found
        if len(looks) < min_pictures:
            small.append(f"{group} ({len(looks)})")
    differences, sentences = {}, []
    for measure in measures:
        known = {
            group: found[measure.key] for group, found in estimates.items() if measure.key in found
        }
        if len(known) >= 2:
            differences[measure.key] = compared = _compared(known)
            sentences.append(_sentence(measure, compared))
    if small:
        sentences.append(
            f"Withheld, because fewer than {min_pictures} pictures show nothing: "
            f"{', '.join(small)}."
        )
    return {"groups": documents, "differences": differences, "sentences": sentences}


def _figures(
    looks: Sequence[Look], measures: Sequence[Measure], min_pictures: int
) -> tuple[dict[str, Any], dict[str, Estimate]]:
    """Return the document of a group, and its estimates by the key of the measure."""
    document: dict[str, Any] = {"pictures": len(looks)}
    estimates = {}
    for measure in measures:
        values = [float(value) for look in looks if (value := measure.value(look)) is not None]
        if len(values) >= min_pictures:
            estimates[measure.key] = Estimate.of(values, share=measure.share)
        document[measure.key] = (
            estimates[measure.key].document() if measure.key in estimates else None
        )
    if "withheld" in estimates:
        counts = Counter(look.withheld for look in looks)
        document["withheld"]["reasons"] = {name: counts[name] for name in CHECKS if counts[name]}
    return document, estimates


def _compared(known: dict[str, Estimate]) -> dict[str, Any]:
    """Compare all pairs of groups; intervals hold for all of them together (Bonferroni).

    Returns the pair that surely differs most, else the pair with the largest difference, and
    `bound`, which no difference between two groups exceeds, at 95% confidence.
    """
    pairs = list(combinations(known, 2))
    confidence = 1 - (1 - CONFIDENCE) / len(pairs)
    rows = []
    for pair in pairs:
        high, low = sorted(pair, key=lambda group: -known[group].mean)
        below, above = difference_interval(known[high], known[low], confidence)
        rows.append((below > 1e-9, known[high].mean - known[low].mean, below, above, high, low))
    shown, difference, below, above, high, low = max(rows, key=lambda row: row[:2])
    return {
        "shown": shown,
        "higher": high,
        "lower": low,
        "difference": difference,
        "low": below,
        "high": above,
        "bound": max(row[3] for row in rows),
        "pairs": len(pairs),
    }


def difference_interval(
    first: Estimate, second: Estimate, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the interval of the first mean minus the second, of different pictures.

    Newcombe (1998), method 10, for shares; Welch's for means.
    """
    difference = first.mean - second.mean
    if first.share:
        (low, high), (other_low, other_high) = (it.interval(confidence) for it in (first, second))
        return (
            difference - math.hypot(first.mean - low, other_high - second.mean),
            difference + math.hypot(high - first.mean, second.mean - other_low),
        )
    parts = [it.spread**2 / it.n for it in (first, second)]
    error = math.sqrt(sum(parts))
    if error < 1e-12:  # all values alike, to rounding
        return difference, difference
    freedom = error**4 / sum(
        part**2 / (it.n - 1) for part, it in zip(parts, (first, second), strict=True)
    )
    half = float(student_t.ppf((1 + confidence) / 2, freedom)) * error
    return difference - half, difference + half


def _sentence(measure: Measure, found: dict[str, Any]) -> str:
    title = measure.title.capitalize()
    points, low, high, bound = (100 * found[key] for key in ("difference", "low", "high", "bound"))
    if not found["shown"]:
        return (
            f"{title}: no difference between groups is shown; none is larger than "
            f"{bound:.1f} points."
        )
    among = f", the largest of {found['pairs']} pairs" if found["pairs"] > 1 else ""
    return (
        f"{title}: {points:.1f} points more for {found['higher']} than for {found['lower']} "
        f"({low:.1f} to {high:.1f}{among})."
    )

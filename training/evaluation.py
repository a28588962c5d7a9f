"""How good a classifier is, on faces with known labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detector.classifier import classify
from detector.emotions import EMOTIONS
from training.datasets import NO_LABEL, DatasetError, FaceDataset, majority, plurality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.classifier import EmotionClassifier

Against = Literal["original", "majority", "plurality", "happy-sad"]

ECE_BINS = 15
BATCH = 256


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.float64], bins: int = ECE_BINS) -> float:
    """Expected calibration error (Naeini et al., 2015): mean gap between confidence and accuracy, over equal bins.

    Args:
        confidence: `(n,)` probability of the predicted label, 0 to 1.
        correct: `(n,)` 1 where the prediction is right, 0 where it is wrong; or the share of the votes that the predicted
            label got.
        bins: Bins of equal width over 0 to 1. Defaults to 15.

    Returns:
        0 (what is said with 70 % certainty is right in 70 % of the cases) to 1; NaN without rows.
    """
    if len(confidence) == 0:
        return float("nan")
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    gaps = np.bincount(which, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / counts.sum())


def vote_shares(votes: NDArray[np.float64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of the votes for some emotions that each prediction got; 0 where there is none.

    Args:
        votes: `(n, classes)` votes for the emotions that could be predicted.
        predicted: `(n,)` index into the classes.
    """
    return np.asarray(votes[np.arange(len(votes)), predicted] / np.maximum(votes.sum(axis=1), 1.0))


def confusion_matrix(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """`(classes, classes)` counts; rows are the truth, columns the predictions."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def per_class(confusion: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Precision, recall and F1 of each class from a confusion matrix; 0 where a class was never predicted or present."""
    hits = np.diag(confusion).astype(np.float64)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {"precision": precision, "recall": recall, "f1": f1}


def judged_rows(faces: FaceDataset, against: Against) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows count, and their labels.

    Returns:
        `(m,)` row numbers, and `(m,)` index into `EMOTIONS` of the truth.

    Raises:
        DatasetError: The labels need votes and the dataset has none.
    """
    if against in {"majority", "plurality"} and faces.votes is None:
        raise DatasetError(f"Measuring against the FER+ {against} needs the vote file: name it with --votes.")
    if against == "happy-sad":
        pair = [EMOTIONS.index("happy"), EMOTIONS.index("sad")]
        labels = np.where(np.isin(faces.original, pair), faces.original, NO_LABEL)
    elif against == "original" or faces.votes is None:
        labels = faces.original
    else:
        labels = majority(faces.votes) if against == "majority" else plurality(faces.votes)
    rows = np.flatnonzero((labels != NO_LABEL) & (labels < len(EMOTIONS)))
    if len(rows) == 0:
        raise DatasetError(f"No row of the dataset has a label against {against}.")
    return rows, labels[rows]


def evaluate(classifier: EmotionClassifier, faces: FaceDataset, against: Against = "majority") -> dict[str, Any]:
    """Measure a classifier, one pass, nothing varied.

    Args:
        classifier: What to measure; calibrated as its card says.
        faces: Rows to measure on.
        against: Which labels are the truth. Defaults to the FER+ majority over the seven emotions.

    Returns:
        The document of `evaluate --json`. Where votes exist, the share of them that the predicted emotion got stands
        for its accuracy in `ece`.

    Raises:
        DatasetError: The dataset lacks the labels.
    """
    rows, truth = judged_rows(faces, against)
    images = faces.images[rows]
    scores = np.concatenate(
        [classify(classifier, images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    )
    labels: tuple[str, ...] = EMOTIONS
    if against == "happy-sad":
        pair = [EMOTIONS.index("happy"), EMOTIONS.index("sad")]
        scores = scores[:, pair] / scores[:, pair].sum(axis=1, keepdims=True)
        truth = np.where(truth == pair[0], 0, 1)
        labels = ("happy", "sad")
    predicted = scores.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(labels))
    by_class = per_class(confusion)
    correct = (predicted == truth).astype(np.float64)
    rightness = correct
    if faces.votes is not None:
        columns = [EMOTIONS.index(label) for label in labels]
        rightness = vote_shares(faces.votes[rows][:, columns], predicted)
    return {
        "n": len(rows),
        "against": against,
        "labels": list(labels),
        "accuracy": float(correct.mean()),
        "macro_f1": float(by_class["f1"].mean()),
        "ece": calibration_error(scores.max(axis=1), rightness),
        "per_class": {
            label: {name: float(values[index]) for name, values in by_class.items()}
            | {"support": int(confusion[index].sum())}
            for index, label in enumerate(labels)
        },
        "confusion": confusion.tolist(),
    }

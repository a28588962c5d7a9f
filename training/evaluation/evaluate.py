"""How good a classifier is, on faces with known labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detector.emotion.classifier import classify
from detector.emotion.labels import EMOTIONS
from detector.emotion.preprocessing import fitted
from training.datasets.faces import NO_LABEL, FaceDataset
from training.datasets.labels import LABEL_SETS
from training.datasets.votes import VOTE_LABELS, majority, plurality
from training.errors import DatasetError
from training.evaluation.calibration import calibration_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier

Against = Literal["original", "majority", "plurality", "happy-sad"]

HAPPY_SAD = LABEL_SETS["happy-sad"]
BATCH = 256


@dataclass(frozen=True)
class Selection:
    """The rows of a dataset that a classifier is measured on.

    Attributes:
        against: Which labels are the truth.
        labels: The labels that are told apart, in order; at least two.
        rows: `(m,)` row numbers in the dataset.
        truth: `(m,)` index into `labels`.
        votes: `(m, len(labels))` votes for these labels; `None` where there are none.
    """

    against: str
    labels: tuple[str, ...]
    rows: NDArray[np.int64]
    truth: NDArray[np.int64]
    votes: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.rows)

    def correctness(self, predicted: NDArray[np.int64]) -> NDArray[np.float64]:
        """`(m,)` how right a prediction is: its share of the votes, or 1 or 0 where there are no votes."""
        if self.votes is None:
            return np.asarray(predicted == self.truth, dtype=np.float64)
        return vote_shares(self.votes, predicted)


def vote_shares(votes: NDArray[np.float64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of the votes for some emotions that each prediction got; 0 where there is none.

    Args:
        votes: `(n, classes)` votes for the emotions that could be predicted.
        predicted: `(n,)` index into the classes.
    """
    return np.asarray(votes[np.arange(len(votes)), predicted] / np.maximum(votes.sum(axis=1), 1.0))


def confusion_matrix(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """`(classes, classes)` counts; rows are the truth, columns the predictions."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def per_class(confusion: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Precision, recall and F1 of each class from a confusion matrix; 0 where a class was never predicted or present."""
    hits = np.diag(confusion).astype(np.float64)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {"precision": precision, "recall": recall, "f1": f1}


def judge(
    faces: FaceDataset,
    against: Against = "majority",
    labels: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
) -> Selection:
    """Choose the rows and labels of a measurement.

    Args:
        faces: Rows with labels.
        against: Which labels are the truth; `happy-sad` takes the original labels of these two.
            Defaults to the FER+ majority.
        labels: Labels to tell apart; only rows with one of them count. Defaults to all that
            `against` offers and, where given, that are in `known`.
        known: Labels that the classifier knows. Defaults to any.

    Raises:
        DatasetError: The dataset has no such labels or rows, the classifier does not know them, or
            fewer than two are left.
    """
    offered, found = _truth(faces, against)
    chosen = _labels(offered, labels, known, against)
    place = np.full(
        len(offered) + 1, NO_LABEL, dtype=np.int64
    )  # one more, for rows without a label
    for index, label in enumerate(chosen):
        place[offered.index(label)] = index
    truth = place[found]
    rows = np.flatnonzero(truth != NO_LABEL)
    if len(rows) == 0:
        raise DatasetError(
            f"No row of the dataset has a label against {against} among {', '.join(chosen)}."
        )
    votes = None
    if faces.votes is not None and set(chosen) <= set(VOTE_LABELS):
        votes = faces.votes[rows][:, [VOTE_LABELS.index(label) for label in chosen]]
    return Selection(against, chosen, rows, truth[rows], votes)


def _truth(faces: FaceDataset, against: Against) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The labels on offer, and `(n,)` an index into them or `NO_LABEL` for each row."""
    if against == "original":
        return faces.classes, faces.original
    if against == "happy-sad":
        missing = [label for label in HAPPY_SAD if label not in faces.classes]
        if missing:
            raise DatasetError(
                f"Measuring happy against sad needs both labels: the dataset has {', '.join(faces.classes)}."
            )
        found = np.full(len(faces), NO_LABEL, dtype=np.int64)
        for index, label in enumerate(HAPPY_SAD):
            found[faces.original == faces.classes.index(label)] = index
        return HAPPY_SAD, found
    if against not in {"majority", "plurality"}:
        raise DatasetError(
            f"Cannot measure against {against!r}: expected original, majority, plurality or happy-sad."
        )
    if faces.votes is None:
        raise DatasetError(
            f"Measuring against the FER+ {against} needs the vote file: name it with --votes."
        )
    found = majority(faces.votes) if against == "majority" else plurality(faces.votes)
    return EMOTIONS, np.where(found < len(EMOTIONS), found, NO_LABEL)


def _labels(
    offered: Sequence[str], asked: Sequence[str] | None, known: Sequence[str] | None, against: str
) -> tuple[str, ...]:
    if asked is None:
        chosen = tuple(label for label in offered if known is None or label in known)
        if len(chosen) < 2:
            raise DatasetError(
                "Measuring needs at least two labels that the model and the dataset share: the model knows "
                f"{', '.join(known or ())}, against {against} there are {', '.join(offered)}."
            )
        return chosen
    for holder, names in (("The model", known), (f"Against {against}, the dataset", offered)):
        unknown = [label for label in asked if names is not None and label not in names]
        if unknown:
            raise DatasetError(
                f"{holder} does not know {', '.join(unknown)}: expected some of {', '.join(names or ())}."
            )
    if len(set(asked)) != len(asked) or len(asked) < 2:
        raise DatasetError(
            f"Measuring needs at least two different labels, received {', '.join(asked) or 'none'}."
        )
    return tuple(asked)


def predict(
    classifier: EmotionClassifier, images: NDArray[np.uint8], *, flip: bool = False
) -> NDArray[np.float64]:
    """Calibrated probabilities of any number of faces.

    Args:
        classifier: Calibrated as its card says.
        images: `(n, h, h)` grey levels of any size; they are resized to what the classifier takes.
        flip: Whether each face is also read in the mirror, and the mean of both is given (test-time
            augmentation). Defaults to once, as it is.

    Returns:
        `(n, labels)` in the order of the card's labels; rows sum to 1.
    """
    found = np.empty((len(images), len(classifier.card.labels)))
    for start in range(0, len(images), BATCH):
        faces = fitted(images[start : start + BATCH], classifier.card.input_side_px)
        scores = classify(classifier, faces)
        if flip:
            scores = (scores + classify(classifier, np.ascontiguousarray(faces[:, :, ::-1]))) / 2
        found[start : start + BATCH] = scores
    return found


def restricted(
    scores: NDArray[np.float64], known: Sequence[str], labels: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities of some labels, given that it is one of them.

    Args:
        scores: `(n, len(known))`.
        known: Labels of the columns.
        labels: Some of them, in the wanted order.

    Returns:
        `(n, len(labels))`; rows sum to 1.
    """
    if tuple(known) == tuple(labels):
        return scores
    part = scores[:, [list(known).index(label) for label in labels]] + np.finfo(np.float64).tiny
    return np.asarray(part / part.sum(axis=1, keepdims=True))


def document(judged: Selection, scores: NDArray[np.float64]) -> dict[str, Any]:
    """The document of `evaluate --json`.

    Args:
        judged: The rows.
        scores: `(m, len(judged.labels))` probabilities for these rows.

    Returns:
        `n`, `against`, `labels`, `accuracy`, `macro_f1`, `ece`, `per_class` and `confusion`. Where
        votes exist, the share of them that the predicted emotion got stands for its accuracy in
        `ece`.
    """
    predicted = scores.argmax(axis=1)
    confusion = confusion_matrix(judged.truth, predicted, len(judged.labels))
    by_class = per_class(confusion)
    return {
        "n": len(judged),
        "against": judged.against,
        "labels": list(judged.labels),
        "accuracy": float((predicted == judged.truth).mean()),
        "macro_f1": float(by_class["f1"].mean()),
        "ece": calibration_error(scores.max(axis=1), judged.correctness(predicted)),
        "per_class": {
            label: {name: float(values[index]) for name, values in by_class.items()}
            | {"support": int(confusion[index].sum())}
            for index, label in enumerate(judged.labels)
        },
        "confusion": confusion.tolist(),
    }


def evaluate(
    classifier: EmotionClassifier,
    faces: FaceDataset,
    against: Against = "majority",
    *,
    labels: Sequence[str] | None = None,
    flip: bool = False,
) -> dict[str, Any]:
    """Measure a classifier.

    Args:
        classifier: What to measure; calibrated as its card says.
        faces: Rows to measure on.
        against: Which labels are the truth. Defaults to the FER+ majority.
        labels: Labels to tell apart: only rows with one of them count, and the probabilities are
            renormalised over them. Defaults to all that the classifier and the truth share.
        flip: See `predict`. Defaults to one pass, nothing varied.

    Returns:
        See `document`.

    Raises:
        DatasetError: See `judge`.
    """
    known = classifier.card.labels
    judged = judge(faces, against, labels, known)
    scores = predict(classifier, faces.images[judged.rows], flip=flip)
    return document(judged, restricted(scores, known, judged.labels))
